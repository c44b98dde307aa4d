"""What a rename can do from where a change is made ready: it ends at the border of a file system.

Probes change nothing, and may be cut short: each is a rename that the system always refuses, and the question is why.
"""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from miniuv.install.changes import Step
from miniuv.install.layout import Layout
from miniuv.install.moves import Facts, Move
from miniuv.install.staging import Staging


class Reach:
    """Finds for every place a folder that things can be renamed to from there, and back."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging
        self._folders: dict[str, str] = {}
        self._tops: dict[str, str] = {}

    @property
    def folders(self) -> tuple[str, ...]:
        """All that were needed, the staging folder first."""
        return (str(self._staging.folder), *self._tops.values())

    def is_movable(self, folder: str) -> bool:
        """Whether ``folder`` can be renamed at all: overlayfs refuses where it is of a lower layer."""
        target = f"{self.aside(os.path.dirname(folder))}/old"
        # Something must be in the way, so that it would fail in any case.
        os.makedirs(f"{target}/probe/full", exist_ok=True)
        try:
            os.rename(folder, f"{target}/probe")
        except OSError as error:
            return error.errno != errno.EXDEV
        raise AssertionError("a folder took the place of one that is not empty")

    def aside(self, parent: str) -> str:
        """The folder for what leaves from ``parent`` or comes to it."""
        known = self._folders.get(parent)
        if known is None:
            known = self._folders[parent] = self._find(parent)
        return known

    def moves(self, steps: Sequence[Step]) -> tuple[Move, ...]:
        """Say ``steps`` as moves, everything that comes being where it can be renamed from."""
        moves: list[Move] = []
        for number, step in enumerate(steps):
            parent = os.path.dirname(step.place)
            if step.leaves:
                facts = Facts.of(step.place)
                aside = f"{self.aside(parent)}/old/{number}"
                entries = step.leaving_entries
                moves.append(Move(kind="leaves", place=step.place, aside=aside, facts=facts, entries=entries))
            if step.comes:
                moves += [Move(kind="made", place=folder) for folder in _missing(parent) if not _is_made(folder, moves)]
                aside = self._brought(step.place, number)
                facts, entries = Facts.of(aside), step.coming_entries
                moves.append(Move(kind="comes", place=step.place, aside=aside, facts=facts, entries=entries))
            if not step.leaves and not step.comes:
                moves.append(Move(kind="emptied", place=step.place, facts=Facts.of(step.place)))
        return tuple(moves)

    def _brought(self, place: str, number: int) -> str:
        staged = self._staging.staged(place)
        folder = self.aside(os.path.dirname(place))
        if folder == str(self._staging.folder):
            return staged
        aside = f"{folder}/new/{number}"
        if os.path.isdir(staged) and not os.path.islink(staged):
            shutil.copytree(staged, aside, symlinks=True)
        else:
            shutil.copy2(staged, aside, follow_symlinks=False)
        return aside

    def _find(self, parent: str) -> str:
        own = str(self._staging.folder)
        while not os.path.isdir(parent):
            parent = os.path.dirname(parent)
        if _is_reached(own, parent):
            return own
        top = parent
        while top not in self._staging.layout.roots and _is_reached(top, os.path.dirname(top)):
            top = os.path.dirname(top)
        if top not in self._tops:
            folder = Layout.work_folder_of(Path(top)) / self._staging.folder.name
            self._staging.keep_apart(folder)
            for name in ("new", "old"):
                os.makedirs(folder / name)
            self._tops[top] = str(folder)
        return self._tops[top]


def _is_reached(folder: str, other: str) -> bool:
    """Whether both are of one file system, by the same mount: the kernel looks at that before it looks at the names."""
    if os.stat(folder).st_dev != os.stat(other).st_dev:
        return False
    try:
        os.rename(f"{folder}/.", f"{other}/.")
    except OSError as error:
        return error.errno != errno.EXDEV
    raise AssertionError("`.` was renamed")


def _missing(folder: str) -> list[str]:
    """The folders that are to be made for ``folder``, the outermost first."""
    missing: list[str] = []
    while not os.path.isdir(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing[::-1]


def _is_made(folder: str, moves: Sequence[Move]) -> bool:
    return any(move.place == folder and move.kind in ("made", "comes") for move in moves)
