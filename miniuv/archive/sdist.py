"""Source archives: tar (gzip, bzip2, xz) and zip, unpacked by a loop of our own.

``extractall`` is never used: its filters have let links lead out of the destination.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tarfile import TarInfo
from typing import IO
from zipfile import ZipInfo

from miniuv.archive.links import check_links
from miniuv.archive.member import COPY_CHUNK, MAX_PATH_BYTES, MemberNames, SizeBudget, check_member_path, shown
from miniuv.archive.rules import Rules
from miniuv.archive.stream import Format, detect_format
from miniuv.archive.tar_file import TarMembers, open_tar
from miniuv.archive.zip_file import checked_files, is_executable, is_link, open_zip
from miniuv.errors import ArchiveError, CacheError

MAX_PKG_INFO_BYTES = 16 * 2**20


def unpack_sdist(path: Path, destination: Path, *, filename: str | None = None) -> Path:
    """Unpack into the new folder ``destination`` and return the project: the archive's single top folder.

    ``filename`` is the archive's name where ``path`` is stored under another one. Raises ``ArchiveError``, and
    ``CacheError`` where ``destination`` cannot be filled.
    """
    where = filename or path.name
    kind = detect_format(path, where)
    with _writing(destination, where):
        destination.mkdir(parents=True, exist_ok=True)
        files = _unpack_zip(path, destination, where) if kind == "zip" else _unpack_tar(path, kind, destination, where)
        return destination / _single_top(files, where)


def read_pkg_info(path: Path, *, filename: str | None = None) -> bytes | None:
    """Read PKG-INFO from the top of an sdist, packed or unpacked; ``None`` where it has none."""
    if path.is_dir():
        return _read_optional(path / "PKG-INFO")
    where = filename or path.name
    kind = detect_format(path, where)
    if kind == "zip":
        with open_zip(path, where=where) as archive:
            for info in archive.infolist():
                if _is_pkg_info(info.filename) and info.file_size <= MAX_PKG_INFO_BYTES:
                    return archive.read(info)
        return None
    with open_tar(path, kind, where=where) as tar:
        for member in tar:
            if member.isreg() and _is_pkg_info(_plain(member.name)) and member.size <= MAX_PKG_INFO_BYTES:
                return b"".join(_chunks(tar.content(member)))
    return None


def _read_optional(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def _unpack_zip(path: Path, destination: Path, where: str) -> list[str]:
    files: list[str] = []
    links: dict[str, str] = {}
    with open_zip(path, where=where) as archive:
        for info in checked_files(archive, where=where, links=True):
            if is_link(info):
                if info.file_size > MAX_PATH_BYTES:
                    raise ArchiveError(f"symbolic link {shown(info.filename)} is too long", where=where)
                links[info.filename] = archive.read(info).decode("utf-8", "surrogateescape")
                continue
            with archive.open(info) as content:
                _write(destination / info.filename, content, executable=is_executable(info), mtime=_zip_mtime(info))
            files.append(info.filename)
    _make_links(links, files, destination, where)
    return [*files, *links]


def _unpack_tar(path: Path, kind: Format, destination: Path, where: str) -> list[str]:
    rules = Rules(where=where, waivable=False)
    names, budget = MemberNames(rules=rules), SizeBudget(rules=rules)
    files: dict[str, int] = {}
    """Each with its size."""
    folders: list[str] = []
    links: dict[str, str] = {}
    with open_tar(path, kind, where=where) as tar:
        for member in tar:
            name = _plain(member.name)
            if name in ("", "."):
                continue
            check_member_path(name, where=where)
            size = _check_kind(member, name, files, where)
            budget.spend(name, size)
            if budget.total > tar.limit:
                raise ArchiveError(
                    f"unpacks to more than {tar.limit // 2**20} MiB: a decompression bomb at {shown(name)}", where=where
                )
            if member.isdir():
                names.add_folder(name)
                folders.append(name)
                (destination / name).mkdir(parents=True, exist_ok=True)
                continue
            names.add_file(name)
            if member.issym():
                links[name] = member.linkname
                continue
            if member.islnk():
                _copy(destination / _plain(member.linkname), destination / name)
            else:
                _extract(tar, member, name, destination / name, where)
            files[name] = size
        tar.check_rest()
    _make_links(links, [*files, *folders], destination, where)
    return [*files, *links, *(f"{folder}/" for folder in folders)]


def _check_kind(member: TarInfo, name: str, files: Mapping[str, int], where: str) -> int:
    """Return how many bytes the member takes on the disk."""
    if member.isdir() or member.issym():
        return 0
    if member.islnk():
        original = _plain(member.linkname)
        if original not in files:
            raise ArchiveError(
                f"hard link {shown(name)} is to {shown(member.linkname)}, which is no earlier file", where=where
            )
        return files[original]
    if not member.isreg() or member.issparse():
        raise ArchiveError(f"member {shown(name)} is no regular file, folder or link", where=where)
    return member.size


def _make_links(links: Mapping[str, str], members: Iterable[str], destination: Path, where: str) -> None:
    """Make the symbolic links, last of all: nothing is ever written through one."""
    check_links(links, members, where=where)
    for name in sorted(links):
        (destination / name).parent.mkdir(parents=True, exist_ok=True)
        (destination / name).symlink_to(links[name])


def _copy(original: Path, target: Path) -> None:
    """Make what a hard link stands for: a build that writes to one of the two does not change the other."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(original, target, follow_symlinks=False)


def _extract(tar: TarMembers, member: TarInfo, name: str, target: Path, where: str) -> None:
    content = tar.content(member)
    _write(target, content, executable=bool(member.mode & 0o111), mtime=float(member.mtime))
    if target.stat().st_size != member.size:
        raise ArchiveError(f"ends inside member {shown(name)}", where=where)


def _write(target: Path, content: IO[bytes], *, executable: bool, mtime: float) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with _writing(target, target.name):
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(target, flags, 0o755 if executable else 0o644), "wb") as file:
            for chunk in _chunks(content):
                file.write(chunk)
        # Generated files of some C extensions are rebuilt by `make` where times are lost.
        if 0 <= mtime < 2**33:
            os.utime(target, (mtime, mtime))


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(COPY_CHUNK):
        yield chunk


@contextmanager
def _writing(destination: Path, where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CacheError(
            f"cannot unpack `{where}`: {error.strerror or error}",
            where=str(destination),
            hint="check free space and permissions there, or choose another cache folder",
        ) from error


def _single_top(names: Iterable[str], where: str) -> str:
    tops = set()
    for name in names:
        top, slash, _ = name.partition("/")
        if not slash:
            raise ArchiveError(f"has {shown(top)} outside of its project folder", where=where)
        tops.add(top)
    if len(tops) != 1:
        problem = f"has {len(tops)} folders at its top" if tops else "is empty"
        raise ArchiveError(f"{problem}; a source archive has one", where=where)
    return tops.pop()


def _plain(name: str) -> str:
    while name.startswith("./"):
        name = name[2:]
    return name.removesuffix("/")


def _zip_mtime(info: ZipInfo) -> float:
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return time.time()


def _is_pkg_info(name: str) -> bool:
    folder, _, file = name.partition("/")
    return bool(folder) and file == "PKG-INFO"
