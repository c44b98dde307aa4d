"""Whether an entry is there, when it was made, and when it was last used.

The time of modification of an entry is that of its last use: entries are immutable, so nothing else needs it.
It sorts candidates for garbage collection and decides nothing else; a clock that jumped costs work, never more.
"""

import contextlib
import os
import stat
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

_RENEWED_AFTER = 3600.0


def is_there(path: Path) -> bool:
    """Whether there is an entry at ``path``; a symbolic link is what a collector leaves while it decides."""
    try:
        return not stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:
        return False


def use(path: Path) -> bool:
    """As ``is_there``; and the entry, or a record, counts as used now. That is written at most hourly."""
    try:
        facts = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(facts.st_mode):
        return False
    if abs(time.time() - facts.st_mtime) > _RENEWED_AFTER:
        with contextlib.suppress(OSError):
            os.utime(path)  # by the clock of whoever keeps the files
    return True


def last_used(facts: os.stat_result, *, now: float) -> float:
    """The time of the last use; one in the future counts as now."""
    return min(facts.st_mtime, now)


def born(path: Path, facts: os.stat_result, *, now: float) -> float:
    """When ``path`` was made; where the file system does not tell, its last use is the best guess."""
    birth = getattr(facts, "st_birthtime", None) or _birth(path) or facts.st_mtime
    return min(float(birth), now)


def _birth(path: Path) -> float | None:
    """Ask ``statx(2)``, which Python does not offer; its answer has 256 bytes, the birth at byte 80."""
    import ctypes

    statx, wanted, size, at = _statx(), 0x800, 256, 80
    if statx is None:
        return None
    buffer = ctypes.create_string_buffer(size)
    if statx(-100, os.fsencode(path), 0x100, wanted, buffer) != 0:  # from here, following no link
        return None
    if not int.from_bytes(buffer.raw[:4], sys.byteorder) & wanted:
        return None
    return float(int.from_bytes(buffer.raw[at : at + 8], sys.byteorder, signed=True))


@lru_cache(maxsize=1)
def _statx() -> Any:
    import ctypes

    function = getattr(ctypes.CDLL(None), "statx", None) if sys.platform == "linux" else None
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_char_p]
        function.restype = ctypes.c_int
    return function
