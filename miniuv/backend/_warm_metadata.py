"""Reads the entry points of the build environment once, and not for every project that is built there.

Backends ask for all entry points of everything that is installed, again and again. The build environment never
changes, so what was read there is handed out again; what lies elsewhere, such as a project's own ``egg-info``, is read
whenever it is asked for. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

import sys
from typing import Any


def remember() -> None:
    """Do so from now on, where ``importlib.metadata`` was imported by now; a second call does nothing."""
    metadata: Any = sys.modules.get("importlib.metadata")
    if metadata is None or hasattr(metadata.PathDistribution, "_miniuv_remembers"):
        return
    metadata.PathDistribution._miniuv_remembers = True
    for name in ("entry_points", "_normalized_name"):
        found = vars(metadata.PathDistribution).get(name) or vars(metadata.Distribution).get(name)
        if isinstance(found, property) and found.fget is not None:
            setattr(metadata.PathDistribution, name, property(_remembering(found.fget), doc=found.__doc__))
    metadata.entry_points()


def _remembering(ask: Any) -> Any:
    known: dict[str, Any] = {}
    inside = f"{sys.prefix}/"

    def answer(distribution: Any) -> Any:
        place = str(distribution._path)
        if not place.startswith(inside):
            return ask(distribution)
        if place not in known:
            known[place] = ask(distribution)
        value = known[place]
        return value if isinstance(value, str) else type(value)(value)  # a copy: some of them can be changed

    return answer
