"""What a project folder looks like, in one word: the same word, the same input, as far as the folder goes."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from miniuv.stamps import newest_time, stamp

_MOST_FILES = 3000
_OUTPUT = frozenset({"__pycache__", "build", "dist", ".tox", ".nox", ".venv", "node_modules"})
"""What backends and other tools write, beside ``*.egg-info``."""
_OF_GIT = frozenset({"HEAD", "packed-refs", "refs"})
"""The parts of ``.git`` that a version is derived from; its index and locks come and go."""
_SETTLED = 1_000_000_000
"""Nanoseconds: a file that was changed just now may be changed once more without a trace."""


def tree_state(folder: Path) -> str | None:
    """Digest names and stat facts below ``folder``, outputs of builds left out; ``None`` where that says nothing.

    That is so for a folder that is too large, cannot be read, or was changed within the last second.
    """
    lines: list[str] = []
    try:
        for path in _files(str(folder)):
            lines.append(stamp(path))
            if len(lines) > _MOST_FILES:
                return None
    except OSError:
        return None
    if time.time_ns() - newest_time(lines) < _SETTLED:
        return None
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def _files(folder: str) -> Iterator[str]:
    is_git = os.path.basename(folder) == ".git"
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in _OUTPUT or entry.name.endswith(".egg-info") or (is_git and entry.name not in _OF_GIT):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path
