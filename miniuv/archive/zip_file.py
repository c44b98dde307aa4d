"""Zip files, opened with every foreign error translated and every member's name, kind and size checked."""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from miniuv.archive.member import COPY_CHUNK, MemberNames, SizeBudget, check_member_path, shown
from miniuv.archive.rules import Rules
from miniuv.archive.zip_structure import check_structure
from miniuv.errors import ArchiveError
from miniuv.settings.options import WheelRule

_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, and the lengths of the name and of the extra field that follow (APPNOTE 4.3.7)."""

_ENCRYPTED = 0x1
_UNUSUAL = 0x20 | 0x40 | 0x2000
"""Patch data, strong encryption and masked headers."""

_IS_UTF8 = 0x800
_RAW_DEFLATE = -15
_LONGEST_EXTRA = 0xFFFF
_OF_SDISTS: frozenset[WheelRule] = frozenset({"zip-comment"})
"""Hosts of repositories write the commit there."""

_FOREIGN = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OverflowError,  # a place that no file has
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What ``zipfile`` and ours raise for damaged archives."""

WHOLE_BYTES = 8 * 1024 * 1024
"""The largest member that is unpacked in memory."""


@contextmanager
def open_zip(source: Path | IO[bytes], *, where: str) -> Iterator[ZipFile]:
    """Open a zip file; whatever goes wrong with it, then or while its members are read, is an ``ArchiveError``."""
    try:
        with ZipFile(source) as archive:
            yield archive
    except _FOREIGN as error:
        raise ArchiveError(f"is no intact zip file: {str(error) or type(error).__name__}", where=where) from error
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror or error}", where=where) from error


def checked_files(archive: ZipFile, *, where: str, links: bool = False, rules: Rules | None = None) -> list[ZipInfo]:
    """List the regular files (and symbolic ``links``, where allowed), sorted by name; ``rules`` are those of a wheel.

    Raises ``ArchiveError`` where the archive or a member breaks a rule.
    """
    rules = rules or Rules(where=where, allowed=_OF_SDISTS, waivable=False)
    names, budget = MemberNames(rules=rules), SizeBudget(rules=rules)
    files = []
    for info in archive.infolist():
        budget.spend(info.filename, info.file_size, info.compress_size)
        if info.orig_filename != info.filename:
            raise ArchiveError(f"member {shown(info.orig_filename)} has a name that cannot be a path", where=where)
        name = check_member_path(info.filename.removesuffix("/"), where=where)
        _check_kind(info, where, links=links)
        if info.is_dir():
            if info.file_size:
                raise ArchiveError(f"member {shown(info.filename)} is a folder with content", where=where)
            names.add_folder(name)
        else:
            names.add_file(name)
            files.append(info)
    budget.conclude()
    check_structure(archive, rules=rules)
    return sorted(files, key=lambda info: info.filename)


def read_whole(archive: ZipFile, info: ZipInfo) -> bytes:
    """Unpack one member of an ``archive`` that is a file on disk, by a positioned read: several threads may at once.

    As strict as ``ZipFile.read``, for a third of the time. Raises ``BadZipFile``, ``zlib.error``; see ``open_zip``.
    """
    if archive.fp is None:
        raise BadZipFile("it is closed")
    descriptor = archive.fp.fileno()
    packed = info.compress_size
    # Nearly always the extra field is as long here as in the central directory, and one read is enough.
    start = _LOCAL_HEADER.size + len(_raw_name(info)) + len(info.extra)
    data = os.pread(descriptor, start + packed, info.header_offset)
    start = _content_start(data, info)
    if len(data) < start + packed:
        data = os.pread(descriptor, start + packed, info.header_offset)
    if len(data) < start + packed:
        raise BadZipFile("a member lies beyond the end of the file")
    content = memoryview(data)[start : start + packed]
    whole = bytes(content) if info.compress_type == ZIP_STORED else _inflated(content, info)
    if len(whole) != info.file_size or zlib.crc32(whole) != info.CRC:
        raise BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return whole


