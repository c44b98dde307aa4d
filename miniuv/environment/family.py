"""What environments of one installation have in common. ``os`` only."""

from __future__ import annotations

import os

_OF_ONE = frozenset({"prompt", "command"})
"""Keys of ``pyvenv.cfg`` that say how this one was made and is called; no interpreter reads them."""

_LARGEST = 16 * 1024


def family(executable: str) -> list[str] | None:
    """Name what siblings have in common; ``None`` where ``executable`` belongs to no environment of this kind."""
    folder = os.path.dirname(executable)
    prefix = os.path.dirname(folder)
    try:
        with open(f"{prefix}/pyvenv.cfg", encoding="utf-8") as file:
            text = file.read(_LARGEST + 1)
        real = os.path.realpath(executable)
        facts = os.stat(real)
    except (OSError, ValueError):
        return None
    if len(text) > _LARGEST or is_below(real, os.path.realpath(prefix)) or os.path.isdir(f"{prefix}/conda-meta"):
        return None
    lines = (line.strip() for line in text.splitlines())
    told = sorted(line for line in lines if line and line.partition("=")[0].strip().lower() not in _OF_ONE)
    identity = f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ino}"
    return [f"{os.path.basename(folder)}/{os.path.basename(executable)}", real, identity, *told]


def is_below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or something in it, by the names."""
    return path == folder or path.startswith(f"{folder}/")
