"""The live status: one line at the bottom of a terminal that says what is being done, and is gone afterwards."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.live import Live
    from rich.spinner import Spinner

_PATIENCE = 0.15
"""Seconds that a command may take before anything is shown: a quick one leaves the screen alone."""


class LiveStatus:
    """Shows what ``summary`` answers, ten times a second, from a thread of its own.

    ``summary`` is called with a lock of the terminal held, so it must take none that is held while writing.
    """

    def __init__(self, stream: TextIO, *, summary: Callable[[], str], colored: bool) -> None:
        self._stream = stream
        self._summary = summary
        self._colored = colored
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None
        self._live: Live | None = None
        self._closed = False

    def begin(self) -> None:
        """Something goes on: show it, unless it is over very soon."""
        with self._guard:
            if self._timer is None and not self._closed:
                self._timer = threading.Timer(_PATIENCE, self._start)
                self._timer.daemon = True
                self._timer.start()

    def write(self, text: str) -> bool:
        """Write lines above the status; ``False`` where none is shown, and nothing was written."""
        from rich.text import Text

        with self._guard:
            if self._live is None:
                return False
            self._live.console.print(Text.from_ansi(text), soft_wrap=True, highlight=False)
            return True

    def close(self) -> None:
        """Take it off the screen, for good."""
        with self._guard:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            if self._live is not None:
                self._live.stop()
                self._live = None

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner
        from rich.text import Text

        console = Console(file=self._stream, force_terminal=True, no_color=not self._colored)
        spinner = Spinner("dots", style="cyan")

        def render() -> "Spinner":
            line = Text(self._summary())
            line.truncate(console.width - 3, overflow="ellipsis")  # beside the spinner, and never a second row
            spinner.update(text=line)
            return spinner

        with self._guard:
            if self._closed:
                return
            self._live = Live(
                console=console,
                get_renderable=render,
                refresh_per_second=10,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
