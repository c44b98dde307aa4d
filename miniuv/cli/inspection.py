"""What the commands that only look have in common."""

import argparse

from miniuv.cli.context import Context
from miniuv.cli.options import target_request
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter


def look(arguments: argparse.Namespace, context: Context) -> tuple[Interpreter, tuple[InstalledDistribution, ...]]:
    """The target and what is installed there."""
    from miniuv.environment.installed import installed_distributions

    with context.interpreters(arguments) as interpreters:
        interpreter = interpreters.target(target_request(arguments), directory=context.directory, change=False)
        context.reporter.targeted(interpreter)
        return interpreter, installed_distributions(interpreter, reporter=context.reporter)
