"""``miniuv cache prune``."""

import argparse

from miniuv.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument(
        "--older-than", metavar="TIME", default="30d", help="what was not used for so long goes (default: `30d`)"
    )
    parser.add_argument("--max-size", metavar="SIZE", help="and the least recently used, until the cache is so small")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: nobody is waited for, and what is in use stays."""
    from miniuv.cache.inventory import Inventory
    from miniuv.cache.retention import Selection, unused
    from miniuv.cli import quantities
    from miniuv.cli.collection import collect, opened, tell_what_stays

    older_than = quantities.seconds(arguments.older_than, option="--older-than")
    max_size = quantities.size(arguments.max_size, option="--max-size") if arguments.max_size else None
    seen: list[Inventory] = []

    def select(inventory: Inventory, pinned: frozenset[str]) -> Selection:
        seen.append(inventory)
        return unused(inventory, older_than=older_than, max_size=max_size, pinned=pinned)

    with opened(arguments, context) as cache:
        collection = None if cache is None else collect(cache, context, select)
        if collection is not None and max_size is not None:
            tell_what_stays(collection, seen[0], context, limit=max_size)
    return 0
