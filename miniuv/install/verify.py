"""Whether an unpacked wheel in the cache is still what was unpacked."""

import hashlib
import os
import stat

from miniuv.errors import InstallError
from miniuv.models.wheel import UnpackedWheel, WheelFile


class DamagedWheelError(InstallError):
    """Files of an unpacked wheel were changed after it was made; its cache entry must be made anew."""

    def __init__(self, wheel: UnpackedWheel, paths: tuple[str, ...]) -> None:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        super().__init__(
            f"the cached files of `{wheel.filename}` were changed: `{paths[0]}`{more}",
            where=str(wheel.root),
            hint="an editor may have written through a hard link; run the command again to unpack the wheel anew",
        )
        self.wheel = wheel
        self.paths = paths


def verify_unpacked(wheel: UnpackedWheel) -> tuple[str, ...]:
    """Return the files that are missing or changed, sorted.

    Size and time are compared; only where they differ (a restored cache loses nanoseconds) the content is hashed.
    """
    root = f"{wheel.root}/"
    return tuple(file.path for file in wheel.files if not _is_intact(root + file.path, file))


def hash_file(path: str) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_intact(path: str, file: WheelFile) -> bool:
    try:
        facts = os.lstat(path)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != file.size:
            return False
        return facts.st_mtime_ns == file.mtime_ns or hash_file(path) == file.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False
