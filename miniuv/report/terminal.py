"""The reporter of the command line: plain lines, and a live status where a person watches."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from miniuv.models.outcome import Outcome
from miniuv.models.url import redact
from miniuv.report.outcome import change_lines, summary_lines
from miniuv.report.style import Style
from miniuv.report.words import duration, packages
from miniuv.reporter import Activity, ActivityKind, Reporter, WaitNotice

if TYPE_CHECKING:
    from rich.status import Status

_PRESENT: dict[ActivityKind, str] = {
    "fetch": "Fetching",
    "download": "Downloading",
    "metadata": "Preparing metadata of",
    "build": "Building",
    "unpack": "Unpacking",
    "resolve": "Resolving",
    "prepare": "Preparing",
    "install": "Installing",
    "uninstall": "Uninstalling",
    "compile": "Compiling",
}
_PAST: dict[ActivityKind, str] = {"fetch": "Fetched", "build": "Built"}
"""What is told in a line of its own when it is done."""

_COUNTED: dict[ActivityKind, str] = {
    "resolve": "Resolved",
    "prepare": "Prepared",
    "install": "Installed",
    "uninstall": "Uninstalled",
}


class TerminalReporter(Reporter):
    """Writes to ``stream`` (stderr): quiet 0 tells everything, 1 warnings and errors only, 2 nothing."""

    def __init__(self, stream: TextIO, *, style: Style, verbose: int = 0, quiet: int = 0, live: bool = False) -> None:
        self._stream = stream
        self.style = style
        self._verbose = verbose
        self._quiet = quiet
        self._live = live and not quiet
        self._guard = threading.RLock()
        self._running: dict[Activity, str] = {}
        self._status: Status | None = None
        self._told: set[str] = set()
        self._spent: dict[ActivityKind, float] = {}

    def close(self) -> None:
        """Take the live status off the screen."""
        with self._guard:
            if self._status is not None:
                self._status.stop()
                self._status = None
            self._live = False

    def line(self, text: str) -> None:
        """Write one line for people, unless they asked for quiet."""
        if not self._quiet:
            self._write(text)

    def error(self, text: str) -> None:
        """Write an error; only ``-qq`` silences it."""
        self.close()
        if self._quiet < 2:
            self._write(text)

    def outcome(self, outcome: Outcome) -> None:
        """Tell what was done, in uv's words."""
        self.close()
        if outcome.dry_run:
            for line in summary_lines(outcome, style=self.style):
                self.line(line)
        elif outcome.plan.is_empty and outcome.resolution is not None:
            count = len(outcome.resolution.candidates)
            self.line(self.style(f"Audited {packages(count)}{self._in('resolve')}", "dim"))
        for line in change_lines(outcome, style=self.style):
            self.line(line)

    def _in(self, kind: ActivityKind) -> str:
        seconds = self._spent.get(kind)
        return f" in {duration(seconds)}" if seconds is not None else ""

    def started(self, activity: Activity) -> None:
        """See ``Reporter``."""
        with self._guard:
            self._running[activity] = ""
        self._show()

    def progress(self, activity: Activity, detail: str) -> None:
        """See ``Reporter``; with ``-v`` every line is shown, with whose it is."""
        if self._verbose > 1:
            self._write(self.style(f"{activity.subject}: {detail}", "dim"))
        with self._guard:
            if activity in self._running:
                self._running[activity] = detail
        self._show()

    def finished(self, activity: Activity, seconds: float) -> None:
        """See ``Reporter``."""
        with self._guard:
            self._running.pop(activity, None)
        if past := _PAST.get(activity.kind):
            self.line(f"{self.style(f'{past:>10}', 'green', 'bold')} {activity.subject} in {duration(seconds)}")
        elif self._verbose and activity.subject:
            self.note(f"{_PRESENT[activity.kind].lower()} {activity.subject} took {duration(seconds)}")
        self._show()

    def counted(self, kind: ActivityKind, count: int, seconds: float) -> None:
        """See ``Reporter``."""
        self._spent[kind] = seconds
        self.line(self.style(f"{_COUNTED[kind]} {packages(count)} in {duration(seconds)}", "dim"))

    def failed(self, activity: Activity) -> None:
        """See ``Reporter``."""
        with self._guard:
            self._running.pop(activity, None)
        self._show()

    def waiting(self, notice: WaitNotice) -> None:
        """See ``Reporter``."""
        if self._quiet < 2:
            self._write(f"{self.style('waiting', 'cyan', 'bold')} {str(notice).removeprefix('waiting ')}")

    def warning(self, message: str, *, hint: str | None = None) -> None:
        """See ``Reporter``; the same warning is told once."""
        with self._guard:
            if self._quiet > 1 or message in self._told:
                return
            self._told.add(message)
        self._write(f"{self.style('warning', 'yellow', 'bold')}: {message}")
        if hint:
            self._write(f"  {self.style('hint', 'cyan')}: {hint}")

    def note(self, message: str) -> None:
        """See ``Reporter``."""
        if self._verbose:
            self._write(self.style(message, "dim"))

    def _write(self, text: str) -> None:
        text = redact(text)
        with self._guard:
            if self._status is not None:
                self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
                return
            _swallow_broken_pipe(lambda: (self._stream.write(f"{text}\n"), self._stream.flush()))

    def _show(self) -> None:
        with self._guard:
            if not self._live:
                return
            shown = self._summary()
            if self._status is None:
                from rich.console import Console
                from rich.status import Status

                self._status = Status(shown, console=Console(file=self._stream, force_terminal=True))
                self._status.start()
            else:
                self._status.update(shown)

    def _summary(self) -> str:
        from rich.markup import escape

        kinds = {activity.kind for activity in self._running}
        steps = [activity for activity in self._running if activity.subject]
        shown = [f"{_PRESENT[activity.kind]} {activity.subject}" for activity in steps[:2]]
        if len(steps) > 2:
            shown.append(f"and {len(steps) - 2} more")
        whole = next((_PRESENT[kind] for kind in ("resolve", "prepare", "install") if kind in kinds), "Working")
        return escape(redact(f"{whole}… {', '.join(shown)}" if shown else f"{whole}…"))


def _swallow_broken_pipe(write: Callable[[], object]) -> None:
    """Who reads no more does not want to hear about it."""
    try:
        write()
    except (BrokenPipeError, ValueError):
        return
