"""Which entries, records and logs are to go; pure, the collector does it."""

from collections import Counter
from collections.abc import Collection, Iterator

from miniuv.cache.inventory import Inventory, StoredEntry, StoredLog, StoredRecord, total
from miniuv.cache.layout import EntryKind
from miniuv.values import dataclass, replace

LED_TO: frozenset[EntryKind] = frozenset({"blobs", "unpacked", "http"})
"""The kinds of entries that records name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What is to go, where nobody uses it."""

    entries: tuple[StoredEntry, ...] = ()
    records: tuple[StoredRecord, ...] = ()
    followers: tuple[StoredRecord, ...] = ()
    """Records that go as soon as everything that they lead to is gone."""
    logs: tuple[StoredLog, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to go for certain."""
        return not self.entries and not self.records and not self.logs


def unused(inventory: Inventory, *, older_than: float, max_size: float | None, pinned: Collection[str]) -> Selection:
    """What nobody used for ``older_than`` seconds or can ever use again, and the least used beyond ``max_size``.

    What is ``pinned`` cannot go, so something else has to make the room.
    """
    cutoff = inventory.taken - older_than
    entries = {str(entry): entry for entry in inventory.entries if entry.used <= cutoff}
    entries |= {str(entry): entry for entry in _superseded(inventory)}
    selection = Selection(
        entries=tuple(entries.values()),
        records=tuple(record for record in inventory.records if record.used <= cutoff or not record.readable),
        followers=inventory.records,
        logs=tuple(log for log in inventory.logs if log.used <= cutoff),
    )
    return selection if max_size is None else _shrunk(selection, inventory, max_size=max_size, pinned=pinned)


def belonging_to(inventory: Inventory, projects: Collection[str]) -> Selection:
    """Everything of ``projects``, whose names are normalized, and every record that leads there."""
    entries = tuple(entry for entry in inventory.entries if not entry.projects.isdisjoint(projects))
    keys = {entry.key for entry in entries}
    records = tuple(
        record
        for record in inventory.records
        if not record.projects.isdisjoint(projects) or not record.leads_to.isdisjoint(keys)
    )
    return Selection(entries=entries, records=records)


def _shrunk(selection: Selection, inventory: Inventory, *, max_size: float, pinned: Collection[str]) -> Selection:
    """Add to ``selection`` what was used least, until no more than ``max_size`` bytes stay.

    Entries, logs, and records that lead to no entry go by their own last use; the other records follow their entries.
    """
    in_use = {name.partition("/")[2] for name in pinned}
    chosen = {str(thing) for thing in (*selection.entries, *selection.records, *selection.logs)}
    following = _Following(inventory, chosen=chosen, pinned=pinned)
    excess = inventory.size - max_size - following.size
    excess -= sum(entry.size for entry in selection.entries if str(entry) not in pinned)
    excess -= sum(record.size for record in selection.records if record.leads_to.isdisjoint(in_use))
    excess -= sum(log.size for log in selection.logs if str(log) not in pinned)
    entries, records, logs = list(selection.entries), list(selection.records), list(selection.logs)
    alone = (record for record in inventory.records if not record.leads_to)
    things: list[StoredEntry | StoredLog | StoredRecord] = [*inventory.entries, *inventory.logs, *alone]
    rest = [thing for thing in things if str(thing) not in chosen]
    for thing in sorted(rest, key=lambda thing: (thing.used, str(thing))):
        if excess <= 0:
            break
        match thing:
            case StoredEntry():
                entries.append(thing)
                excess -= 0 if str(thing) in pinned else thing.size + following.without(thing)
            case StoredLog():
                logs.append(thing)
                excess -= 0 if str(thing) in pinned else thing.size
            case StoredRecord():
                records.append(thing)
                excess -= thing.size
    return replace(selection, entries=tuple(entries), records=tuple(records), logs=tuple(logs))


class _Following:
    """The records that go because everything that they lead to goes."""

    def __init__(self, inventory: Inventory, *, chosen: Collection[str], pinned: Collection[str]) -> None:
        # A wheel has one key for two entries: the file, and what was unpacked from it.
        self._staying = Counter(
            entry.key
            for entry in inventory.entries
            if entry.kind in LED_TO and (str(entry) not in chosen or str(entry) in pinned)
        )
        self._records: dict[str, list[StoredRecord]] = {}
        self.size = 0
        """Bytes of those that follow what was chosen already."""
        for record in inventory.records:
            if str(record) in chosen or not record.leads_to:
                continue
            self.size += record.size if self._is_lost(record) else 0
            for key in record.leads_to:
                self._records.setdefault(key, []).append(record)

    def without(self, entry: StoredEntry) -> int:
        """Bytes of the records that follow now that ``entry`` goes as well."""
        if entry.kind not in LED_TO:
            return 0
        self._staying[entry.key] -= 1
        if self._staying[entry.key]:
            return 0
        return total(record for record in self._records.get(entry.key, ()) if self._is_lost(record))

    def _is_lost(self, record: StoredRecord) -> bool:
        return not any(self._staying[key] for key in record.leads_to)


def _superseded(inventory: Inventory) -> Iterator[StoredEntry]:
    """Unpacked wheels to which nothing leads any more: no wheel file, and no record of a build.

    Such are the wheels of project folders once their install is over: each build of a folder makes another one.
    """
    blobs = {entry.key for entry in inventory.entries if entry.kind == "blobs"}
    recorded = frozenset[str]().union(*(record.leads_to for record in inventory.records))
    for entry in inventory.entries:
        if entry.kind == "unpacked" and entry.key not in blobs and entry.key not in recorded:
            yield entry