def read_parts(archive: ZipFile, info: ZipInfo) -> Iterator[bytes]:
    """Unpack one member as ``read_whole`` does, in pieces of at most ``COPY_CHUNK`` bytes."""
    if archive.fp is None:
        raise BadZipFile("it is closed")
    descriptor = archive.fp.fileno()
    head = os.pread(descriptor, _LOCAL_HEADER.size + len(_raw_name(info)) + _LONGEST_EXTRA, info.header_offset)
    at = info.header_offset + _content_start(head, info)
    end = at + info.compress_size
    inflater = zlib.decompressobj(_RAW_DEFLATE) if info.compress_type == ZIP_DEFLATED else None
    left, crc = info.file_size, 0
    while at < end:
        piece = os.pread(descriptor, min(COPY_CHUNK, end - at), at)
        if not piece:
            raise BadZipFile("a member lies beyond the end of the file")
        at += len(piece)
        for part in [piece] if inflater is None else _inflated_parts(inflater, piece):
            left -= len(part)
            if left < 0:
                raise BadZipFile(f"Bad size of file {info.filename!r}")
            crc = zlib.crc32(part, crc)
            yield part
    if left or (inflater is not None and (not inflater.eof or inflater.unused_data)):
        raise BadZipFile(f"Bad size of file {info.filename!r}")
    if crc != info.CRC:
        raise BadZipFile(f"Bad CRC-32 for file {info.filename!r}")


def read_text(archive: ZipFile, info: ZipInfo, *, limit: int) -> bytes:
    """Read one small member of any archive, also of one that is read over the network; no more than was announced.

    Raises ``BadZipFile``, ``zlib.error``; see ``open_zip``.
    """
    if info.file_size > limit:
        raise BadZipFile(f"{info.filename!r} is larger than {limit // 2**20} MiB")
    with archive.open(info) as stream:
        return stream.read(info.file_size + 1)


def is_executable(info: ZipInfo) -> bool:
    """Whether any executable bit is set; every other bit of the mode is dropped."""
    return bool((info.external_attr >> 16) & 0o111)


def is_link(info: ZipInfo) -> bool:
    """Whether it is a symbolic link, whose content is its target."""
    return stat.S_ISLNK(info.external_attr >> 16)


def _inflated(content: memoryview, info: ZipInfo) -> bytes:
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    whole = inflater.decompress(content, info.file_size + 1)  # no more than was announced, whatever comes
    if not inflater.eof or inflater.unused_data:
        raise BadZipFile(f"Bad size of file {info.filename!r}")
    return whole


def _inflated_parts(inflater: "zlib._Decompress", piece: bytes) -> Iterator[bytes]:
    while not inflater.eof:
        part = inflater.decompress(piece, COPY_CHUNK)
        piece = inflater.unconsumed_tail
        if part:
            yield part
        if not piece and len(part) < COPY_CHUNK:
            return
    if piece:
        raise BadZipFile("a member has bytes behind its compressed content")


def _content_start(data: bytes, info: ZipInfo) -> int:
    """Where the content starts in ``data``, which starts with a member's local header."""
    if len(data) < _LOCAL_HEADER.size:
        raise BadZipFile("a member lies beyond the end of the file")
    signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(data)
    name = data[_LOCAL_HEADER.size : _LOCAL_HEADER.size + name_length]
    if signature != b"PK\x03\x04":
        raise BadZipFile("a member has no intact header")
    if name != _raw_name(info):
        raise BadZipFile("a member has another name in the directory of the archive than before its data")
    return _LOCAL_HEADER.size + int(name_length) + int(extra_length)


def _raw_name(info: ZipInfo) -> bytes:
    name = info.orig_filename
    # Plain ASCII is the same in both, and cp437 takes many times as long.
    return name.encode("utf-8" if info.flag_bits & _IS_UTF8 or name.isascii() else "cp437")


def _check_kind(info: ZipInfo, where: str, *, links: bool) -> None:
    if info.flag_bits & (_ENCRYPTED | _UNUSUAL):
        raise ArchiveError(f"member {shown(info.filename)} is encrypted, or patch data", where=where)
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise ArchiveError(
            f"member {shown(info.filename)} is compressed by method {info.compress_type}; stored and deflate are read",
            where=where,
        )
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) and not (links and is_link(info)):
        label = "a symbolic link" if kind == stat.S_IFLNK else "neither a file nor a folder"
        raise ArchiveError(f"member {shown(info.filename)} is {label}", where=where)
    if (kind == stat.S_IFDIR) and not info.is_dir():
        raise ArchiveError(f"member {shown(info.filename)} is marked as a folder", where=where)
