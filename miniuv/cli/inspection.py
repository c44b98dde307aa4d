"""What the commands that only look have in common."""

import argparse

from miniuv.cli.context import Context
from miniuv.cli.options import target_request
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter


def add_exclusions(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``look_for_listed`` reads."""
    parser.add_argument("--exclude-editable", action="store_true")
    parser.add_argument("--exclude", metavar="NAME", action="append", default=[])


def look_for_listed(arguments: argparse.Namespace, context: Context) -> list[InstalledDistribution]:
    """What is installed in the target, without what the options exclude."""
    from packaging.utils import canonicalize_name

    _, installed = look(arguments, context, requirements=False)
    excluded = set(map(canonicalize_name, arguments.exclude))
    return [
        distribution
        for distribution in installed
        if distribution.name not in excluded
        and not (arguments.exclude_editable and distribution.editable_location is not None)
    ]


def look(
    arguments: argparse.Namespace, context: Context, *, requirements: bool = True, recovers: bool = False
) -> tuple[Interpreter, tuple[InstalledDistribution, ...]]:
    """The target and what is installed there; see ``installed_distributions`` for ``requirements``.

    ``recovers``: a change that was cut short is finished first; else it is told of.
    """
    from miniuv.environment.installed import installed_distributions
    from miniuv.environment.places import is_change_pending

    with context.interpreters(arguments) as interpreters:
        interpreter = interpreters.target(target_request(arguments), directory=context.directory, change=False)
        context.reporter.targeted(interpreter)
        if is_change_pending(interpreter.scheme.data):
            _settle(arguments, context, interpreter, recovers=recovers)
        installed = installed_distributions(interpreter, reporter=context.reporter, requirements=requirements)
        return interpreter, installed


def _settle(arguments: argparse.Namespace, context: Context, interpreter: Interpreter, *, recovers: bool) -> None:
    from miniuv.install.recovery import recover, tell_of_pending

    if recovers:
        with context.session(arguments) as session, session.environment_lock(interpreter):
            recover(interpreter, reporter=context.reporter)
    else:
        tell_of_pending(interpreter, reporter=context.reporter)
