"""Garbage collection that nobody waits for, and that takes nothing from anybody.

A reader writes the entry's name into its lease, then looks for the entry. A collector hides the entry, then reads
the leases. So at least one of the two sees the other, whatever the order, and no lock is needed between them.

To hide an entry is to let it change places with a symbolic link that leads to where it is now. Whoever has found
it before goes on through the link and notices nothing; whoever looks for it now sees the link and takes the entry
for missing. If the leases show a user, the two change back. If not, the link goes, and then the entry. Whoever was
on his way through the link when they changed back comes to where the entry was, and is led back from there.

::

    unpacked/k  (entry)                       trash/parked/r/unpacked/k -> itself
        exchange
    unpacked/k -> trash/parked/r/unpacked/k   trash/parked/r/unpacked/k  (entry)
        nobody uses it: unlink if nobody else lives, rename
                                              trash/doomed/r/unpacked/k  (entry), and it is deleted
        somebody does: exchange
    unpacked/k  (entry)                       trash/parked/r/unpacked/k -> unpacked/k, for an hour

A collector may die anywhere: what is parked is whole and is judged again by the next one, what is doomed is
deleted by it. Where the system cannot exchange two names, a plain rename has to do; then a reader that found the
entry in the very moment may miss it for as long as the leases are read.

A disk that takes no further file takes no link and no folder either. What needs neither goes first then: what is
abandoned, logs, records; and entries change their names where they are, until there is room for the rest again.

::

    unpacked/k  ->  unpacked/~k  ->  unpacked/~~k, and it is deleted        or back to  unpacked/k
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from miniuv.cache.exchange import UNSUPPORTED, exchange
from miniuv.cache.inventory import StoredEntry, StoredLog, StoredRecord, total
from miniuv.cache.layout import ENTRY_KINDS, Layout, is_key
from miniuv.cache.lease import Pinner, Pins, fresh_name, reap, remove_tree
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import HeldLocks, LockManager
from miniuv.cache.retention import LED_TO, Selection
from miniuv.cache.trouble import FULL, cache_trouble, is_out_of_space
from miniuv.cache.usage import is_there
from miniuv.errors import CacheError
from miniuv.values import dataclass, field

Choose = Callable[[Mapping[str, tuple[Pinner, ...]]], Selection]
"""Is given the pins of all leases, by ``<kind>/<key>``."""

_WAYS_BACK_LAST = 3600.0
"""More than any look-up of a path takes, on the slowest disk."""

_HIDDEN = "~"
_DOOMED = "~~"
"""Begin names that no entry can have: whole and not judged yet, and being deleted."""


@dataclass(kw_only=True, slots=True)
class Collection:
    """What a collection came to."""

    removed: list[StoredEntry] = field(default_factory=list)
    kept: list[tuple[StoredEntry, tuple[Pinner, ...]]] = field(default_factory=list)
    """In use, and by whom."""
    refused: list[tuple[StoredEntry, str]] = field(default_factory=list)
    """What the system did not let us remove, and why."""
    records: list[StoredRecord] = field(default_factory=list)
    """Removed ones."""
    logs: list[StoredLog] = field(default_factory=list)
    """Removed ones."""

    @property
    def size(self) -> int:
        """Bytes of what was removed."""
        return total(self.removed) + total(self.records) + total(self.logs)

    @property
    def freed(self) -> int:
        """Bytes that the disk has back: what is linked from elsewhere stays there."""
        return self.size - sum(entry.linked for entry in self.removed)


class Collector:
    """Removes what is chosen and not in use; what this process itself has pinned is in use as well."""

    def __init__(self, layout: Layout, *, locks: LockManager) -> None:
        self._layout = layout
        self._locks = locks
        self._pins = Pins(layout)

    def collect(self, choose: Choose) -> Collection | None:
        """Choose and remove; ``None`` where another collection is under way: it is not waited for.

        Raises ``CacheError`` where the cache cannot be read or written at all.
        """
        with cache_trouble(self._layout.root, "clean the cache"):
            collection = Collection()
            try:
                held = self._try_lock()
            except CacheError as error:
                if not is_out_of_space(error):
                    raise
                if not self._make_room(choose, collection):
                    return collection
                held = self._try_lock()
            if held is None:
                return None
            with held:
                reap(self._layout)
                self._settle_what_was_left()
                for _ in self._remove(choose(self._pins.read()), collection, self._remove_entry):
                    pass
                if collection.refused:  # and left hidden, it may be, for want of the room that there is now
                    self._settle_what_was_left()
            return collection

    def _try_lock(self) -> HeldLocks | None:
        return self._locks.try_acquire([LockKey.garbage_collection()], step="collect garbage")

    def _make_room(self, choose: Choose, collection: Collection) -> bool:
        """Remove one by one until the disk takes the lock's file; ``False`` where it does not even in the end.

        Two may do so at once: only one of them can change a name, and each reads the leases after that.
        """
        file = self._locks.path(LockKey.garbage_collection())
        reap(self._layout)
        self._remove_doomed()
        for _ in self._remove(choose(self._pins.read()), collection, self._remove_in_place):
            with contextlib.suppress(OSError):
                file.parent.mkdir(mode=0o700, exist_ok=True)
                file.touch(mode=0o600)
                collection.kept.clear()  # they are asked again
                collection.refused.clear()
                return True
        return False

    def _remove(
        self, selection: Selection, collection: Collection, remove_entry: Callable[[Path], tuple[Pinner, ...]]
    ) -> Iterator[None]:
        """Remove what is selected, and yield after each that might have made room; first what is one file."""
        yield
        for log in selection.logs:
            if str(log) not in self._pins.read():
                with contextlib.suppress(OSError):
                    log.path.unlink()
                    collection.logs.append(log)
                yield
        yield from self._remove_records(selection.records, collection)
        for entry in selection.entries:
            final = self._layout.entry(entry.kind, entry.key)
            if not is_there(final):
                continue
            try:
                users = self._users(final) or remove_entry(final)
            except FileNotFoundError:
                continue  # its finder found it damaged, or somebody deletes by hand
            except OSError as error:
                collection.refused.append((entry, error.strerror or str(error)))
                continue
            if users:
                collection.kept.append((entry, users))
            else:
                collection.removed.append(entry)
            yield
        self._remove_doomed()
        removed = set(collection.records)
        orphaned = [record for record in selection.followers if record not in removed and self._leads_nowhere(record)]
        yield from self._remove_records(orphaned, collection)

    def _remove_records(self, records: Iterable[StoredRecord], collection: Collection) -> Iterator[None]:
        in_use = {name.partition("/")[2] for name in self._pins.read()}
        for record in records:
            if record.leads_to.isdisjoint(in_use):  # or nobody would find any more what stays
                with contextlib.suppress(OSError):
                    record.path.unlink()
                    collection.records.append(record)
                yield

    def _remove_entry(self, final: Path) -> tuple[Pinner, ...]:
        """Remove one entry; returns those who turn out to use it, and then it stays. Raises ``OSError``."""
        parked = self._layout.trash / "parked" / fresh_name() / final.parent.name / final.name
        link = _link_text(parked, final)
        try:
            self._doomed()
            parked.parent.mkdir(mode=0o700, parents=True)
            os.symlink(link, parked)
        except OSError as error:
            _remove_folders(parked.parent.parent)
            if error.errno in FULL:
                return self._remove_in_place(final)
            raise
        try:
            exchange(final, parked)
        except OSError as error:
            parked.unlink()
            if error.errno in UNSUPPORTED:
                os.rename(final, parked)
            else:
                _remove_folders(parked.parent.parent)
                raise
        return self._settle(parked, final)

    def _remove_in_place(self, final: Path) -> tuple[Pinner, ...]:
        """As ``_remove_entry``, by renaming alone."""
        hidden = final.with_name(_HIDDEN + final.name)
        os.rename(final, hidden)
        return self._settle_in_place(hidden)

    def _settle_in_place(self, hidden: Path) -> tuple[Pinner, ...]:
        """As ``_settle``, for what was hidden under another name in its own folder."""
        final = hidden.with_name(hidden.name.removeprefix(_HIDDEN))
        if users := self._users(final):
            if not os.path.lexists(final):
                os.rename(hidden, final)
            return users
        doomed = final.with_name(_DOOMED + final.name)
        os.rename(hidden, doomed)
        remove_tree(doomed)
        return ()

    def _settle(self, parked: Path, final: Path) -> tuple[Pinner, ...]:
        """Judge a parked entry by the leases as they are now: put it back, or let it go."""
        users = self._users(final)
        if users:
            _put_back(parked, final)
            return users
        # No system removes a name only if it is still a link: while others live, who may publish, it stays, and
        # leads nowhere from the next step on.
        if _is_link(final, _link_text(parked, final)) and self._pins.are_ours_alone():
            _remove_link(final, aside=parked.parent.parent / "link")
        os.rename(parked.parent.parent, self._doomed() / parked.parent.parent.name)
        return ()

    def _settle_what_was_left(self) -> None:
        """Judge what a collector left parked that died, and delete what it had doomed."""
        for folder in _children(self._layout.trash / "parked"):
            with contextlib.suppress(OSError):
                for parked in [entry for kind in ENTRY_KINDS for entry in _children(folder / kind)]:
                    if not parked.is_symlink():
                        self._settle(parked, self._layout.versioned / parked.parent.name / parked.name)
                        break
                else:  # the exchange was not made, or the entry is back
                    if time.time() - folder.lstat().st_mtime > _WAYS_BACK_LAST:
                        remove_tree(folder)
        self._remove_doomed()
        for kind in ENTRY_KINDS:
            for entry in _children(self._layout.versioned / kind):
                with contextlib.suppress(OSError):  # there may be no room for a folder
                    if entry.name.startswith(_HIDDEN) and is_key(entry.name.removeprefix(_HIDDEN)):
                        self._settle_in_place(entry)
                    elif entry.is_symlink() and not entry.exists() and self._pins.are_ours_alone():  # leads nowhere
                        _remove_link(entry, aside=self._doomed() / fresh_name())

    def _users(self, final: Path) -> tuple[Pinner, ...]:
        return self._pins.read().get(f"{final.parent.name}/{final.name}", ())

    def _remove_doomed(self) -> None:
        for folder in _children(self._layout.trash / "doomed"):
            remove_tree(folder)
        for kind in ENTRY_KINDS:
            for entry in _children(self._layout.versioned / kind):
                if entry.name.startswith(_DOOMED):
                    remove_tree(entry)

    def _doomed(self) -> Path:
        folder = self._layout.trash / "doomed"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _leads_nowhere(self, record: StoredRecord) -> bool:
        return bool(record.leads_to) and not any(
            is_there(self._layout.entry(kind, key)) for key in record.leads_to for kind in LED_TO
        )


def _put_back(parked: Path, final: Path) -> None:
    """Where somebody has published another one meanwhile, ours stays parked: old users may be on their way to it."""
    link = _link_text(parked, final)
    if _is_link(final, link):
        way_back = Path(os.path.normpath(parked.parent / link))  # what the link means to whoever meets it there
        way_back.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(os.path.relpath(final, way_back.parent), way_back)
        exchange(parked, final)
        if not parked.is_symlink():  # published this moment
            exchange(parked, final)
    elif not os.path.lexists(final):
        os.rename(parked, final)


def _remove_link(link: Path, *, aside: Path) -> None:
    """Remove ``link``, but never what somebody publishes in its place this moment."""
    os.rename(link, aside)
    if aside.is_symlink():
        aside.unlink()
    elif not os.path.lexists(link):
        os.rename(aside, link)


def _link_text(parked: Path, final: Path) -> str:
    """Relative, so that a cache can be moved."""
    return os.path.relpath(parked, final.parent)


def _is_link(path: Path, text: str) -> bool:
    try:
        return os.readlink(path) == text
    except OSError:
        return False


def _remove_folders(folder: Path) -> None:
    """Remove ``folder`` and those in it where they are empty."""
    with contextlib.suppress(OSError):
        for inner in _children(folder):
            inner.rmdir()
        folder.rmdir()


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
