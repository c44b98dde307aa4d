"""``miniuv pip list``."""

import argparse

from miniuv.cli import foreign
from miniuv.cli.context import Context
from miniuv.cli.inspection import add_exclusions, look_for_listed
from miniuv.cli.options import add_target
from miniuv.models.installed import InstalledDistribution


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("--format", choices=("columns", "json", "freeze"), default="columns")
    parser.add_argument("-e", "--editable", action="store_true", help="editables only")
    add_exclusions(parser)
    foreign.ignore(parser, ("-l", "--local", "--include-editable"))
    foreign.refuse(parser, foreign.LIST_REFUSED)
    add_target(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    shown = [
        distribution
        for distribution in look_for_listed(arguments, context)
        if not (arguments.editable and distribution.editable_location is None)
    ]
    if arguments.format == "json":
        import json

        context.write(json.dumps([_facts(distribution) for distribution in shown]))
    elif arguments.format == "freeze":
        for distribution in shown:
            context.write(f"{distribution.metadata.display_name}=={distribution.metadata.version}")
    elif shown:
        for line in _columns(shown):
            context.write(line)
    return 0


def _facts(distribution: InstalledDistribution) -> dict[str, str]:
    facts = {"name": distribution.metadata.display_name, "version": str(distribution.metadata.version)}
    if (location := distribution.editable_location) is not None:
        facts["editable_project_location"] = str(location)
    return facts


def _columns(shown: list[InstalledDistribution]) -> list[str]:
    rows = [tuple(_facts(distribution).values()) for distribution in shown]
    heads = ("Package", "Version", "Editable project location")
    count = max(map(len, rows))
    table = [heads[:count], *((*row, "")[:count] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(count)]
    table.insert(1, tuple("-" * width for width in widths))
    return [" ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
