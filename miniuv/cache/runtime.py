"""A folder of the user's that is the same whatever the cache: for the locks of source trees."""

import os
import stat
from pathlib import Path


def runtime_folder(*, fallback: Path) -> Path:
    """The folder, made where it is missing; ``fallback`` where somebody else sits on its name.

    Not ``XDG_RUNTIME_DIR`` and not ``TMPDIR``: a job without them (cron, tox, a build) must find the same locks
    as a login session that has them.
    """
    folder = Path(f"/tmp/miniuv-{os.geteuid()}")  # noqa: S108  # owner and mode are checked
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        facts = folder.lstat()
    except OSError:
        return fallback
    ours = stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.geteuid() and not facts.st_mode & 0o022
    return folder if ours else fallback
