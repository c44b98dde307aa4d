"""What a file was like, in one line of text, and whether it still is so. ``os`` only: the fast exit lives on it.

A line is ``KIND FACTS PATH``: ``-`` for a path where nothing is, ``s`` for a source, whose change time counts, ``l``
for a file that may be a hard link into the cache, whose change time means nothing: a link made elsewhere moves it;
``d`` for what may have been dated back (``date_back``), whose change time counts but may be of this very moment;
``t`` where only the type matters, a folder or a file.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False  # `typing` and `collections.abc` take longer than all that is done here
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TICK = 20_000_000
"""Nanoseconds. The kernel's clock for files steps by up to ten milliseconds."""

_COARSE = 1_000_000_000
"""Times of files that are whole seconds come from a file system that knows no smaller ones."""

_BACK = 3 * _COARSE + 1
"""How far: no clock of a file system takes it for now, nor for a whole second."""

_ATTEMPTS = 3


def stamp(path: str, *, linked: bool = False, dated: bool = False, only_type: bool = False) -> str:
    """Describe what is at ``path``, which is absolute; a symbolic link by itself and by what it leads to."""
    kind = "t" if only_type else "l" if linked else "d" if dated else "s"
    facts = _facts(path, kind)
    return f"{kind if facts else '-'} {facts} {_escaped(path)}"


def holds(line: str) -> bool:
    """Whether a line of ``stamp`` is still true; a line that is none is not."""
    kind, _, rest = line.partition(" ")
    facts, _, path = rest.partition(" ")
    try:
        return kind in ("-", "s", "l", "d", "t") and path[:1] == "/" and _facts(_unescaped(path), kind) == facts
    except ValueError:
        return False


def path_of(line: str) -> str:
    """The path that a line of ``stamp`` speaks of."""
    return _unescaped(line.split(" ", 2)[2])


def settled(take: Callable[[], list[str]]) -> list[str] | None:
    """Take stamps that no later change can slip by: none of them is of this very tick of the clock.

    ``None`` where that cannot be had: files keep changing, or bear times of the future or of a coarse clock.
    """
    lines = take()
    for _ in range(_ATTEMPTS):
        newest = newest_time(lines)
        age = time.time_ns() - newest
        if age < 0 or (newest % _COARSE == 0 and age < 2 * _COARSE):
            return None
        if age >= TICK:
            return lines
        time.sleep((TICK - age) / 1e9)
        before, lines = lines, take()
        if lines == before:
            return lines
    return None


def date_back(paths: Iterable[str]) -> None:
    """Give ``paths`` a time of modification that is past: any later modification shows, also one of this very tick.

    To be done by whoever has changed them, before they are looked at. Where it is refused, the time is left alone.
    """
    past = time.time_ns() - _BACK
    for path in paths:
        try:
            os.utime(path, ns=(past, past), follow_symlinks=False)
        except OSError:
            continue


def newest_time(lines: Iterable[str]) -> int:
    """The newest modification or change in ``lines``, in nanoseconds since the epoch; 0 where there is none."""
    newest = 0
    for line in lines:
        kind, _, rest = line.partition(" ")
        for part in rest.partition(" ")[0].split("+"):
            numbers = part.split(",")
            if len(numbers) == 5:
                newest = max(newest, int(numbers[3]), int(numbers[4]) if kind == "s" else 0)
    return newest


def _facts(path: str, kind: str) -> str:
    try:
        status = os.lstat(path)
    except OSError:
        return ""
    facts = _of(status, kind)
    if status.st_mode & 0o170000 != 0o120000:
        return facts
    try:
        return f"{facts}+{_of(os.stat(path), kind)}"
    except OSError:
        return f"{facts}+"


def _of(status: os.stat_result, kind: str) -> str:
    if kind == "t":
        return str(status.st_mode & 0o170000)
    changed = status.st_ctime_ns if kind in ("s", "d") else 0
    return f"{status.st_mode},{status.st_size},{status.st_ino},{status.st_mtime_ns},{changed}"


def _escaped(path: str) -> str:
    return path.replace("\n", "\0")


def _unescaped(text: str) -> str:
    return text.replace("\0", "\n")
