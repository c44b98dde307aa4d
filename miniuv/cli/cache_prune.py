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
    from miniuv.cache.retention import unused
    from miniuv.cli import quantities
    from miniuv.cli.collection import collect, opened

    older_than = quantities.seconds(arguments.older_than, option="--older-than")
    max_size = quantities.size(arguments.max_size, option="--max-size") if arguments.max_size else None
    with opened(arguments, context) as store:
        if store is not None:
            collect(
                store,
                context,
                lambda inventory, pinned: unused(inventory, older_than=older_than, max_size=max_size, pinned=pinned),
            )
    return 0
