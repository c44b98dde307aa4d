"""What the commands have in common that look at the whole cache, or remove something from it."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from miniuv.cli.context import Context
from miniuv.errors import CacheError
from miniuv.values import dataclass

if TYPE_CHECKING:
    from miniuv.cache.collector import Collection
    from miniuv.cache.inventory import Inventory
    from miniuv.cache.layout import Layout
    from miniuv.cache.lease import Pinner
    from miniuv.cache.locks import LockManager
    from miniuv.cache.retention import Selection

Select = Callable[["Inventory", "frozenset[str]"], "Selection"]
"""Is given everything, and what is in use as ``<kind>/<key>``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenCache:
    """A cache that is there. Nothing was made to open it, not even a lease: its disk may be full or read-only."""

    layout: "Layout"
    locks: "LockManager"
    writable: bool


@contextmanager
def looked_at(arguments: argparse.Namespace, context: Context) -> "Iterator[Layout]":
    """Look at the cache, which may be missing; what the system refuses becomes ``CacheError``."""
    from miniuv.cache.layout import Layout, has_cache
    from miniuv.cache.trouble import cache_trouble

    with context.settings(arguments) as settings, cache_trouble(settings.cache_dir, "read the cache"):
        has_cache(settings.cache_dir)
        yield Layout(root=Path(os.path.abspath(settings.cache_dir)))


@contextmanager
def opened(arguments: argparse.Namespace, context: Context, *, change: bool = True) -> "Iterator[OpenCache | None]":
    """Open the cache, to ``change`` it; ``None`` where there is none yet.

    Raises ``CacheError`` where it cannot be trusted, or cannot be written and that is needed.
    """
    from miniuv.cache.layout import Layout, check_trust, has_cache
    from miniuv.cache.lock_log import LockLog
    from miniuv.cache.locks import LockManager

    with context.settings(arguments) as settings:
        layout = Layout(root=Path(os.path.abspath(settings.cache_dir)))
        if not has_cache(layout.root):
            context.reporter.line(f"There is no cache at `{settings.cache_dir}`")
            yield None
            return
        if not settings.allow_shared_cache:
            check_trust(layout)
        writable = os.access(layout.versioned, os.W_OK | os.X_OK)
        if change and not writable:
            raise CacheError(
                "the cache cannot be written",
                where=str(settings.cache_dir),
                hint="make it writable for you, or name another one with `--cache-dir`",
            )
        log = LockLog.from_environment(os.environ)
        manager = LockManager(layout.locks, runtime=layout.locks, reporter=context.reporter, log=log)
        with closing(manager) as locks:
            yield OpenCache(layout=layout, locks=locks, writable=writable)


def collect(cache: OpenCache, context: Context, select: Select) -> "Collection | None":
    """Remove what ``select`` selects, and tell; ``None`` where somebody else does so at the moment."""
    from miniuv.cache.collector import Collector
    from miniuv.cache.inventory import take_inventory

    collection = Collector(cache.layout, locks=cache.locks).collect(
        lambda pins: select(take_inventory(cache.layout), frozenset(pins))
    )
    if collection is None:
        context.reporter.line("Another prune is running; nothing was removed by this one")
    else:
        _tell(collection, context)
    return collection


def _tell(collection: "Collection", context: Context) -> None:
    from miniuv.report.amounts import counted, size

    reporter = context.reporter
    for entry in collection.removed:
        reporter.note(f"removed {entry}: {entry.name}, {size(entry.size)}")
    reporter.line(
        f"Removed {counted(len(collection.removed), 'entry', 'entries')} and "
        f"{counted(len(collection.records), 'record', 'records')}: {size(collection.freed)} freed"
    )
    if linked := collection.size - collection.freed:
        reporter.line(f"{size(linked)} stay on the disk: environments have links to these files")
    for who, sizes in _users(collection).items():
        reporter.line(f"Kept {counted(len(sizes), 'entry', 'entries')} ({size(sum(sizes))}) in use by {who}")
    for entry, reason in collection.refused:
        reporter.warning(f"`{entry}` cannot be removed: {reason.lower()}")


def tell_what_stays(collection: "Collection", inventory: "Inventory", context: Context, *, limit: float) -> None:
    """Say why the cache is larger than ``limit`` bytes, where it is; ``inventory`` is what there was."""
    from miniuv.cache.inventory import total
    from miniuv.report.amounts import size

    left = inventory.size - collection.size
    if left <= limit:
        return
    refused = total(entry for entry, _ in collection.refused)
    parts = [(sum(sizes), f"in use by {who}") for who, sizes in _users(collection).items()]
    parts += [(refused, "cannot be removed"), (inventory.unfinished, "unfinished work of running processes")]
    parts.append((left - sum(count for count, _ in parts), "records and logs of what is in use"))
    reasons = ", ".join(f"{size(count)} {reason}" for count, reason in parts if count > 0)
    context.reporter.line(f"The cache has {size(left)}, more than {size(int(limit))}: {reasons}")


def _users(collection: "Collection") -> dict[str, list[int]]:
    """The sizes of the entries that each group of processes uses."""
    pinners: dict[tuple[Pinner, ...], list[int]] = {}
    for entry, users in collection.kept:
        pinners.setdefault(users, []).append(entry.size)
    return {", ".join(map(str, users)): sizes for users, sizes in pinners.items()}
