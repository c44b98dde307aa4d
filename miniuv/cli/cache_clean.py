"""``miniuv cache clean``."""

import argparse

from miniuv.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="packages or repositories; without any: everything")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: nobody is waited for, and what is in use stays."""
    from packaging.utils import canonicalize_name

    from miniuv.cache.inventory import Inventory
    from miniuv.cache.retention import Selection, belonging_to, unused
    from miniuv.cli.collection import collect, opened

    names = {name: str(canonicalize_name(name)) for name in arguments.names}

    def select(inventory: Inventory, pinned: frozenset[str]) -> Selection:
        if not names:
            return unused(inventory, older_than=0, max_size=None, pinned=pinned)
        for name, project in names.items():
            if belonging_to(inventory, {project}).is_empty:
                context.reporter.warning(f"nothing in the cache is known to belong to `{name}`")
        return belonging_to(inventory, set(names.values()))

    with opened(arguments, context) as cache:
        if cache is not None:
            collect(cache, context, select)
    return 0
