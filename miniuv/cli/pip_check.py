"""``miniuv pip check``."""

import argparse

from miniuv.cli.context import Context
from miniuv.cli.inspection import look
from miniuv.cli.options import add_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    add_target(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: 1 where something does not fit. A change that was cut short is finished first."""
    from miniuv.environment.consistency import problems

    interpreter, installed = look(arguments, context, recovers=True)
    found = problems(installed, interpreter)
    for problem in found:
        context.write(problem)
    if not found:
        context.write("No broken requirements found.")
    return 1 if found else 0
