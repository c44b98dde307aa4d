"""``miniuv doctor``."""

import argparse
from typing import TYPE_CHECKING

from miniuv.cli.context import Context
from miniuv.cli.options import add_index, add_target, overrides, target_request
from miniuv.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from miniuv.doctor.findings import Finding
    from miniuv.process import Runner
    from miniuv.settings import Settings

_MARKS = {"good": "ok", "note": "note", "wrong": "wrong"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument(
        "--online", action="store_true", help="ask the indexes too; without it nobody is asked anything"
    )
    add_target(parser)
    add_index(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``: 1 where something is wrong. Nothing is changed."""
    from miniuv.doctor.findings import told

    troubles = 0
    for title, findings in _sections(arguments, context):
        context.write(title)
        for finding in told(findings):
            troubles += finding.level == "wrong"
            _tell(finding, context)
        context.write("")
    context.write(
        f"{troubles} {'thing is' if troubles == 1 else 'things are'} wrong" if troubles else "Nothing is wrong"
    )
    return 1 if troubles else 0


def _sections(arguments: argparse.Namespace, context: Context) -> "Iterator[tuple[str, Iterator[Finding]]]":
    from miniuv.doctor.environment import look_at_environment
    from miniuv.doctor.findings import of_error
    from miniuv.doctor.programs import look_at_git, look_at_miniuv
    from miniuv.environment.interpreters import Interpreters
    from miniuv.process import SubprocessRunner
    from miniuv.reporter import Reporter

    runner = SubprocessRunner()
    directory, environ = context.directory, context.environ
    # No cache: the interpreter is to be started, and not what was once said of it to be read.
    interpreters = Interpreters(runner=runner, environ=environ, store=None, reporter=Reporter())
    yield "miniuv", look_at_miniuv()
    yield (
        "Environment",
        look_at_environment(
            interpreters, target_request(arguments), environ=environ, directory=directory, runner=runner
        ),
    )
    yield "git", look_at_git(environ=environ, directory=directory, runner=runner)
    try:
        with context.settings(arguments) as settings:
            yield from _of_settings(settings, arguments, context, runner)
    except SettingsError as error:
        yield "Settings", iter([of_error(error)])


def _of_settings(
    settings: "Settings", arguments: argparse.Namespace, context: Context, runner: "Runner"
) -> "Iterator[tuple[str, Iterator[Finding]]]":
    from miniuv.doctor.cache import look_at_cache
    from miniuv.doctor.indexes import ask_indexes, look_at_settings, origin
    from miniuv.settings.places import layers

    known = list(layers(overrides(arguments), context.environ, context.directory))
    who = "for this command only" if arguments.no_cache else origin("cache-dir", known)
    yield "Cache", look_at_cache(settings, origin=who, runner=runner)
    yield "Indexes", look_at_settings(settings, known, context.environ)
    if arguments.online:
        yield "Indexes, asked", ask_indexes(settings, context.environ)


def _tell(finding: "Finding", context: Context) -> None:
    from miniuv.models.url import redact

    lines = "".join(each if each.isprintable() or each == "\n" else "?" for each in redact(finding.text)).splitlines()
    context.write(f"  {_MARKS[finding.level]:<6} {' '.join(lines)}")
    if finding.advice is not None:
        context.write(f"         -> {redact(finding.advice)}")
