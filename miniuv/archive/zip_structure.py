"""Whether a zip file is one archive and nothing else: every byte of it is walked over, and none is left.

Readers of zip files differ in which headers they believe. A file on which any two of them could disagree is refused:
each local header must say what the central directory says, and members, directory and end must follow each other
without a gap (APPNOTE 4.3 and 4.5; CVE-2025-54368).
"""

import os
import struct
from collections.abc import Sequence
from typing import NamedTuple
from zipfile import ZipFile, ZipInfo

from miniuv.archive.member import MAX_ENTRIES, shown
from miniuv.archive.rules import Rules

_LOCAL = struct.Struct("<4s2xHH4xLLLHH")
"""Signature, flags, method, CRC, packed size, size, lengths of name and extra fields (4.3.7)."""
_CENTRAL = struct.Struct("<4s4xHH4xLLLHHHH6xL")
"""The same, then the length of the comment, the disk and the place of the local header (4.3.12)."""
_END = struct.Struct("<4sHHHHLLH")
"""Signature, disks, counts, size and place of the directory, length of the comment (4.3.16)."""
_END64 = struct.Struct("<4sQ4xLLQQQQ")
"""The same with its own length, without the comment (4.3.14)."""
_LOCATOR = struct.Struct("<4sLQL")
"""Signature, disk, place of the end record, number of disks (4.3.15)."""
_DESCRIPTORS = {
    12: (struct.Struct("<LLL"), b""),
    16: (struct.Struct("<4xLLL"), b"PK\x07\x08"),
    20: (struct.Struct("<LQQ"), b""),
    24: (struct.Struct("<4xLQQ"), b"PK\x07\x08"),
}
"""By length: what may lie behind a member whose sizes were not known when it was begun (4.3.9)."""

_STREAMED = 0x8
_UTF8 = 0x800
_SAME_FLAGS = 0x1 | _STREAMED | 0x20 | 0x40 | _UTF8 | 0x2000
_FULL_16, _FULL = 0xFFFF, 0xFFFFFFFF
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_BEFORE_PATH = 5
"""Bytes of version and checksum (4.6.9)."""
_MOST_DIRECTORY_BYTES = MAX_ENTRIES * 1024
_LONGEST_COMMENT = 0xFFFF
_USUAL_EXTRA = 32


class _End(NamedTuple):
    directory: int
    """Where the central directory starts in the file."""
    size: int
    members: int
    shift: int
    """How many bytes lie before what the directory takes for the start of the file."""


def check_structure(archive: ZipFile, *, rules: Rules) -> None:
    """Walk over a zip ``archive`` that was opened from a file; raises ``ArchiveError``, ``OSError``."""
    assert archive.fp is not None
    descriptor = archive.fp.fileno()
    infos = archive.infolist()
    end = _read_end(descriptor, rules)
    if len(infos) != end.members:
        raise rules.refuse(f"has {len(infos)} members, and says that it has {end.members}")
    _check_directory(descriptor, infos, end, rules)
    _check_members(descriptor, infos, end, rules)


def _read_end(descriptor: int, rules: Rules) -> _End:
    size = os.fstat(descriptor).st_size
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = os.pread(descriptor, size - start, start)
    at = len(tail) - _END.size
    if tail[at : at + 4] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise rules.refuse("is no intact zip file: it has no end record")
    _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
    if len(tail) - at - _END.size != comment:
        raise rules.refuse("has bytes behind its end: it may be two archives at once")
    if comment:
        rules.broken("zip-comment", "has a comment behind its end, in which another archive could hide")
    place = start + at
    told = (disk, first_disk, here, count, length, offset)
    locator = os.pread(descriptor, _LOCATOR.size, max(0, place - _LOCATOR.size))
    end64 = None
    if locator.startswith(b"PK\x06\x07"):
        place -= _LOCATOR.size + _END64.size
        end64 = os.pread(descriptor, _END64.size, max(0, place))
        if place < 0 or not end64.startswith(b"PK\x06\x06"):
            raise rules.refuse("has a zip64 locator that does not lead to the record before it")
        _, own, *wide = _END64.unpack(end64)
        full = (_FULL_16,) * 4 + (_FULL,) * 2
        if own != _END64.size - 12 or any(
            narrow not in (limit, broad) for narrow, limit, broad in zip(told, full, wide, strict=True)
        ):
            raise rules.refuse("has two end records that contradict each other")
        disk, first_disk, here, count, length, offset = wide
    elif _FULL_16 in told[:4] or _FULL in told[4:]:
        raise rules.refuse("has sizes for a zip64 record, and none")
    if disk or first_disk or here != count:
        raise rules.refuse("is one part of an archive of several files")
    shift = place - length - offset
    if shift < 0 or length > _MOST_DIRECTORY_BYTES:
        raise rules.refuse("has a central directory that does not end at its end record")
    if end64 is not None and _LOCATOR.unpack(locator)[1:] != (0, place - shift, 1):
        raise rules.refuse("has a zip64 locator that does not lead to the record before it")
    return _End(directory=place - length, size=length, members=count, shift=shift)


