"""Reads the entry points of the build environment once, and not for every project that is built there.

Backends ask for all entry points of everything that is installed, again and again. The build environment never
changes, so what was read there is handed out again; what lies elsewhere, such as a project's own ``egg-info``, is read
whenever it is asked for. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

import functools
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
    if hasattr(metadata, "DeprecatedNonAbstract"):
        metadata.PathDistribution.__new__ = _creating(metadata.PathDistribution, metadata.PathDistribution.__new__)
    if sys.version_info >= (3, 10):
        metadata.entry_points = _asking_by_group(metadata, metadata.entry_points)
        metadata.entry_points(group="console_scripts")
    else:
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


def _creating(usual: Any, create: Any) -> Any:
    """Make what is ``usual`` at once, and look at the methods of others only: some 3.12 looks at those of each."""

    def new(cls: Any, *arguments: Any, **named: Any) -> Any:
        return object.__new__(cls) if cls is usual else create(cls, *arguments, **named)

    return new


def _asking_by_group(metadata: Any, ask: Any) -> Any:
    """``entry_points``, that sorts those of the environment's distributions by group once, and not for every group."""
    known: dict[str, dict[str, list[Any]]] = {}
    inside = f"{sys.prefix}/"

    def groups_of(distribution: Any) -> dict[str, list[Any]]:
        place = str(distribution._path) if type(distribution) is metadata.PathDistribution else ""
        if (groups := known.get(place)) is None:
            groups = {}
            for each in distribution.entry_points:
                groups.setdefault(each.group, []).append(each)
            if place.startswith(inside):
                known[place] = groups
        return groups

    @functools.wraps(ask)
    def entry_points(**wanted: Any) -> Any:
        group = wanted.get("group")
        if not isinstance(group, str):
            return ask(**wanted)
        unique: dict[str, Any] = {}
        for distribution in metadata.distributions():
            unique.setdefault(distribution._normalized_name, distribution)
        found = [each for distribution in unique.values() for each in groups_of(distribution).get(group, ())]
        return metadata.EntryPoints(found).select(**wanted)

    return entry_points
