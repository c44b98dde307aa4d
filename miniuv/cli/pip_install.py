"""``miniuv pip install``."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from miniuv.cli import foreign
from miniuv.cli.context import Context
from miniuv.cli.options import add_index, add_target, overrides, target_request
from miniuv.errors import ResolutionError, UsageError

if TYPE_CHECKING:
    from miniuv.models.outcome import Outcome
    from miniuv.models.request import InstallRequest, TargetRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See ``Command``."""
    parser.add_argument("requirements", nargs="*", metavar="REQUIREMENT", help="`name>=1`, a URL or a path")
    what = parser.add_argument_group("what to install")
    what.add_argument(
        "-e", "--editable", metavar="PATH", action="append", default=[], help="`path` or `path[extra]`, again and again"
    )
    what.add_argument("-r", "--requirement", "--requirements", metavar="FILE", action="append", default=[])
    what.add_argument(
        "-c", "--constraint", "--constraints", metavar="FILE", action="append", default=[], help="limits versions only"
    )
    what.add_argument("--require-hashes", action="store_true", help="refuse what has no `--hash` in a requirement file")
    what.add_argument("--no-deps", action="store_true", help="what is named and nothing else")
    what.add_argument("--pre", action="store_true", help="accept pre-releases")
    what.add_argument(
        "--prerelease",
        choices=("allow", "disallow", "if-necessary", "explicit", "if-necessary-or-explicit"),
        help=argparse.SUPPRESS,
    )
    what.add_argument("--no-build", action="store_true", help="wheels only, but for editables")
    what.add_argument("--only-binary", metavar="NAMES", help="`:all:` is the same as --no-build")
    how = parser.add_argument_group("how to install")
    how.add_argument("-U", "--upgrade", action="store_true", help="newest versions, whatever is installed")
    how.add_argument("-P", "--upgrade-package", metavar="NAME", action="append", default=[])
    how.add_argument(
        "--reinstall",
        "--force-reinstall",
        "-I",
        "--ignore-installed",
        action="store_true",
        help="install again what is there",
    )
    how.add_argument("--reinstall-package", metavar="NAME", action="append", default=[])
    how.add_argument("--no-reuse", action="store_true", help="build folders again, changed or not")
    how.add_argument(
        "--compile", "--compile-bytecode", dest="compile", action="store_true", help="compile to bytecode, in parallel"
    )
    how.add_argument("--no-compile", "--no-compile-bytecode", dest="compile", action="store_false")
    how.add_argument("--strict", action="store_true", help="refuse packages that write the same file")
    how.add_argument("--force", action="store_true", help="overwrite files that belong to no package")
    how.add_argument(
        "--allow-wheel", metavar="RULE", action="append", help="accept wheels that break this rule of their form"
    )
    how.add_argument("--dry-run", action="store_true", help="say what would be done")
    how.add_argument("--explain", action="store_true", help="say why each package is installed")
    foreign.ignore(parser, foreign.INSTALL_HARMLESS, foreign.INSTALL_HARMLESS_WITH_VALUE)
    foreign.refuse(parser, foreign.INSTALL_REFUSED)
    add_target(parser, change=True)
    add_index(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """See ``Command``."""
    _check(arguments, context.directory)
    target = target_request(arguments)
    with context.session(arguments) as session:
        session.interpreters.begin(target, directory=context.directory)
        from miniuv.pipeline import install  # which takes as long as an interpreter to answer

        request = _request(arguments, target, context.directory)
        try:
            outcome = install(request, session)
        except ResolutionError as error:
            error.hint = _meant_as_folder(request) or error.hint
            raise
        _tell(outcome, request, arguments, context)
        _keep(outcome, arguments, context)
    _remember(outcome, arguments, context)
    return 0


def _request(arguments: argparse.Namespace, target: "TargetRequest", directory: Path) -> "InstallRequest":
    from packaging.utils import canonicalize_name

    from miniuv.models.request import InstallOptions, InstallRequest

    return InstallRequest(
        requirements=tuple(arguments.requirements),
        editables=tuple(arguments.editable),
        requirement_files=tuple(arguments.requirement),
        constraint_files=tuple(arguments.constraint),
        target=target,
        options=InstallOptions(
            upgrade=arguments.upgrade,
            upgrade_packages=frozenset(map(canonicalize_name, arguments.upgrade_package)),
            reinstall=arguments.reinstall,
            reinstall_packages=frozenset(map(canonicalize_name, arguments.reinstall_package)),
            no_reuse=arguments.no_reuse,
            no_deps=arguments.no_deps,
            compile_bytecode=arguments.compile,
            dry_run=arguments.dry_run,
            prereleases=arguments.pre or arguments.prerelease == "allow",
            force=arguments.force,
            strict=arguments.strict,
            require_hashes=arguments.require_hashes,
            no_build=arguments.no_build or arguments.only_binary == ":all:",
        ),
        directory=directory,
    )


def _tell(outcome: "Outcome", request: "InstallRequest", arguments: argparse.Namespace, context: Context) -> None:
    from miniuv.report.outcome import place_lines, reason_lines

    resolved = outcome.resolution.candidates if outcome.resolution else {}
    for option, names in (
        ("--upgrade-package", request.options.upgrade_packages),
        ("--reinstall-package", request.options.reinstall_packages),
    ):
        for name in sorted(name for name in names if name not in resolved):
            context.reporter.warning(f"`{option} {name}` has no effect: nothing that is asked for needs `{name}`")
    for line in place_lines(outcome):
        context.reporter.note(line)
    if arguments.explain or arguments.verbose:
        for line in reason_lines(outcome):
            context.reporter.line(line)
    context.reporter.outcome(outcome)


def _keep(outcome: "Outcome", arguments: argparse.Namespace, context: Context) -> None:
    """Let the next environment that has nothing in it get the same at once; told would be the same, too."""
    if outcome.keep is None or not _may_be_remembered(outcome, arguments, context):
        return
    from miniuv.report.style import color_rule

    count = len(outcome.resolution.candidates) if outcome.resolution else 0
    outcome.keep(
        arguments=context.argv,
        color=color_rule(arguments.color, context.environ),
        again=[line for line in context.reporter.repeated(count) if line.endswith("%")],
    )


def _may_be_remembered(outcome: "Outcome", arguments: argparse.Namespace, context: Context) -> bool:
    """Whether the same would be told; and whether indexes, if they are to be asked, can be asked in the same way."""
    from miniuv.replay.confirm import are_direct

    questions = outcome.basis.questions if outcome.basis is not None else ()
    asks = questions and not are_direct(questions)
    is_plain = not asks or not overrides(arguments).keys() - {"cache-dir"}
    return is_plain and not (arguments.explain or arguments.verbose or context.reporter.warned)


def _remember(outcome: "Outcome", arguments: argparse.Namespace, context: Context) -> None:
    """Let the fast exit know, unless the same command would have something to tell."""
    if outcome.basis is None or outcome.resolution is None or not _may_be_remembered(outcome, arguments, context):
        return
    from miniuv.basis import write_state
    from miniuv.report.style import color_rule
    from miniuv.state import key

    write_state(
        outcome.basis,
        key=key(context.argv, context.environ, str(context.directory)),
        color=color_rule(arguments.color, context.environ),
        told=context.reporter.repeated(len(outcome.resolution.candidates)),
        started=context.started,
    )


def _meant_as_folder(request: "InstallRequest") -> str | None:
    for text in request.requirements:
        if os.sep not in text and (request.directory / text / "pyproject.toml").is_file():
            return f"`{text}` was looked for on the indexes; the folder of that name is `./{text}`"
    return None


def _check(arguments: argparse.Namespace, directory: Path) -> None:
    for text in arguments.requirements:
        if text.endswith((".txt", ".in")) and (directory / text).is_file():
            raise UsageError(
                f"`{text}` is a file, not a requirement", hint=f"write `-r {text}` to install what it lists"
            )
    for text in arguments.requirement:
        if (directory / text).is_dir():
            raise UsageError(f"`-r {text}` names a folder", hint=f"write `-e {text}` to install the project in it")
    if not (arguments.requirements or arguments.editable or arguments.requirement):
        raise UsageError(
            "there is nothing to install", hint="name a requirement, `-e PATH` or `-r FILE`; `.` is the current folder"
        )
    if arguments.only_binary not in (None, ":all:", ":none:"):
        raise UsageError(
            "`--only-binary` takes `:all:` or `:none:`", hint="or leave it out: wheels are preferred anyway"
        )