def _check_directory(descriptor: int, infos: Sequence[ZipInfo], end: _End, rules: Rules) -> None:
    data = os.pread(descriptor, end.size, end.directory)
    at = 0
    for info in infos:
        if len(data) - at < _CENTRAL.size:
            raise rules.refuse("has a central directory that ends too early")
        signature, flags, _, _, packed, size, names, extras, comment, disk, offset = _CENTRAL.unpack_from(data, at)
        at += _CENTRAL.size + names + extras + comment
        if signature != b"PK\x01\x02" or disk or flags != info.flag_bits:
            raise rules.refuse(f"has a damaged directory at member {shown(info.orig_filename)}")
        if comment or info.comment:
            rules.broken("zip-comment", f"member {shown(info.orig_filename)} has a comment")
        if not (flags & _UTF8 or info.orig_filename.isascii()):
            raise rules.refuse(f"member {shown(info.orig_filename)} has a name that is not marked as UTF-8")
        if extras:
            wide = _extra_fields(info.extra, info, rules).get(_ZIP64)
            if wide is not None and len(wide) != 8 * (packed, size, offset).count(_FULL):
                raise rules.refuse(f"member {shown(info.orig_filename)} has a zip64 field of a wrong length")
    if at != len(data) or len(data) != end.size:
        raise rules.refuse("has bytes between its directory and its end record")


def _check_members(descriptor: int, infos: Sequence[ZipInfo], end: _End, rules: Rules) -> None:
    ordered = sorted(infos, key=lambda info: info.header_offset)
    start = ordered[0].header_offset if ordered else end.directory
    if start or end.shift:
        rules.broken("zip-prefix", "has bytes before its first member: it may be two kinds of file at once")
    places = [info.header_offset for info in ordered[1:]]
    for info, following in zip(ordered, [*places, end.directory], strict=True):
        behind = _check_member(descriptor, info, following, rules)
        if behind > following:
            raise rules.refuse(f"member {shown(info.orig_filename)} overlaps another one, or the directory")
        if behind < following:
            raise rules.refuse(f"has {following - behind} bytes behind member {shown(info.orig_filename)}")


def _check_member(descriptor: int, info: ZipInfo, following: int, rules: Rules) -> int:
    """Compare one local header with the directory, and return where the member ends."""
    name = info.orig_filename.encode()
    head = _LOCAL.size + len(name)
    data = os.pread(descriptor, head + len(info.extra) + _USUAL_EXTRA, info.header_offset)
    if len(data) < head or not data.startswith(b"PK\x03\x04"):
        raise rules.refuse(f"member {shown(info.orig_filename)} has no header where the directory says")
    _, flags, method, crc, packed, size, names, extras = _LOCAL.unpack_from(data)
    if names != len(name) or data[_LOCAL.size : head] != name:
        raise rules.refuse(
            f"member {shown(info.orig_filename)} has another name in the directory of the archive than before its data"
        )
    different = (flags ^ info.flag_bits) & _SAME_FLAGS
    if different & ~_UTF8 or (different and not name.isascii()) or method != info.compress_type:
        raise rules.refuse(f"member {shown(info.orig_filename)} has another method or other flags in the directory")
    if extras:
        if len(data) < head + extras:
            data = os.pread(descriptor, head + extras, info.header_offset)
        wide = _extra_fields(data[head : head + extras], info, rules).get(_ZIP64)
        if wide is not None:
            size, packed = _wide_sizes(wide, size, packed, info, rules)
    told, known = (crc, packed, size), (info.CRC, info.compress_size, info.file_size)
    behind: int = info.header_offset + head + extras + info.compress_size
    if not flags & _STREAMED:
        if told != known:
            raise _contradicts(info, rules)
        return behind
    if any(value not in (0, true) for value, true in zip(told, known, strict=True)):
        raise _contradicts(info, rules)
    length = following - behind
    if length < 0:
        return behind
    layout, signature = _DESCRIPTORS.get(length, (None, b""))
    if layout is None:
        raise rules.refuse(f"member {shown(info.orig_filename)} has no data descriptor, or bytes behind it")
    descriptor_data = os.pread(descriptor, length, behind)
    if not descriptor_data.startswith(signature) or layout.unpack(descriptor_data) != known:
        raise _contradicts(info, rules)
    return following


def _wide_sizes(wide: bytes, size: int, packed: int, info: ZipInfo, rules: Rules) -> tuple[int, int]:
    """Size and packed size by the zip64 field of a local header, which "MUST include BOTH" (4.5.3)."""
    if len(wide) != 16:
        raise rules.refuse(f"member {shown(info.orig_filename)} has a zip64 field of a wrong length")
    broad_size, broad_packed = struct.unpack("<QQ", wide)
    if size not in (_FULL, broad_size) or packed not in (_FULL, broad_packed):
        raise _contradicts(info, rules)
    return broad_size, broad_packed


def _extra_fields(data: bytes, info: ZipInfo, rules: Rules) -> dict[int, bytes]:
    """The extra fields of one header by their number; raises ``ArchiveError`` where readers could differ on them."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        number, length = struct.unpack_from("<HH", data, at) if len(data) - at >= 4 else (0, len(data))
        if length > len(data) - at - 4:
            raise rules.refuse(f"member {shown(info.orig_filename)} has an extra field that is cut short")
        value = data[at + 4 : at + 4 + length]
        if number == _ZIP64 and number in fields:
            raise rules.refuse(f"member {shown(info.orig_filename)} has two zip64 fields")
        if number == _UNICODE_PATH and value[_BEFORE_PATH:] != info.orig_filename.encode():
            raise rules.refuse(f"member {shown(info.orig_filename)} has another name in an extra field")
        fields[number] = value
        at += 4 + length
    return fields


def _contradicts(info: ZipInfo, rules: Rules) -> Exception:
    return rules.refuse(f"member {shown(info.orig_filename)} has other sizes or another checksum in the directory")
