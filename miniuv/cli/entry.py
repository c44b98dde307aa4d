"""The console script: from ``sys.argv`` to an exit code."""

import gc
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Never, TextIO

from miniuv.errors import Interrupted, MiniuvError, UsageError

if TYPE_CHECKING:
    from miniuv.report.terminal import TerminalReporter

_BEFORE_THE_COMMAND = {"--color": 1, "--cache-dir": 1} | dict.fromkeys(
    ("-v", "-vv", "--verbose", "-q", "-qq", "--quiet", "--no-progress", "-n", "--no-cache", "--no-cache-dir"), 0
)
"""Options that may stand there too, as in ``miniuv -v pip install``, and how many words follow."""


def main() -> Never:
    """Run the command that ``sys.argv`` names, and exit."""
    gc.set_threshold(_ALLOCATIONS_UNSEEN)
    _end_on_signals()
    stdout, stderr = _usable(sys.stdout), _usable(sys.stderr)
    code = run(sys.argv[1:], environ=os.environ, stdout=stdout, stderr=stderr)
    code = _flush(stdout, stderr, code)
    if code > _SIGNALLED:
        os._exit(code)  # everything is put back; threads that were interrupted are not waited for
    raise SystemExit(code)


def run(argv: Sequence[str], *, environ: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    """Run one command; returns its exit code. Every error ends here, as a sentence."""
    reporters: list[TerminalReporter] = []
    try:
        if os.name == "nt":
            raise UsageError("miniuv does not run on Windows", hint="it runs in the Windows Subsystem for Linux")
        return _dispatch(list(argv), environ=environ, stdout=stdout, stderr=stderr, reporters=reporters)
    except BrokenPipeError:  # who reads no more does not want to hear about it
        return 0
    except MiniuvError as error:
        told, code = error, error.exit_code
    except KeyboardInterrupt:
        told, code = Interrupted("interrupted"), Interrupted.exit_code
    except _Ended as ended:
        told, code = Interrupted("terminated"), _SIGNALLED + ended.signal
    except OSError as error:
        place = f" (`{error.filename}`)" if error.filename else ""
        hint = "check that path: its length, its permissions, and the free space there"
        told, code = MiniuvError(f"the system refused: {error.strerror or error}{place}", hint=hint), 1
    except Exception as error:  # the last line of defence: a traceback tells a user nothing
        if environ.get("MINIUV_TRACEBACK"):
            raise
        hint = "this is a defect of miniuv; please report it, with what `MINIUV_TRACEBACK=1` shows"
        told, code = MiniuvError(f"unexpected {type(error).__name__}: {error}", hint=hint), 1
    _tell(told, reporters, stderr=stderr, environ=environ)
    return code


class _Ended(BaseException):
    """A signal came that asks for the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


_ALLOCATIONS_UNSEEN = 50_000
"""Between two looks for garbage in circles: a command makes little of it, and to look takes a tenth of a quick one."""

_PATIENCE = 5.0
"""Seconds after the first signal in which the next ones are not heard."""

_SIGNALLED = 128
"""A shell's exit code for a command that a signal ended, with the signal's number added."""


def _dispatch(
    argv: list[str],
    *,
    environ: Mapping[str, str],
    stdout: TextIO,
    stderr: TextIO,
    reporters: "list[TerminalReporter]",
) -> int:
    options, words = _split(argv)
    if len(words) > 1 and words[0] in ("pip", "cache") and words[1].startswith("-"):
        between, rest = _split(words[1:])
        options, words = [*options, *between], [words[0], *rest]
    if "--version" in options or "-V" in options:
        from miniuv import __version__

        stdout.write(f"miniuv {__version__}\n")
        return 0
    from miniuv.cli.commands import Parser, find_command, overview

    helps = bool({"-h", "--help"} & {*options, *words[:2]}) or words[:1] == ["help"]
    words = words[1:] if words[:1] == ["help"] else words
    named = [word for word in words if not word.startswith("-")]
    if helps and (text := overview(named)) is not None:
        stdout.write(f"{text}\n")
        return 0
    if not words:
        stderr.write(f"{overview(())}\n")
        return UsageError.exit_code
    from miniuv.cli.context import make_context
    from miniuv.cli.options import add_common

    name, entry = find_command(named if helps else words)
    command = entry.load()
    parser = Parser(prog=f"miniuv {' '.join(name)}", description=entry.summary, allow_abbrev=False, stdout=stdout)
    command.add_arguments(parser)
    add_common(parser)
    if helps:
        parser.print_help()
        return 0
    try:
        arguments = parser.parse_intermixed_args([*options, *words[len(name) :]])
    except SystemExit:  # --help
        return 0
    context = make_context(arguments, argv=argv, environ=environ, directory=_directory(), stdout=stdout, stderr=stderr)
    reporters.append(context.reporter)
    try:
        return command.run(arguments, context)
    finally:
        context.reporter.close()


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the command, and the rest."""
    position = 0
    while position < len(argv) and argv[position].startswith("-"):
        word = argv[position]
        if word not in ("-V", "--version", "-h", "--help") and word.partition("=")[0] not in _BEFORE_THE_COMMAND:
            raise UsageError(
                f"`{word}` cannot stand before the command",
                hint="the options of a command follow it: `miniuv pip install --python .venv NAME`",
            )
        position += 1 + ("=" not in word and _BEFORE_THE_COMMAND.get(word, 0))
    return argv[:position], argv[position:]


def _directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise MiniuvError("the current folder is gone", hint="change to one that exists") from error


def _end_on_signals() -> None:
    """The first signal begins the end. Another one right after it does not disturb how things are put back."""
    began: list[float] = []

    def end(number: int, _frame: object) -> None:
        if began:
            if time.monotonic() - began[0] > _PATIENCE:
                os._exit(_SIGNALLED + number)
            return
        began.append(time.monotonic())
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise _Ended(number)

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) != signal.SIG_IGN:  # as under nohup
            signal.signal(each, end)


def _usable(stream: TextIO | None) -> TextIO:
    """A stream that takes every text; one that was closed from the start takes it and forgets it."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")  # lives as long as the process
    if hasattr(stream, "reconfigure") and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")
    return stream


def _flush(stdout: TextIO, stderr: TextIO, code: int) -> int:
    for stream in (stdout, stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            if stream is stdout and not isinstance(error, BrokenPipeError):
                _tell(MiniuvError(f"cannot write the output: {error}"), [], stderr=stderr, environ=os.environ)
                code = code or 1
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # the interpreter must not try again
    return code


def _tell(
    error: MiniuvError, reporters: "list[TerminalReporter]", *, stderr: TextIO, environ: Mapping[str, str]
) -> None:
    from miniuv.report.errors import error_lines
    from miniuv.report.style import Style, wants_color
    from miniuv.report.terminal import TerminalReporter

    # Until the command line is understood, nobody knows what the user wants of the output.
    reporter = (
        reporters[0] if reporters else TerminalReporter(stderr, style=Style(wants_color("auto", stderr, environ)))
    )
    reporter.error("\n".join(error_lines(error, style=reporter.style)))
