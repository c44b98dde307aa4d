"""What is in the cache: every entry and every record, with size, age, last use and a name for people."""

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from miniuv.cache.layout import ENTRY_KINDS, EntryKind, Layout, is_key
from miniuv.cache.names import distributions_in, project_of, read_action
from miniuv.cache.usage import born, last_used
from miniuv.values import dataclass

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredEntry:
    """One entry, as it was when it was looked at."""

    kind: EntryKind
    key: str
    path: Path
    size: int
    """Bytes of all its files."""
    linked: int
    """Bytes of the files that have another name elsewhere, as in an environment: deleting them frees nothing."""
    born: float
    used: float
    name: str
    """For people; the key where nothing better is known."""
    projects: frozenset[str]
    """Normalized names of the packages that it belongs to, as far as that is known."""

    def __str__(self) -> str:
        return f"{self.kind}/{self.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRecord:
    """One record of what an action led to."""

    path: Path
    size: int
    used: float
    name: str
    projects: frozenset[str]
    leads_to: frozenset[str]
    """Keys of the entries that it names."""
    readable: bool
    """Whether it makes sense at all."""

    def __str__(self) -> str:
        return f"index/{self.path.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLog:
    """What a build printed."""

    path: Path
    size: int
    used: float

    def __str__(self) -> str:
        return f"logs/{self.path.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """All of it. What is published while it is taken may be missing."""

    taken: float
    entries: tuple[StoredEntry, ...]
    """By kind and key."""
    records: tuple[StoredRecord, ...]
    logs: tuple[StoredLog, ...]
    unfinished: int
    """Bytes of what processes are still making."""

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return total(self.entries) + total(self.records) + total(self.logs) + self.unfinished


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """The bytes of a file, or of a folder with all below."""

    size: int
    linked: int
    count: int
    """Files."""


def take_inventory(layout: Layout) -> Inventory:
    """Look at everything; what vanishes meanwhile is left out. Raises ``OSError`` where a folder cannot be read."""
    now = time.time()
    # What was unpacked comes first: whatever leads to it was there before it, or is written right after.
    kinds: list[EntryKind] = sorted(ENTRY_KINDS, key=lambda kind: kind != "unpacked")
    found = [found for kind in kinds for found in _entries(layout, kind, now)]
    records = tuple(_records(layout, now))
    names = _Names(records, found)
    entries = (
        StoredEntry(
            kind=each.kind,
            key=each.path.name,
            path=each.path,
            size=each.measure.size,
            linked=each.measure.linked,
            born=each.born,
            used=each.used,
            name=names.name(each),
            projects=names.projects(each),
        )
        for each in found
    )
    return Inventory(
        taken=now,
        entries=tuple(sorted(entries, key=str)),
        records=records,
        logs=tuple(_logs(layout, now)),
        unfinished=measure(layout.staging).size,
    )


def total(things: Iterable[StoredEntry | StoredRecord | StoredLog]) -> int:
    """Bytes of all of ``things``."""
    return sum(thing.size for thing in things)


def measure(path: Path) -> Measure:
    """Count what lies at ``path``; what cannot be seen counts nothing."""
    size = linked = count = 0
    for facts in _walk(path):
        size += facts.st_size
        linked += facts.st_size if facts.st_nlink > 1 else 0
        count += 1
    return Measure(size=size, linked=linked, count=count)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    kind: EntryKind
    path: Path
    measure: Measure
    born: float
    used: float
    contains: tuple[str, ...]
    """Distributions, as ``name version``."""


class _Names:
    """What entries are called, from what is inside of them and from the records that lead to them."""

    def __init__(self, records: Sequence[StoredRecord], found: Sequence[_Found]) -> None:
        self._records: dict[str, list[StoredRecord]] = {}
        for record in records:
            for key in record.leads_to:
                self._records.setdefault(key, []).append(record)
        self._unpacked = {each.path.name: each.contains for each in found if each.kind == "unpacked"}
        # A checkout's key ends with the first digits of what its repository's ends with.
        self._repositories = {
            hashed.group(2)[:16]: hashed.group(1)
            for each in found
            if each.kind == "git-databases" and (hashed := re.fullmatch(r"(.+)-([0-9a-f]{24})\..*", each.path.name))
        }

    def name(self, entry: _Found) -> str:
        key = entry.path.name
        commit, _, repository = key.partition("-")
        if entry.kind == "checkouts" and commit:
            return f"{self._repositories.get(repository, repository)} at {commit[:12]}"
        if entry.kind == "git-databases":
            return re.sub(r"-[0-9a-f]{24}\..*$", "", key)
        contains = entry.contains or self._unpacked.get(key, ())
        if contains:
            return ", ".join(contains)
        return min((record.name for record in self._records.get(key, ())), default=key)

    def projects(self, entry: _Found) -> frozenset[str]:
        key = entry.path.name
        if entry.kind == "checkouts":
            slug = self._repositories.get(key.rpartition("-")[2])
            return frozenset({project_of(slug)} if slug else ())
        if entry.kind == "git-databases":
            return frozenset({project_of(self.name(entry))})
        contains = entry.contains or self._unpacked.get(key, ())
        inside = frozenset(project_of(each.partition(" ")[0]) for each in contains)
        return inside.union(*(record.projects for record in self._records.get(key, ())))


def _entries(layout: Layout, kind: EntryKind, now: float) -> Iterator[_Found]:
    # Under another name lies what a collector has hidden there.
    for path in filter(lambda path: is_key(path.name), _children(layout.versioned / kind)):
        try:
            facts = path.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISLNK(facts.st_mode):
            yield _Found(
                kind=kind,
                path=path,
                measure=measure(path),
                born=born(path, facts, now=now),
                used=last_used(facts, now=now),
                contains=distributions_in(path, kind),
            )


def _records(layout: Layout, now: float) -> Iterator[StoredRecord]:
    for path in _children(layout.record("").parent):
        try:
            facts = path.stat()
            action = read_action(path)
        except OSError:
            continue
        yield StoredRecord(
            path=path,
            size=facts.st_size,
            used=last_used(facts, now=now),
            name=action.name if action else path.name,
            projects=action.projects if action else frozenset(),
            leads_to=frozenset(filter(_DIGEST.fullmatch, action.values if action else ())),
            readable=action is not None,
        )


def _logs(layout: Layout, now: float) -> Iterator[StoredLog]:
    for path in _children(layout.logs):
        with contextlib.suppress(FileNotFoundError):
            facts = path.lstat()
            yield StoredLog(path=path, size=facts.st_size, used=last_used(facts, now=now))


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _walk(path: Path) -> Iterator[os.stat_result]:
    try:
        facts = path.lstat()
        if not stat.S_ISDIR(facts.st_mode):
            yield facts
            return
        with os.scandir(path) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            else:
                yield entry.stat(follow_symlinks=False)
        except OSError:
            continue
