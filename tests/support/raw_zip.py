"""Zip files written field by field, so that any of them can lie."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_LOCAL = ("<4sHHHLLLLHH", ("signature", "need", "flags", "method", "time", "crc", "packed", "size", "names", "extras"))
_CENTRAL = (
    "<4sHHHHLLLLHHHHHLL",
    (
        *("signature", "made", "need", "flags", "method", "time", "crc", "packed", "size", "names", "extras"),
        *("comments", "disk", "internal", "mode", "offset"),
    ),
)
_END = ("<4sHHHHLLH", ("signature", "disk", "first", "here", "count", "length", "offset", "comments"))
_END64 = (
    "<4sQHHLLQQQQ",
    ("signature", "own", "made", "need", "disk", "first", "here", "count", "length", "offset"),
)
_LOCATOR = ("<4sLQL", ("signature", "disk", "place", "disks"))
_TIME = 0x58210000  # the first day of 2024
_FULL = 0xFFFFFFFF

Lies = dict[str, Any]
"""By the name of a header's field."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member; what is not given is as it should be."""

    name: bytes
    content: bytes = b""
    packed: bytes | None = None
    """Instead of the deflated content."""
    both: Lies = field(default_factory=dict)
    """For the local header and the directory."""
    local: Lies = field(default_factory=dict)
    central: Lies = field(default_factory=dict)
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    behind: bytes = b""
    """Between this member and the next."""
    listed: int = 1
    """How often it is in the directory."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is around the members."""

    before: bytes = b""
    """At the start of the file, which no place counts."""
    between: bytes = b""
    """In front of the directory."""
    end: Lies = field(default_factory=dict)
    zip64: Lies | None = None
    """Of the zip64 end record; ``None``: there is none."""
    zip64_more: bytes = b""
    locator: Lies = field(default_factory=dict)
    comment: bytes = b""
    behind: bytes = b""


def raw_zip(entries: Sequence[Entry], frame: Frame = Frame()) -> bytes:  # frozen
    """Put a file together."""
    body, directory = b"", b""
    for entry in entries:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(entry.content) + packer.flush() if entry.packed is None else entry.packed
        names = entry.name
        facts = {
            "need": 20,
            "made": 0x314,
            "flags": 0 if names.isascii() else 0x800,
            "method": 8,
            "time": _TIME,
            "crc": zlib.crc32(entry.content),
            "packed": len(packed),
            "size": len(entry.content),
            "mode": 0o100644 << 16,
            "offset": len(body),
            "names": len(names),
            "disk": 0,
            "internal": 0,
            **entry.both,
        }
        local = {"signature": b"PK\x03\x04", "extras": len(entry.local_extra), **facts, **entry.local}
        central = {
            "signature": b"PK\x01\x02",
            "extras": len(entry.central_extra),
            "comments": len(entry.comment),
            **facts,
            **entry.central,
        }
        body += _packed(_LOCAL, local) + local.get("name", names) + entry.local_extra + packed + entry.behind
        line = _packed(_CENTRAL, central) + central.get("name", names) + entry.central_extra + entry.comment
        directory += line * entry.listed
    body += frame.between
    count = sum(entry.listed for entry in entries)
    place = len(body) + len(directory)
    facts = {"disk": 0, "first": 0, "here": count, "count": count, "length": len(directory), "offset": len(body)}
    tail = b""
    if frame.zip64 is not None:
        own = 44 + len(frame.zip64_more)
        told = {"signature": b"PK\x06\x06", "own": own, "made": 45, "need": 45, **facts, **frame.zip64}
        tail += _packed(_END64, told) + frame.zip64_more
        tail += _packed(_LOCATOR, {"signature": b"PK\x06\x07", "disk": 0, "place": place, "disks": 1} | frame.locator)
        facts["offset"] = _FULL
    tail += _packed(_END, {"signature": b"PK\x05\x06", **facts, "comments": len(frame.comment), **frame.end})
    return frame.before + body + directory + tail + frame.comment + frame.behind


def _packed(layout: tuple[str, tuple[str, ...]], facts: Lies) -> bytes:
    pattern, names = layout
    return struct.pack(pattern, *(facts[name] for name in names))
