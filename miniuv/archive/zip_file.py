"""Zip files, opened with every foreign error translated and every member's name, kind and size checked."""

import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from miniuv.archive.member import MemberNames, SizeBudget, check_member_path, shown
from miniuv.errors import ArchiveError

_LOCAL_HEADER = b"PK\x03\x04"
_ENCRYPTED = 0x1


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
    first_offset = None
    for info in archive.infolist():
        first_offset = info.header_offset if first_offset is None else min(first_offset, info.header_offset)
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
    if first_offset:
        raise ArchiveError("has bytes before its first member: it may be two kinds of file at once", where=where)
    return sorted(files, key=lambda info: info.filename)


def is_executable(info: ZipInfo) -> bool:
    """Whether any executable bit is set; every other bit of the mode is dropped."""
    return bool((info.external_attr >> 16) & 0o111)


def is_link(info: ZipInfo) -> bool:
    """Whether it is a symbolic link, whose content is its target."""
    return stat.S_ISLNK(info.external_attr >> 16)


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
