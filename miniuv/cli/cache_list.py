"""``miniuv cache list``."""

import argparse

from miniuv.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("--json", action="store_true", help="for programs: bytes, and seconds since 1970")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: nothing is locked, made or changed."""
    from miniuv.cache.inventory import take_inventory
    from miniuv.cli.collection import looked_at
    from miniuv.report.amounts import ago, columns, size

    with looked_at(arguments, context) as layout:
        inventory = take_inventory(layout)
    if arguments.json:
        import json

        facts = [
            {
                "kind": entry.kind,
                "key": entry.key,
                "name": entry.name,
                "size": entry.size,
                "made": entry.born,
                "used": entry.used,
            }
            for entry in inventory.entries
        ]
        context.write(json.dumps(facts))
    elif inventory.entries:
        now = inventory.taken
        rows = [
            (entry.kind, entry.name, size(entry.size), ago(now - entry.born), ago(now - entry.used))
            for entry in inventory.entries
        ]
        for line in columns(("Kind", "Name", "Size", "Age", "Last used"), rows, right=frozenset({2})):
            context.write(line)
    return 0
