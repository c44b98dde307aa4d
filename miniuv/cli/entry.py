"""The console script: from ``sys.argv`` to an exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Never, TextIO

from miniuv.errors import Interrupted, MiniuvError, UsageError

if TYPE_CHECKING:
    from miniuv.report.terminal import TerminalReporter

_SIGTERM_EXIT = 143


def main() -> Never:
    """Run the command that ``sys.argv`` names, and exit."""
    _end_on_sigterm()
    code = run(sys.argv[1:], environ=os.environ, stdout=sys.stdout, stderr=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            # Who reads no more does not want to hear about it, and the interpreter must not try again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if code in (Interrupted.exit_code, _SIGTERM_EXIT):
        os._exit(code)  # everything is put back; threads that were interrupted are not waited for
    raise SystemExit(code)


def run(argv: Sequence[str], *, environ: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Run one command; returns its exit code. Every error ends here, as a sentence."""
    reporter = _early_reporter(stderr, environ)
    try:
        if os.name == "nt":
            raise UsageError("miniuv does not run on Windows", hint="it runs in the Windows Subsystem for Linux")
        return _dispatch(list(argv), environ=environ, stdout=stdout, stderr=stderr, reporter=reporter)
    except MiniuvError as error:
        _tell(error, reporter)
        return error.exit_code
    except KeyboardInterrupt:
        _tell(Interrupted("interrupted"), reporter)
        return Interrupted.exit_code
    except _Terminated:
        _tell(Interrupted("terminated"), reporter)
        return _SIGTERM_EXIT
    except BrokenPipeError:
        return 0
    except OSError as error:
        place = f" (`{error.filename}`)" if error.filename else ""
        _tell(MiniuvError(f"the system refused: {error.strerror or error}{place}"), reporter)
        return 1
    except Exception as error:  # the last line of defence: a traceback tells a user nothing
        if environ.get("MINIUV_TRACEBACK"):
            raise
        hint = "this is a defect of miniuv; please report it, with what `MINIUV_TRACEBACK=1` shows"
        _tell(MiniuvError(f"unexpected {type(error).__name__}: {error}", hint=hint), reporter)
        return 1


class _Terminated(BaseException):
    """SIGTERM came."""


def _dispatch(
    argv: list[str], *, environ: Mapping[str, str], stdout: TextIO, stderr: TextIO, reporter: "list[TerminalReporter]"
) -> int:
    from miniuv.cli.commands import Parser, find_command, overview

    options, words = _split(argv)
    if not words or words[0] == "help":
        if "--version" in options or "-V" in options:
            from miniuv import __version__

            stdout.write(f"miniuv {__version__}\n")
            return 0
        stdout.write(f"{overview()}\n")
        return 0 if options or words else UsageError.exit_code
    from miniuv.cli.context import Context
    from miniuv.cli.options import add_common
    from miniuv.report.style import Style, wants_color
    from miniuv.report.terminal import TerminalReporter

    name, entry = find_command(words)
    command = entry.load()
    parser = Parser(prog=f"miniuv {' '.join(name)}", description=entry.summary, allow_abbrev=False)
    command.add_arguments(parser)
    add_common(parser)
    try:
        arguments = parser.parse_args([*words[len(name) :], *options])
    except SystemExit:  # --help
        return 0
    style = Style(wants_color(arguments.color, stderr, environ))
    live = stderr.isatty() and not arguments.no_progress and not environ.get("CI") and environ.get("TERM") != "dumb"
    reporter[:] = [TerminalReporter(stderr, style=style, verbose=arguments.verbose, quiet=arguments.quiet, live=live)]
    context = Context(environ=environ, directory=_directory(), stdout=stdout, style=style, reporter=reporter[0])
    try:
        return command.run(arguments, context)
    finally:
        reporter[0].close()


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Options before the command may stand there too: ``miniuv -v pip install``."""
    taking_value = {"--color", "--cache-dir"}
    position = 0
    while position < len(argv) and argv[position].startswith("-"):
        position += 2 if argv[position] in taking_value else 1
    return argv[:position], argv[position:]


def _directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise MiniuvError("the current folder is gone", hint="change to one that exists") from error


def _end_on_sigterm() -> None:
    import signal

    def end(_number: int, _frame: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, end)


def _early_reporter(stderr: TextIO, environ: Mapping[str, str]) -> "list[TerminalReporter]":
    """Until the command line is understood, errors are told plainly."""
    from miniuv.report.style import Style, wants_color
    from miniuv.report.terminal import TerminalReporter

    return [TerminalReporter(stderr, style=Style(wants_color("auto", stderr, environ)))]


def _tell(error: MiniuvError, reporter: "list[TerminalReporter]") -> None:
    from miniuv.report.errors import error_lines

    (current,) = reporter
    current.error("\n".join(error_lines(error, style=current.style)))
