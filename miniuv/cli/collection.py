"""What the commands that remove something from the cache have in common."""

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from miniuv.cli.context import Context
from miniuv.errors import CacheError

if TYPE_CHECKING:
    from miniuv.cache.collector import Collection
    from miniuv.cache.inventory import Inventory
    from miniuv.cache.lease import Pinner
    from miniuv.cache.retention import Selection
    from miniuv.cache.store import Store

Select = Callable[["Inventory", "frozenset[str]"], "Selection"]
"""Is given everything, and what is in use as ``<kind>/<key>``."""


@contextmanager
def opened(arguments: argparse.Namespace, context: Context) -> "Iterator[Store | None]":
    """Open the cache to change it; ``None`` where there is none yet."""
    from miniuv.cache.layout import Layout
    from miniuv.cache.store import Store

    with context.settings(arguments) as settings:
        if not Layout(root=settings.cache_dir).versioned.is_dir():
            context.reporter.line(f"There is no cache at `{settings.cache_dir}`")
            yield None
            return
        with Store.open(
            settings.cache_dir, reporter=context.reporter, allow_shared=settings.allow_shared_cache
        ) as store:
            if store.root != Path(os.path.abspath(settings.cache_dir)):
                raise CacheError("the cache cannot be written", where=str(settings.cache_dir))
            yield store


def collect(store: "Store", context: Context, select: Select) -> "Collection | None":
    """Remove what ``select`` selects, and tell; ``None`` where somebody else does so at the moment."""
    from miniuv.cache.collector import Collector
    from miniuv.cache.inventory import take_inventory
    from miniuv.cache.layout import Layout

    layout = Layout(root=store.root)
    collection = Collector(layout, locks=store.locks).collect(
        lambda pins: select(take_inventory(layout), frozenset(pins))
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
    users: dict[tuple[Pinner, ...], list[int]] = {}
    for entry, pinners in collection.kept:
        users.setdefault(pinners, []).append(entry.size)
    for pinners, sizes in users.items():
        who = ", ".join(map(str, pinners))
        reporter.line(f"Kept {counted(len(sizes), 'entry', 'entries')} ({size(sum(sizes))}) in use by {who}")
    for entry, reason in collection.refused:
        reporter.warning(f"`{entry}` cannot be removed: {reason.lower()}")
