"""Foreign failures of the disk, said once in the cache's own words."""

import errno
import os
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
def cache_trouble(path: Path, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` into a ``CacheError`` that says what could not be done to ``path``."""
    try:
        yield
    except OSError as error:
        raise cache_error(error, path=path, doing=doing) from error


def cache_error(error: OSError, *, path: Path, doing: str) -> CacheError:
    """Say ``error`` for people: ``doing`` is what failed, ``write to the cache``."""
    reason = (error.strerror or str(error)).lower()
    return CacheError(f"cannot {doing}: {reason}", where=str(path), hint=_hint(error.errno, path))


def refuse_scarcity(error: OSError, path: Path) -> None:
    """Raise ``CacheError`` where it is we who cannot open anything any more: that says nothing about ``path``."""
    if error.errno in NO_DESCRIPTORS:
        raise cache_error(error, path=path, doing="read the cache") from error


def _hint(code: int | None, path: Path) -> str:
    if code in FULL:
        return f"{_free_space(path)}; free some space there, or {_ELSEWHERE}"
    if code in NO_DESCRIPTORS:
        return "raise the limit of open files (`ulimit -n`), or lower `--concurrent-downloads`"
    if code in NOT_WRITABLE:
        return f"make it writable for you, or {_ELSEWHERE}"
    return f"check that folder, or {_ELSEWHERE}"


def _free_space(path: Path) -> str:
    for folder in (path, *path.parents):
        try:
            facts = os.statvfs(folder)
        except OSError:
            continue
        if facts.f_files and not facts.f_favail:
            return "no further file can be made there"
        return f"{facts.f_bavail * facts.f_frsize / 2**20:.0f} MiB are free"
    return "no space is left"
