"""A folder of the user's that is the same whatever the cache: for the locks of source trees."""

import errno
import os
import stat
from pathlib import Path

_PLACES = (Path("/tmp"), Path("/dev/shm"))  # noqa: S108  # owner and mode of what lies there are checked


def runtime_folder(*, fallback: Path) -> Path:
    """Choose the folder; it may be missing still, and looking makes nothing.

    It lies in the first place where we can write to it and nobody else sits on its name; all processes that see the
    same file systems choose the same. ``fallback`` where there is no such place.

    Not ``XDG_RUNTIME_DIR`` and not ``TMPDIR``: a job without them (cron, tox, a build) must find the same locks
    as a login session that has them.
    """
    for folder in _candidates():
        changed = folder
        try:
            if not _is_ours(folder.lstat()):
                continue
        except FileNotFoundError:
            changed = folder.parent
        except OSError:
            continue
        if os.access(changed, os.W_OK | os.X_OK):
            return folder
    return fallback


def make_lock_folder(folder: Path) -> None:
    """Make a folder for locks and the one it lies in, for us alone.

    Raises ``OSError``, also where somebody else has taken a name since ``runtime_folder`` chose it.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.parent in _candidates() and not _is_ours(folder.parent.lstat()):
        raise PermissionError(errno.EPERM, "somebody else sits on the name of our folder", str(folder.parent))
    folder.mkdir(mode=0o700, exist_ok=True)


def _candidates() -> tuple[Path, ...]:
    return tuple(place / f"miniuv-{os.geteuid()}" for place in _PLACES)


def _is_ours(facts: os.stat_result) -> bool:
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
