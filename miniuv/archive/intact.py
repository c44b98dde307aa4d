"""Whether an unpacked wheel in the cache is still what was unpacked.

Environments may share its inodes, so an editor, a ``chmod -R`` or a truncation in one of them reaches the cache.
A cache that was restored from an archive has the same content under other times.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace

from miniuv.cache.trouble import refuse_scarcity
from miniuv.errors import CacheError
from miniuv.models.wheel import UnpackedWheel, WheelFile
from miniuv.values import dataclass

_PLAIN, _PROGRAM = 0o100644, 0o100755
"""The modes of regular files in the cache."""


class DamagedWheelError(CacheError):
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What a look at an unpacked wheel found, each sorted by path."""

    damaged: tuple[str, ...]
    """Missing, unreadable, or with other content."""
    drifted: tuple[WheelFile, ...]
    """With their content, under another time: as they are now."""
    permissions: tuple[WheelFile, ...]
    """With their content, under other permissions: as they should be."""


def examine(wheel: UnpackedWheel, *, content: bool = False) -> Condition:
    """Compare each file's size, time and permissions with the manifest; where they differ, its content.

    ``content`` reads every file. Never the change time: a new hard link alters that too.
    """
    root = f"{wheel.root}/"
    damaged, drifted, permissions = [], [], []
    for file in wheel.files:  # tens of thousands, and nearly all are well: this is the hot path of every install
        path = root + file.path
        try:
            facts = os.lstat(path)
            if _looks_same(facts, file) and not content:
                continue
            if not stat.S_ISREG(facts.st_mode) or facts.st_size != file.size or hash_file(path) != file.sha256:
                damaged.append(file.path)
            elif facts.st_mode != _mode(file):
                permissions.append(file)
            elif facts.st_mtime_ns != file.mtime_ns:
                drifted.append(replace(file, mtime_ns=facts.st_mtime_ns))
        except OSError as error:
            refuse_scarcity(error, wheel.root / file.path)
            damaged.append(file.path)
    return Condition(damaged=tuple(damaged), drifted=tuple(drifted), permissions=tuple(permissions))


def looks_untouched(wheel: UnpackedWheel, path: str) -> bool:
    """Whether one file still has the size, time and permissions that the manifest tells; content is not read."""
    file = next((file for file in wheel.files if file.path == path), None)
    try:
        return file is not None and _looks_same(os.lstat(wheel.root / path), file)
    except OSError:
        return False


def check_intact(wheels: Iterable[UnpackedWheel]) -> None:
    """Raise ``DamagedWheelError`` for the first that is not what was unpacked."""
    for wheel in wheels:
        if damaged := examine(wheel).damaged:
            raise DamagedWheelError(wheel, damaged)


def hash_file(path: str | Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits; raises ``OSError``."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _looks_same(facts: os.stat_result, file: WheelFile) -> bool:
    return facts.st_mtime_ns == file.mtime_ns and facts.st_size == file.size and facts.st_mode == _mode(file)


def _mode(file: WheelFile) -> int:
    return _PROGRAM if file.executable else _PLAIN
