"""Wheels: checked member by member while they are unpacked, so that a tree in the cache needs no second look.

https://packaging.python.org/specifications/binary-distribution-format/
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from zipfile import ZipFile, ZipInfo

from miniuv.archive.dist_info import MAX_TEXT_BYTES, check_folders, check_layers, check_texts, find_dist_info
from miniuv.archive.manifest import TREE, load_unpacked, write_manifest
from miniuv.archive.member import shown
from miniuv.archive.record import RecordLine, check_members, parse_record
from miniuv.archive.rules import Rules
from miniuv.archive.zip_file import (
    WHOLE_BYTES,
    checked_files,
    is_executable,
    open_zip,
    read_parts,
    read_text,
    read_whole,
)
from miniuv.cache.boot import boot_id
from miniuv.cache.trouble import cache_error
from miniuv.errors import ArchiveError
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel, WheelFile
from miniuv.settings.options import WheelRule

__all__ = ["load_unpacked", "read_wheel_metadata", "unpack_wheel"]


def read_wheel_metadata(source: Path | IO[bytes], *, filename: str | None = None) -> bytes:
    """Read METADATA out of a wheel; ``filename`` is its name where ``source`` is stored under another one."""
    where = filename or (source.name if isinstance(source, Path) else "wheel")
    with open_zip(source, where=where) as archive:
        dist_info = find_dist_info(archive.namelist(), where=where)
        return _read_text(archive, f"{dist_info}/METADATA", where)


def unpack_wheel(
    path: Path, *, filename: str, digest: Sha256, entry: Path, allowed: frozenset[WheelRule] = frozenset()
) -> UnpackedWheel:
    """Unpack the wheel at ``path`` into the existing folder ``entry``: ``tree/`` and ``MANIFEST``.

    Names, kinds, sizes, RECORD and the wheel's own name are checked before anything is written, each file's hash
    while it is. Raises ``ArchiveError`` where the wheel breaks a rule that is not ``allowed`` to be broken,
    ``CacheError`` where ``entry`` cannot be filled.
    """
    rules = Rules(where=filename, allowed=allowed)
    with open_zip(path, where=filename) as archive:
        members = checked_files(archive, where=filename, rules=rules)
        names = [member.filename for member in members]
        dist_info = find_dist_info(names, where=filename)
        check_folders(names, dist_info, filename=filename)
        check_texts(
            wheel=_read_text(archive, f"{dist_info}/WHEEL", filename),
            metadata=_read_text(archive, f"{dist_info}/METADATA", filename),
            entry_points=_read_optional(archive, f"{dist_info}/entry_points.txt", filename),
            filename=filename,
        )
        record = parse_record(_read_text(archive, f"{dist_info}/RECORD", filename), dist_info=dist_info, rules=rules)
        check_members(record, names, dist_info=dist_info, rules=rules)
        check_layers(names, record, filename=filename)
        try:
            files = _Unpacker(archive, entry / TREE, filename).unpack(members, record)
            wheel = UnpackedWheel(
                filename=filename,
                digest=digest,
                root=entry / TREE,
                files=tuple(files),
                dist_info=dist_info,
                boot=boot_id(),
                waived=tuple(sorted(rules.waived)),
            )
            write_manifest(wheel, entry)
        except OSError as error:
            needed = sum(member.file_size for member in members)
            raise cache_error(error, path=entry, doing=f"unpack `{filename}`", needed=needed) from error
    return wheel


class _Unpacker:
    """Writes the members of one wheel below one new folder."""

    def __init__(self, archive: ZipFile, root: Path, where: str) -> None:
        self._archive = archive
        self._root = str(root)
        self._where = where
        self._folders: set[str] = set()

    def unpack(self, members: list[ZipInfo], record: dict[str, RecordLine]) -> list[WheelFile]:
        os.mkdir(self._root, 0o755)
        return [self._write(member, record.get(member.filename)) for member in members]

    def _write(self, member: ZipInfo, promise: RecordLine | None) -> WheelFile:
        path = member.filename
        self._make_folder(path.rpartition("/")[0])
        mode = 0o755 if is_executable(member) else 0o644
        sha256 = hashlib.sha256()
        promised = sha256 if promise is None or promise.algorithm == "sha256" else hashlib.new(promise.algorithm)
        target = os.open(
            f"{self._root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode
        )
        try:
            size = 0
            for chunk in self._chunks(member):
                sha256.update(chunk)
                if promised is not sha256:
                    promised.update(chunk)
                size += len(chunk)
                _write_all(target, chunk)
            status = os.fstat(target)
            if status.st_mode & 0o777 != mode:  # a umask may have narrowed it
                os.fchmod(target, mode)
        finally:
            os.close(target)
        self._check(path, size, promised.digest(), member.file_size, promise)
        return WheelFile(
            path=path,
            size=size,
            sha256=Sha256(sha256.hexdigest()),
            executable=mode == 0o755,
            mtime_ns=status.st_mtime_ns,
        )

    def _chunks(self, member: ZipInfo) -> Iterator[bytes]:
        if member.file_size <= WHOLE_BYTES and member.compress_size <= WHOLE_BYTES:
            yield read_whole(self._archive, member)
            return
        yield from read_parts(self._archive, member)

    def _check(self, path: str, size: int, digest: bytes, declared: int, promise: RecordLine | None) -> None:
        if size != declared:
            raise ArchiveError(f"member {shown(path)} unpacks to {size} bytes instead of {declared}", where=self._where)
        if promise is None:
            return
        if promise.digest != digest:
            raise ArchiveError(f"member {shown(path)} does not have the hash that RECORD lists", where=self._where)
        if promise.size is not None and promise.size != size:
            raise ArchiveError(f"member {shown(path)} does not have the size that RECORD lists", where=self._where)

    def _make_folder(self, folder: str) -> None:
        if not folder or folder in self._folders:
            return
        self._make_folder(folder.rpartition("/")[0])
        os.mkdir(f"{self._root}/{folder}", 0o755)
        self._folders.add(folder)


def _write_all(target: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(target, view) :]


def _read_text(archive: ZipFile, name: str, where: str) -> bytes:
    data = _read_optional(archive, name, where)
    if data is None:
        raise ArchiveError(f"has no `{name}`", where=where)
    if not data.strip():
        raise ArchiveError(f"member {shown(name)} is empty", where=where)
    return data


def _read_optional(archive: ZipFile, name: str, where: str) -> bytes | None:
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.file_size > MAX_TEXT_BYTES:
        raise ArchiveError(f"member {shown(name)} is larger than {MAX_TEXT_BYTES // 2**20} MiB", where=where)
    return read_text(archive, info, limit=MAX_TEXT_BYTES)
