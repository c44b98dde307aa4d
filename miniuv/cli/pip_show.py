"""``miniuv pip show``."""

import argparse
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import BytesHeaderParser

from packaging.utils import canonicalize_name

from miniuv.cli.context import Context
from miniuv.cli.inspection import look
from miniuv.cli.options import add_target
from miniuv.errors import RequirementError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.project.pep508 import marker_holds, parse_published

_FIELDS = ("Name", "Version", "Summary", "Home-page", "Author", "Author-email", "License")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("-f", "--files", action="store_true", help="list the files too")
    add_target(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: 1 where none of the names is installed, as in pip."""
    interpreter, installed = look(arguments, context)
    by_name = {distribution.name: distribution for distribution in installed}
    found = [by_name[name] for given in arguments.names if (name := canonicalize_name(given)) in by_name]
    for given in arguments.names:
        if canonicalize_name(given) not in by_name:
            context.reporter.warning(f"`{given}` is not installed")
    for position, distribution in enumerate(found):
        if position:
            context.write("---")
        for line in _lines(distribution, installed, interpreter):
            context.write(line)
        if arguments.files:
            context.write("Files:")
            for path in _files(distribution):
                context.write(f"  {path}")
    return 0 if found else 1


def _lines(
    distribution: InstalledDistribution, installed: Sequence[InstalledDistribution], interpreter: Interpreter
) -> Iterator[str]:
    fields = _header(distribution)
    for name in _FIELDS:
        value = fields.get(name)
        if name == "License" and not value:
            value = fields.get("License-Expression")
        yield f"{name}: {value or ''}"
    yield f"Location: {distribution.location}"
    if (editable := distribution.editable_location) is not None:
        yield f"Editable project location: {editable}"
    yield f"Requires: {', '.join(sorted(_requires(distribution, interpreter)))}"
    needed_by = (other for other in installed if distribution.name in _requires(other, interpreter))
    yield f"Required-by: {', '.join(sorted((other.metadata.display_name for other in needed_by), key=str.lower))}"


def _header(distribution: InstalledDistribution) -> Message:
    for name in ("METADATA", "PKG-INFO"):
        try:
            return BytesHeaderParser().parsebytes((distribution.info / name).read_bytes())
        except OSError:
            continue
    fields = Message()
    fields["Name"], fields["Version"] = distribution.metadata.display_name, str(distribution.metadata.version)
    return fields


def _requires(distribution: InstalledDistribution, interpreter: Interpreter) -> set[str]:
    names: set[str] = set()
    for text in distribution.metadata.requires_dist:
        try:
            _, requirement = parse_published(text)
            if marker_holds(requirement.marker, interpreter.markers):
                names.add(canonicalize_name(requirement.name))
        except RequirementError:
            continue
    return names


def _files(distribution: InstalledDistribution) -> Iterator[str]:
    import csv

    try:
        with (distribution.info / "RECORD").open(encoding="utf-8", newline="") as file:
            yield from sorted(row[0] for row in csv.reader(file) if row)
    except OSError:
        yield "(there is no RECORD)"
