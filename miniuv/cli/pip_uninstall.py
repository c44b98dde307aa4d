"""``miniuv pip uninstall``."""

import argparse

from miniuv.cli.context import Context
from miniuv.cli.options import add_target, target_request
from miniuv.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-r", "--requirement", "--requirements", metavar="FILE", action="append", default=[])
    parser.add_argument("-y", "--yes", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    add_target(parser, change=True)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    from miniuv.pipeline import uninstall

    if not arguments.names and not arguments.requirement:
        raise UsageError("there is nothing to remove", hint="name a package, or `-r FILE`")
    with context.session(arguments) as session:
        outcome = uninstall(
            arguments.names,
            files=arguments.requirement,
            target=target_request(arguments),
            session=session,
            dry_run=arguments.dry_run,
        )
    context.reporter.outcome(outcome)
    return 0
