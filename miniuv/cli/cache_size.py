"""``miniuv cache size``."""

import argparse

from miniuv.cli.context import Context


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("--bytes", action="store_true", help="one number: the bytes of everything")


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: nothing is locked, made or changed."""
    from miniuv.cache.inventory import measure, take_inventory, total
    from miniuv.cache.layout import ENTRY_KINDS
    from miniuv.cli.collection import looked_at
    from miniuv.report.amounts import columns, size

    with looked_at(arguments, context) as layout:
        whole = measure(layout.root).size
        if arguments.bytes:
            context.write(str(whole))
            return 0
        inventory = take_inventory(layout)
        rows: list[tuple[str, str, str]] = []
        for kind in ENTRY_KINDS:
            entries = [entry for entry in inventory.entries if entry.kind == kind]
            rows.append((kind, str(len(entries)), size(total(entries))))
        unfinished = [measure(folder) for folder in (layout.staging, layout.trash)]
        rows += [
            ("records", str(len(inventory.records)), size(total(inventory.records))),
            ("logs", str(len(inventory.logs)), size(total(inventory.logs))),
            ("unfinished", str(sum(each.count for each in unfinished)), size(sum(each.size for each in unfinished))),
            ("everything", "", size(whole)),
        ]
        for line in columns(("Kind", "Count", "Size"), rows, right=frozenset({1, 2})):
            context.write(line)
    return 0
