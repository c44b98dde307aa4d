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

from miniuv.archive.member import MemberNames, SizeBudget, check_member_path, shown
from miniuv.errors import ArchiveError

_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, and the lengths of the name and of the extra field that follow (APPNOTE 4.3.7)."""

_ENCRYPTED = 0x1
_UNUSUAL = 0x20 | 0x40
"""Patch data and strong encryption: refused by ``zipfile``."""

_IS_UTF8 = 0x800
_RAW_DEFLATE = -15

WHOLE_BYTES = 8 * 1024 * 1024
"""The largest member that is unpacked in memory."""


@contextmanager
def open_zip(source: Path | IO[bytes], *, where: str) -> Iterator[ZipFile]:
    """Open a zip file; whatever goes wrong with it, then or while its members are read, is an ``ArchiveError``."""
    try:
        with ZipFile(source) as archive:
            yield archive
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise ArchiveError(f"is no intact zip file: {str(error) or type(error).__name__}", where=where) from error
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror or error}", where=where) from error


def checked_files(archive: ZipFile, *, where: str, links: bool = False) -> list[ZipInfo]:
    """List the regular files (and symbolic ``links``, where allowed), sorted by name.

    Raises ``ArchiveError`` where a member breaks a rule.
    """
    names, budget = MemberNames(where=where), SizeBudget(where=where)
    files = []
    for info in archive.infolist():
        budget.spend(info.filename, info.file_size, info.compress_size)
        if info.orig_filename != info.filename:
            raise ArchiveError(f"member {shown(info.orig_filename)} has a name that cannot be a path", where=where)
        name = check_member_path(info.filename.removesuffix("/"), where=where)
        _check_kind(info, where, links=links)
        if info.is_dir():
            names.add_folder(name)
        else:
            names.add_file(name)
            files.append(info)
    _check_places(archive, where)
    return sorted(files, key=lambda info: info.filename)


def read_whole(archive: ZipFile, info: ZipInfo) -> bytes:
    """Unpack one member of an ``archive`` that is a file on disk, by a positioned read: several threads may at once.

    As strict as ``ZipFile.read``, for a third of the time. Raises ``BadZipFile``, ``zlib.error``; see ``open_zip``.
    """
    if info.file_size > WHOLE_BYTES or info.flag_bits & _UNUSUAL or archive.fp is None:
        return archive.read(info)
    descriptor = archive.fp.fileno()
    packed = info.compress_size
    # Nearly always the extra field is as long here as in the central directory, and one read is enough.
    start = _LOCAL_HEADER.size + len(info.orig_filename.encode()) + len(info.extra)
    data = os.pread(descriptor, start + packed, info.header_offset)
    if len(data) < _LOCAL_HEADER.size:
        raise BadZipFile("a member lies beyond the end of the file")
    signature, name_length, extra_length = _LOCAL_HEADER.unpack_from(data)
    start = _LOCAL_HEADER.size + name_length + extra_length
    if len(data) < start + packed:
        data = os.pread(descriptor, start + packed, info.header_offset)
    if signature != b"PK\x03\x04" or len(data) < start + packed:
        raise BadZipFile("a member has no intact header")
    name = data[_LOCAL_HEADER.size : start - extra_length]
    if name.decode("utf-8" if info.flag_bits & _IS_UTF8 else "cp437") != info.orig_filename:
        raise BadZipFile("a member has another name in the directory of the archive than before its data")
    content = memoryview(data)[start : start + packed]
    whole = bytes(content) if info.compress_type == ZIP_STORED else _inflated(content, info)
    if len(whole) != info.file_size or zlib.crc32(whole) != info.CRC:
        raise BadZipFile(f"Bad CRC-32 for file {info.filename!r}")
    return whole


def is_executable(info: ZipInfo) -> bool:
    """Whether any executable bit is set; every other bit of the mode is dropped."""
    return bool((info.external_attr >> 16) & 0o111)


def is_link(info: ZipInfo) -> bool:
    """Whether it is a symbolic link, whose content is its target."""
    return stat.S_ISLNK(info.external_attr >> 16)


def _inflated(content: memoryview, info: ZipInfo) -> bytes:
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    whole = inflater.decompress(content, info.file_size + 1)  # no more than was announced, whatever comes
    if not inflater.eof:
        raise BadZipFile(f"Bad size of file {info.filename!r}")
    return whole


def _check_places(archive: ZipFile, where: str) -> None:
    """Refuse bytes before the first member, and members that share bytes: small bombs are made of these."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if not end and info.header_offset:
            raise ArchiveError("has bytes before its first member: it may be two kinds of file at once", where=where)
        if info.header_offset < end:
            raise ArchiveError(f"member {shown(info.filename)} overlaps another one", where=where)
        end = info.header_offset + _LOCAL_HEADER.size + len(info.orig_filename) + info.compress_size


def _check_kind(info: ZipInfo, where: str, *, links: bool) -> None:
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"member {shown(info.filename)} is encrypted", where=where)
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
