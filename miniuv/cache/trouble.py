"""Foreign failures of the disk, said once in the cache's own words."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miniuv.errors import CacheError

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
NOT_WRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
FATAL = FULL | NO_DESCRIPTORS | {errno.EIO, errno.EROFS, errno.EFBIG}
"""What no caller can mend: whoever works in a staging folder is spared from knowing these."""

_ELSEWHERE = "choose another folder with `--cache-dir`"


@contextmanager
def cache_trouble(path: Path, doing: str, *, needed: int | None = None) -> Iterator[None]:
    """Turn an ``OSError`` into a ``CacheError`` that says what could not be done to ``path``; see ``cache_error``."""
    try:
        yield
    except OSError as error:
        raise cache_error(error, path=path, doing=doing, needed=needed) from error


def cache_error(error: OSError, *, path: Path, doing: str, needed: int | None = None) -> CacheError:
    """Say ``error`` for people: ``doing`` is what failed, ``write to the cache``.

    ``needed``, in bytes, is what ``path`` would have had in the end; what it has now is going to be deleted.
    """
    reason = (error.strerror or str(error)).lower()
    return CacheError(f"cannot {doing}: {reason}", where=str(path), hint=_hint(error.errno, path, needed))


def is_out_of_space(error: CacheError) -> bool:
    """Whether it is a full disk, or a used-up quota, that ``error`` tells of."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL


def refuse_scarcity(error: OSError, path: Path) -> None:
    """Raise ``CacheError`` where it is we who cannot open anything any more: that says nothing about ``path``."""
    if error.errno in NO_DESCRIPTORS:
        raise cache_error(error, path=path, doing="read the cache") from error


def space_hint(path: Path, *, code: int | None = errno.ENOSPC, needed: int | None = None) -> str:
    """What to do about a full disk, with what ``needed`` comes to and what is free around ``path``."""
    return f"{_space(code, path, needed)}; free some space there, or {_ELSEWHERE}"


def _hint(code: int | None, path: Path, needed: int | None) -> str:
    if code in FULL:
        return space_hint(path, code=code, needed=needed)
    if code in NO_DESCRIPTORS:
        return "raise the limit of open files (`ulimit -n`), or lower `--concurrent-downloads`"
    if code in NOT_WRITABLE:
        return f"make it writable for you, or {_ELSEWHERE}"
    return f"check that folder, or {_ELSEWHERE}"


def _space(code: int | None, path: Path, needed: int | None) -> str:
    wanted = "" if needed is None else f"{_megabytes(needed)} are needed, "
    if code == errno.EDQUOT:  # of which nobody can be asked here
        return f"{wanted}your quota there is used up"
    for folder in (path, *path.parents):
        try:
            facts = os.statvfs(folder)
        except OSError:
            continue
        if facts.f_files and not facts.f_favail:
            return "no further file can be made there"
        free = facts.f_bavail * facts.f_frsize + (0 if needed is None else _occupied(path))
        return f"{wanted}{_megabytes(free)} are free"
    return f"{wanted}no space is left"


def _occupied(path: Path) -> int:
    """The bytes on the disk of a file or a whole folder."""
    try:
        facts = path.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            return facts.st_blocks * 512
        with os.scandir(path) as entries:
            return sum(_occupied(Path(entry.path)) for entry in entries)
    except OSError:
        return 0


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
