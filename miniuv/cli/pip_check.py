"""``miniuv pip check``."""

import argparse
from typing import TYPE_CHECKING

from miniuv.cli.context import Context
from miniuv.cli.inspection import look
from miniuv.cli.options import add_target

if TYPE_CHECKING:
    from miniuv.install.verification import Verified
    from miniuv.models.interpreter import Interpreter

_SHOWN = 10
"""Differences of each distribution, without ``-v``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument(
        "--files", action="store_true", help="compare every installed file with its RECORD, whoever installed it"
    )
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
    differs = arguments.files and _check_files(arguments, context, interpreter)
    return 1 if found or differs else 0


def _check_files(arguments: argparse.Namespace, context: Context, interpreter: "Interpreter") -> bool:
    """Tell what differs, and whether anything does."""
    verified = _verified(arguments, context, interpreter)
    differing = [each for each in verified if each.differences]
    for each in differing:
        _tell(each, context, shown=None if arguments.verbose else _SHOWN)
    for each in verified:
        if not each.has_record:
            context.reporter.note(f"{each.distribution} keeps no hashes of its files: nothing of it can be verified")
        elif each.unhashed > 1:  # RECORD itself has none
            context.reporter.note(f"{each.distribution} has {each.unhashed - 1} files without a hash: they are there")
    if differing:
        context.write(f"{len(differing)} of {len(verified)} packages differ from what was installed.")
        context.reporter.line(
            "hint: `miniuv pip install --reinstall NAME` repairs one; what was edited on purpose is lost then"
        )
    else:
        files = sum(each.files for each in verified)
        context.write(f"All {files} files of {len(verified)} packages are as they were installed.")
    return bool(differing)


def _verified(arguments: argparse.Namespace, context: Context, interpreter: "Interpreter") -> "tuple[Verified, ...]":
    """Verify; where something differs, once more under the lock if somebody may just be changing the environment."""
    from miniuv.cache.owner import kernel_locks
    from miniuv.environment.installed import fingerprint, installed_distributions
    from miniuv.environment.places import is_change_pending
    from miniuv.install.layout import Layout
    from miniuv.install.recovery import recover
    from miniuv.install.verification import verify
    from miniuv.names import ENVIRONMENT_LOCKS
    from miniuv.reporter import Reporter

    before = fingerprint(interpreter)
    layout = Layout.of(interpreter)
    verified = verify(installed_distributions(interpreter, reporter=Reporter(), requirements=False), layout=layout)
    if not any(each.differences for each in verified):
        return verified
    is_held = kernel_locks().holders(interpreter.prefix / ENVIRONMENT_LOCKS[0])
    if not is_held and not is_change_pending(interpreter.scheme.data) and fingerprint(interpreter) == before:
        return verified
    with context.session(arguments) as session, session.environment_lock(interpreter):
        recover(interpreter, reporter=context.reporter)
        installed = installed_distributions(interpreter, reporter=context.reporter, requirements=False)
        return verify(installed, layout=layout)


def _tell(verified: "Verified", context: Context, *, shown: int | None) -> None:
    from miniuv.archive.member import shown as quoted

    context.write(f"{verified.distribution}:")
    differences = sorted(verified.differences, key=lambda each: each.path)
    for each in differences[:shown]:
        problem = each.problem if each.problem.isprintable() else repr(each.problem)
        context.write(f"  {quoted(each.path)} {problem}")
    if shown is not None and len(differences) > shown:
        context.write(f"  and {len(differences) - shown} more (`-v` lists them)")
