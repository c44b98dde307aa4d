"""From new and leaving files to steps: whole folders where one rename does, single files where a folder is shared."""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from miniuv.errors import InstallError
from miniuv.install.conflicts import Conflicts
from miniuv.install.contents import NewFile
from miniuv.install.layout import Layout
from miniuv.install.moves import is_compiled
from miniuv.values import dataclass, field

_COMPILED = "__pycache__"
_RANK_OF_EMPTIED = 3


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A staged file."""

    file: NewFile
    order: int
    """The place of its distribution in the plan."""
    title: str
    adopts: bool
    """See ``Conflicts.replaces_file``."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A file that leaves."""

    order: int


_Leaf = TypeVar("_Leaf", Incoming, Outgoing)


@dataclass(kw_only=True, slots=True)
class Folder(Generic[_Leaf]):
    """What is to happen inside of one folder."""

    files: dict[str, _Leaf] = field(default_factory=dict)
    folders: "dict[str, Folder[_Leaf]]" = field(default_factory=dict)

    def below(self, path: str) -> "Folder[_Leaf]":
        """The folder at a relative path, made where it is not there."""
        folder = self
        for part in path.split("/") if path else ():
            inner = folder.folders.get(part)
            if inner is None:
                inner = folder.folders[part] = Folder()
            folder = inner
        return folder

    def some(self) -> _Leaf:
        """One of the files below."""
        return next(iter(self.files.values())) if self.files else next(iter(self.folders.values())).some()

    def count(self) -> int:
        """Everything below, without what Python compiles."""
        inner = [folder for name, folder in self.folders.items() if name != _COMPILED]
        return len(self.files) + len(inner) + sum(folder.count() for folder in inner)

    def first(self) -> int:
        """The least ``order`` of the files below."""
        orders = [leaf.order for leaf in self.files.values()]
        return min(orders + [folder.first() for folder in self.folders.values()])

    def last(self) -> int:
        """The greatest ``order`` of the files below; -1 where there are none."""
        orders: list[int] = [leaf.order for leaf in self.files.values()]
        return max([-1, *orders, *[folder.last() for folder in self.folders.values()]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What happens at one place: what is there leaves, what is staged comes, or both; or an empty folder goes."""

    place: str
    leaves: bool
    comes: bool
    order: tuple[int, int, int]
    leaving_entries: int = -1
    """See ``Move.entries``."""
    coming_entries: int = -1
    """See ``Move.entries``."""


class ChangeSet:
    """Collects files by place, then looks at the disk for the fewest steps that bring them in and out."""

    def __init__(
        self, layout: Layout, conflicts: Conflicts, *, is_movable: Callable[[str], bool] = lambda _: True
    ) -> None:
        """``is_movable``: whether a folder can be renamed; one that cannot is emptied file by file."""
        self._layout = layout
        self._is_movable = is_movable
        self._conflicts = conflicts
        self._new: dict[str, Folder[Incoming]] = {root: Folder() for root in layout.roots}
        self._opened: dict[str, Folder[Incoming]] = {}
        self._old: dict[str, Folder[Outgoing]] = {root: Folder() for root in layout.roots}
        self._goes: dict[str, bool] = {}
        self._entries: dict[str, int] = {}
        self._steps: list[Step] = []

    def bring(self, incoming: Incoming) -> None:
        """Add a file that comes."""
        path, _, name = incoming.file.target.rpartition("/")
        folder = self._opened.get(path)
        if folder is None:
            folder = self._opened[path] = _open(self._new, self._layout, incoming.file.target)[0]
        folder.files[name] = incoming

    def remove(self, path: str, outgoing: Outgoing) -> None:
        """Add a file that leaves."""
        folder, name = _open(self._old, self._layout, path)
        folder.files.setdefault(name, outgoing)

    def steps(self) -> tuple[Step, ...]:
        """Look at the disk and decide.

        Steps touch disjoint places. They are ordered by distribution; within one the programs follow what they
        import, and its ``.dist-info`` comes last: it says that the rest is there.
        """
        for root in self._layout.roots:
            new, old = self._new[root], self._old[root]
            if os.path.isdir(root):
                self._walk(root, new, old)
            elif new.files or new.folders:
                self._add(root, new, leaves=False)
        return tuple(sorted(self._steps, key=lambda step: (step.order, step.place)))

    def _walk(self, path: str, new: Folder[Incoming], old: Folder[Outgoing]) -> None:
        with os.scandir(path) as entries:
            present = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
        if present.get(_COMPILED):
            _add_stale_compiled(path, new, old)
        for name in sorted({*new.files, *new.folders, *old.files, *old.folders}):
            place = f"{path}/{name}"
            self._visit(place, name, new, old, is_folder=present.get(name))

    def _visit(
        self, place: str, name: str, new: Folder[Incoming], old: Folder[Outgoing], *, is_folder: bool | None
    ) -> None:
        file, folder = new.files.get(name), new.folders.get(name)
        comes = folder if folder is not None else file
        if is_folder is None:
            if comes is not None:
                self._add(place, comes, leaves=False)
        elif is_folder:
            leaving = old.folders.get(name)
            is_ours = leaving is not None and self._goes_whole(place, leaving) and not os.path.ismount(place)
            if leaving is not None and is_ours and self._is_movable(place):
                self._add(place, comes, leaves=True, order=leaving.some().order, entries=self._entries[place])
            elif leaving is not None and is_ours and comes is None:
                self._walk(place, Folder(), leaving)
                key = (leaving.last(), _RANK_OF_EMPTIED, -place.count("/"))
                self._steps.append(Step(place=place, leaves=False, comes=False, order=key))
            elif file is not None:
                raise InstallError(
                    f"{file.title} brings a file `{place}`, but a folder of that name is in the way",
                    hint="move the folder away and try again",
                )
            else:
                self._walk(place, folder or Folder(), leaving or Folder())
        elif name in old.files:
            self._add(place, comes, leaves=True, order=old.files[name].order)
        elif folder is not None:
            some = folder.some()
            self._conflicts.check_folder_over_file(place, title=some.title, adopts=some.adopts)
            self._add(place, folder, leaves=True)
        elif file is not None and self._conflicts.replaces_file(place, file.file, title=file.title, adopts=file.adopts):
            self._add(place, file, leaves=True)

    def _goes_whole(self, place: str, old: Folder[Outgoing]) -> bool:
        """Whether nothing would be left in a folder but what Python compiled from what leaves."""
        known = self._goes.get(place)
        if known is None:
            known = self._goes[place] = not self._layout.is_fixed(place) and self._holds_nothing_else(place, old)
        return known

    def _holds_nothing_else(self, place: str, old: Folder[Outgoing]) -> bool:
        with os.scandir(place) as entries:
            present = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        count = 0
        for name, is_folder in present:
            if not is_folder:
                if name not in old.files:
                    return False
            elif name == _COMPILED:
                continue
            elif not self._goes_whole(f"{place}/{name}", old.folders.get(name) or Folder()):
                return False
            else:
                count += self._entries[f"{place}/{name}"]
            count += 1
        self._entries[place] = count
        return True

    def _add(
        self,
        place: str,
        comes: Incoming | Folder[Incoming] | None,
        *,
        leaves: bool,
        order: int | None = None,
        entries: int = -1,
    ) -> None:
        if isinstance(comes, Folder):
            order = comes.first()
        elif comes is not None:
            order = comes.order
        assert order is not None
        # What was compiled comes after the modules: Python may write there while it still sees the old ones.
        phase = 0 if comes is None else 2 if is_compiled(place) else 1
        key = (order, self._rank(place), phase)
        self._steps.append(
            Step(
                place=place,
                leaves=leaves,
                comes=comes is not None,
                order=key,
                leaving_entries=entries,
                coming_entries=comes.count() if isinstance(comes, Folder) else -1,
            )
        )

    def _rank(self, place: str) -> int:
        if ".dist-info/" in f"{place}/" or ".egg-info/" in f"{place}/":
            return 2
        return int(place.startswith(f"{self._layout.scripts}/"))


def _open(trees: dict[str, Folder[_Leaf]], layout: Layout, path: str) -> tuple[Folder[_Leaf], str]:
    place = layout.split(path)
    assert place is not None
    folder, _, name = place[1].rpartition("/")
    return trees[place[0]].below(folder), name


def _add_stale_compiled(path: str, new: Folder[Incoming], old: Folder[Outgoing]) -> None:
    """Let the compiled forms of every module that changes leave too.

    Python would take one for the new module where time and size happen to be the same.
    """
    modules = {name.removesuffix(".py"): leaf.order for name, leaf in new.files.items() if name.endswith(".py")}
    modules |= {name.removesuffix(".py"): leaf.order for name, leaf in old.files.items() if name.endswith(".py")}
    if not modules:
        return
    with os.scandir(f"{path}/{_COMPILED}") as entries:
        names = [entry.name for entry in entries if ".pyc" in entry.name]
    for name in names:
        order = modules.get(name.partition(".")[0])
        if order is not None:
            old.below(_COMPILED).files.setdefault(name, Outgoing(order=order))
