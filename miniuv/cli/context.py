"""What a command is given: the world around it, and whom to tell."""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from miniuv.errors import CacheError, SettingsError, UsageError
from miniuv.report.style import Style, wants_color
from miniuv.report.terminal import TerminalReporter
from miniuv.values import dataclass

if TYPE_CHECKING:
    from miniuv.environment.interpreters import Interpreters
    from miniuv.session import Session
    from miniuv.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Made once, from the process's own surroundings or a test's."""

    argv: tuple[str, ...]
    """The words of the command line, without the program."""
    started: int
    """Nanoseconds since the epoch: nothing was read before."""
    environ: Mapping[str, str]
    directory: Path
    stdout: TextIO
    """Data only."""
    style: Style
    """Of ``stderr``."""
    reporter: TerminalReporter

    def write(self, text: str) -> None:
        """Write one line of data."""
        self.stdout.write(f"{text}\n")

    @contextmanager
    def settings(self, arguments: argparse.Namespace) -> "Iterator[Settings]":
        """Resolve the settings; with ``--no-cache`` the cache is one that is gone afterwards."""
        from miniuv.cli.options import overrides
        from miniuv.settings import Settings

        given = overrides(arguments)
        with nullcontext() if not arguments.no_cache else _private_folder() as private:
            if private is not None:
                given["cache-dir"] = private
            try:
                settings = Settings.load(cli=given, environ=self.environ, directory=self.directory)
            except SettingsError as error:
                if error.where == "the command line":
                    hint = error.hint or "`miniuv COMMAND --help` tells what it takes"
                    raise UsageError(error.message, hint=hint) from error
                raise
            yield settings

    @contextmanager
    def session(self, arguments: argparse.Namespace) -> "Iterator[Session]":
        """Open everything that an installation needs."""
        from miniuv.session import open_session

        with (
            self.settings(arguments) as settings,
            open_session(settings, reporter=self.reporter, environ=self.environ, directory=self.directory) as session,
        ):
            yield session

    @contextmanager
    def interpreters(self, arguments: argparse.Namespace) -> "Iterator[Interpreters]":
        """Open what a command needs that only looks: it imports a third of what ``session`` does.

        A cache that cannot be used is done without, and without a word: it only saves a question to the interpreter.
        For looking none is made.
        """
        from miniuv.cache.layout import has_cache
        from miniuv.cache.store import Store
        from miniuv.environment.interpreters import Interpreters
        from miniuv.process import SubprocessRunner
        from miniuv.reporter import Reporter

        with self.settings(arguments) as settings, ExitStack() as opened:
            store: Store | None = None
            with suppress(CacheError):
                allow_shared = settings.allow_shared_cache
                if has_cache(settings.cache_dir):
                    store = opened.enter_context(
                        Store.open(settings.cache_dir, reporter=Reporter(), allow_shared=allow_shared)
                    )
            yield Interpreters(runner=SubprocessRunner(), environ=self.environ, store=store, reporter=self.reporter)


def make_context(
    arguments: argparse.Namespace,
    *,
    argv: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    stdout: TextIO,
    stderr: TextIO,
) -> Context:
    """Look at the surroundings once."""
    started = time.time_ns()
    style = Style(wants_color(arguments.color, stderr, environ))
    live = stderr.isatty() and not arguments.no_progress and not environ.get("CI") and environ.get("TERM") != "dumb"
    active = environ.get("VIRTUAL_ENV")
    reporter = TerminalReporter(
        stderr,
        style=style,
        verbose=arguments.verbose,
        quiet=arguments.quiet,
        live=live,
        directory=directory,
        expected_targets=(Path(active),) if active else (directory / ".venv",),
        explain=getattr(arguments, "explain", False),
    )
    return Context(
        argv=tuple(argv),
        started=started,
        environ=environ,
        directory=directory,
        stdout=stdout,
        style=style,
        reporter=reporter,
    )


def _private_folder() -> AbstractContextManager[str]:
    import tempfile

    return tempfile.TemporaryDirectory(prefix="miniuv-no-cache-", ignore_cleanup_errors=True)
