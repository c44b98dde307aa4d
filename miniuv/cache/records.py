"""A record as bytes: what was kept for which action, and a checksum by which every accident to it shows.

A record is believed without asking anybody, and one changed letter of an address or a digest would still make sense.
The checksum is no protection from somebody who means it: the cache is its owner's (``check_trust``).
"""

import json
import zlib
from collections.abc import Mapping


def with_checksum(data: bytes) -> bytes:
    """``data`` behind a line that tells its CRC-32."""
    return b"%08x\n%s" % (zlib.crc32(data), data)


def without_checksum(content: bytes) -> bytes | None:
    """What ``with_checksum`` was given; ``None`` where this is not what it made."""
    line, _, data = content.partition(b"\n")
    return data if line == b"%08x" % zlib.crc32(data) else None


def pack_record(action: str, record: Mapping[str, object]) -> bytes:
    """JSON with a checksum."""
    return with_checksum(json.dumps({"action": action, "record": dict(record)}, separators=(",", ":")).encode())


def unpack_record(content: bytes) -> tuple[str, dict[str, object]] | None:
    """What ``pack_record`` was given; ``None`` where this is not what it made."""
    data = without_checksum(content)
    try:
        value = json.loads(data) if data is not None else None
    except (ValueError, RecursionError):
        return None
    match value:
        case {"action": str(action), "record": dict(record)}:
            return action, record
        case _:
            return None
