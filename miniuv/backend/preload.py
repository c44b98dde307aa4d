"""What a warm runner may import beforehand: modules that no hook could take for others, nor be surprised by.

Hooks tell what they have imported, and the next ones find that in place. It is only kept of the standard library, and
of distributions that the backend brings with it: what a project's own script has imported may change what others get.
"""

import csv
import json
import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from miniuv.cache.store import Store
from miniuv.errors import CacheError
from miniuv.values import dataclass

_FORMAT = 1
_STANDARD_BUT_NOT_HARMLESS = frozenset(
    {"__main__", "antigravity", "dbm", "_dbm", "_gdbm", "idlelib", "readline", "sqlite3", "this", "tkinter", "turtle"}
)
_MODULE_SUFFIXES = (".py", ".pyc", ".so")
_PLUGIN_GROUPS: Mapping[str, tuple[str, ...]] = {
    "setuptools": ("setuptools.finalize_distribution_options", "setuptools.file_finders"),
    "hatchling": ("hatch",),
    "pdm-backend": ("pdm.build.hook",),
}
"""Entry points that a backend loads for every project, if a plugin is there at all."""

Imported = Sequence[tuple[str, str]]
"""Names of modules in the order of their import, each with its file; none for the standard library's."""
Pattern = tuple[str, int]
"""A regular expression and its flags."""


class LearnedModules:
    """What hooks have imported, by build environment and backend; kept in the cache. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._known: dict[tuple[Path, str], list[str]] = {}
        self._allowed: dict[tuple[Path, str], frozenset[str]] = {}

    def of(self, python: Path, backend: str) -> list[str]:
        """The modules to import beforehand, in order."""
        with self._guard:
            return list(self._of(python, backend))

    def add(self, python: Path, backend: str, imported: Imported) -> None:
        """Take in what one hook has imported besides; that it cannot be kept is no failure."""
        with self._guard:
            known = self._of(python, backend)
            allowed = self._allowed.get((python, backend))
            if allowed is None:
                allowed = self._allowed[python, backend] = files_with(python.parent.parent, backend)
            new = [
                name
                for name, file in imported
                if name not in known
                and name.partition(".")[0] not in _STANDARD_BUT_NOT_HARMLESS
                and (file in allowed or not file)
            ]
            if not new:
                return
            known += new
            try:
                self._store.write_record(_action(python, backend), {"format": _FORMAT, "modules": known})
            except (OSError, CacheError):
                return

    def _of(self, python: Path, backend: str) -> list[str]:
        known = self._known.get((python, backend))
        if known is None:
            known = self._known[python, backend] = self._read(python, backend)
        return known

    def _read(self, python: Path, backend: str) -> list[str]:
        try:
            record = self._store.read_record(_action(python, backend))
        except CacheError:
            record = None
        match record:
            case {"format": int(number), "modules": [*names]} if number == _FORMAT:
                return [name for name in names if isinstance(name, str)]
            case _:
                return []


def read_report(report: Path) -> tuple[Imported, Sequence[Pattern]]:
    """What a hook has reported; nothing where there is no report."""
    try:
        match json.loads(report.read_bytes()):
            case {"modules": list(modules), "patterns": list(patterns)}:
                pass
            case _:
                return [], []
    except (OSError, ValueError):
        return [], []
    if not all(_is_pair(each, str) for each in modules) or not all(_is_pair(each, int) for each in patterns):
        return [], []
    return [(name, file) for name, file in modules], [(text, flags) for text, flags in patterns]


def _is_pair(entry: object, second: type) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str) and isinstance(entry[1], second)


def has_module_named(folder: Path, names: Collection[str]) -> bool:
    """Whether a project has modules of its own with such a name, where its setup script could import them from.

    That is the project's folder, and each folder in it.
    """
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            if _is_module_named(entry, names):
                return True
            if entry.is_dir() and entry.name[:1] != ".":
                with os.scandir(entry) as inner:
                    if any(_is_module_named(each, names) for each in inner):
                        return True
    except OSError:
        return True
    return False


def _is_module_named(entry: "os.DirEntry[str]", names: Collection[str]) -> bool:
    stem, dot, _ = entry.name.partition(".")
    return stem in names and (entry.name.endswith(_MODULE_SUFFIXES) if dot else entry.is_dir())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Distribution:
    name: str
    requires: frozenset[str]
    files: frozenset[str]
    groups: frozenset[str]
    """Of its entry points."""


def files_with(prefix: Path, backend: str) -> frozenset[str]:
    """The files in the environment ``prefix`` that come with ``backend``: its own, its requirements', its plugins'.

    Nothing where it is not clear whose the backend is.
    """
    distributions = {each.name: each for each in _distributions(prefix)}
    top = backend.partition(":")[0].partition(".")[0]
    owners = [each.name for each in distributions.values() if any(_is_top(file, top) for file in each.files)]
    if len(owners) != 1:
        return frozenset()
    wanted: set[str] = set()
    pending = owners
    while pending:
        name = pending.pop()
        if name in wanted or name not in distributions:
            continue
        wanted.add(name)
        pending += distributions[name].requires
        plugins = frozenset(_PLUGIN_GROUPS.get(name, ()))
        pending += [each.name for each in distributions.values() if plugins & each.groups]
    return frozenset(file for name in wanted for file in distributions[name].files)


def _is_top(file: str, top: str) -> bool:
    inside = file.rpartition("/site-packages/")[2]
    return inside.startswith((f"{top}/", f"{top}."))


def _distributions(prefix: Path) -> Iterable[_Distribution]:
    for folder in sorted(prefix.glob("lib/*/site-packages/*.dist-info")):
        metadata = _text(folder / "METADATA").partition("\n\n")[0].splitlines()
        requires = [line.partition(":")[2].strip() for line in metadata if line.lower().startswith("requires-dist:")]
        files = [row[0] for row in csv.reader(_text(folder / "RECORD").splitlines()) if row]
        groups = [line.strip()[1:-1] for line in _text(folder / "entry_points.txt").splitlines() if line[:1] == "["]
        yield _Distribution(
            name=canonicalize_name(folder.name.partition("-")[0]),
            requires=frozenset(name for text in requires for name in _required(text)),
            files=frozenset(os.path.normpath(f"{folder.parent}/{file}") for file in files),
            groups=frozenset(groups),
        )


def _required(text: str) -> Iterable[str]:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return
    if requirement.marker is None or "extra" not in str(requirement.marker):
        yield canonicalize_name(requirement.name)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _action(python: Path, backend: str) -> str:
    return f"modules that hooks of {backend} import in {python}"
