"""What a command is given: the world around it, and whom to tell."""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from miniuv.report.style import Style
from miniuv.report.terminal import TerminalReporter

if TYPE_CHECKING:
    from miniuv.workshop import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Made once, from the process's own surroundings or a test's."""

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
    def session(self, arguments: argparse.Namespace) -> "Iterator[Session]":
        """Resolve the settings and open the cache; with ``--no-cache`` one that is gone afterwards."""
        import tempfile

        from miniuv.cli.options import overrides
        from miniuv.settings import Settings
        from miniuv.workshop import open_session

        given = overrides(arguments)
        with tempfile.TemporaryDirectory(prefix="miniuv-no-cache-", ignore_cleanup_errors=True) as private:
            if getattr(arguments, "no_cache", False):
                given["cache-dir"] = private
            settings = Settings.load(cli=given, environ=self.environ, directory=self.directory)
            with open_session(
                settings, reporter=self.reporter, environ=self.environ, directory=self.directory
            ) as session:
                yield session
