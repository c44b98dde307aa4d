"""Which entries and records are to go; pure, the collector does it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from miniuv.cache.inventory import Inventory, StoredEntry, StoredLog, StoredRecord

_SHORTEST_LOG_LIFE = 24 * 3600.0
"""Nothing tells which logs are still written to, or are about to be read."""


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
    records = tuple(record for record in inventory.records if record.used <= cutoff or not record.readable)
    if max_size is not None:
        kept = [entry for entry in inventory.entries if str(entry) not in entries or str(entry) in pinned]
        excess = inventory.size - sum(record.size for record in records) - max_size
        excess -= sum(entry.size for entry in entries.values() if str(entry) not in pinned)
        for entry in sorted(kept, key=lambda entry: (entry.used, str(entry))):
            if excess <= 0:
                break
            entries[str(entry)] = entry
            excess -= 0 if str(entry) in pinned else entry.size
    return Selection(
        entries=tuple(entries.values()),
        records=records,
        followers=inventory.records,
        logs=tuple(log for log in inventory.logs if log.used <= min(cutoff, inventory.taken - _SHORTEST_LOG_LIFE)),
    )


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


def _superseded(inventory: Inventory) -> Iterator[StoredEntry]:
    """Unpacked wheels to which nothing leads any more: no wheel file, and no record of a build.

    Such are the wheels of project folders once their install is over: each build of a folder makes another one.
    """
    blobs = {entry.key for entry in inventory.entries if entry.kind == "blobs"}
    recorded = frozenset[str]().union(*(record.leads_to for record in inventory.records))
    for entry in inventory.entries:
        if entry.kind == "unpacked" and entry.key not in blobs and entry.key not in recorded:
            yield entry
