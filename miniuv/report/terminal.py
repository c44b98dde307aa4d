"""The reporter of the command line: plain lines, and a live status where a person watches."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from miniuv.models.url import redact
from miniuv.report.live import LiveStatus
from miniuv.report.style import Style
from miniuv.report.words import duration, packages
from miniuv.reporter import Activity, ActivityKind, Reporter, WaitNotice

if TYPE_CHECKING:
    from miniuv.models.interpreter import Interpreter
    from miniuv.models.outcome import Outcome

_PRESENT: dict[ActivityKind, str] = {
    "list": "Listing",
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

    def __init__(
        self,
        stream: TextIO,
        *,
        style: Style,
        verbose: int = 0,
        quiet: int = 0,
        live: bool = False,
        directory: Path | None = None,
        expected_targets: tuple[Path, ...] = (),
        explain: bool = False,
    ) -> None:
        self._stream = stream
        self.style = style
        self._verbose = verbose
        self._quiet = quiet
        self._directory = directory
        self._expected_targets = expected_targets
        self._explain = explain
        self._writing = threading.Lock()
        self._counting = threading.Lock()
        self._running: dict[Activity, str] = {}
        self._told: set[str] = set()
        self._target = ""
        self._spent: dict[ActivityKind, float] = {}
        self._status = LiveStatus(stream, summary=self._summary, colored=style.colored) if live and not quiet else None

    def close(self) -> None:
        """Take the live status off the screen."""
        if self._status is not None:
            self._status.close()

    def line(self, text: str) -> None:
        """Write one line for people, unless they asked for quiet."""
        if not self._quiet:
            self._write(text)

    def error(self, text: str) -> None:
        """Write an error; only ``-qq`` silences it."""
        self.close()
        if self._quiet < 2:
            self._write(text)

    def outcome(self, outcome: "Outcome") -> None:
        """Tell what was done, in uv's words."""
        from miniuv.report.outcome import change_lines, summary_lines

        self.close()
        if outcome.dry_run:
            for line in summary_lines(outcome, style=self.style):
                self.line(line)
        elif outcome.plan.is_empty and outcome.resolution is not None:
            count = len(outcome.resolution.candidates)
            self.line(self.style(f"Audited {packages(count)}{self._in('resolve')}", "dim"))
        elif outcome.plan.is_empty:
            self.line("Nothing to uninstall")
        for line in change_lines(outcome, style=self.style):
            self.line(line)

    def targeted(self, interpreter: "Interpreter") -> None:
        """See ``Reporter``; an environment that was to be expected is told with ``-v`` only."""
        prefix = interpreter.prefix
        if self._directory is not None and prefix.is_relative_to(self._directory):
            prefix = prefix.relative_to(self._directory)
        what = "environment " if interpreter.is_environment else ""
        target = f"Using Python {interpreter.version} {what}at: {prefix}"
        if interpreter.prefix in self._expected_targets:
            self.note(target)
        else:
            self._target = target
            self.line(self.style(target, "dim"))

    def repeated(self, count: int) -> list[str]:
        """Say what a command tells that finds all of ``count`` packages in order; ``%`` is the time it takes."""
        target = [redact(self._target)] if self._target else []
        told = [*target, f"{_COUNTED['resolve']} {packages(count)} in %", f"Audited {packages(count)} in %"]
        return [] if self._quiet else told

    def started(self, activity: Activity) -> None:
        """See ``Reporter``."""
        with self._counting:
            self._running[activity] = ""
        if self._status is not None:
            self._status.begin()

    def progress(self, activity: Activity, detail: str) -> None:
        """See ``Reporter``; with ``-vv`` every line is shown, with whose it is."""
        with self._counting:
            if activity in self._running:
                self._running[activity] = detail
        if self._verbose > 1:
            self.line(self.style(f"{activity.subject}: {detail}", "dim"))

    def finished(self, activity: Activity, seconds: float) -> None:
        """See ``Reporter``."""
        with self._counting:
            self._running.pop(activity, None)
        if past := _PAST.get(activity.kind):
            self.line(f"{self.style(f'{past:>11}', 'green', 'bold')} {activity.subject} in {duration(seconds)}")
        elif activity.subject:
            self.note(f"{_PRESENT[activity.kind].lower()} {activity.subject} took {duration(seconds)}")

    def counted(self, kind: ActivityKind, count: int, seconds: float) -> None:
        """See ``Reporter``; that nothing had to be prepared is not told."""
        self._spent[kind] = seconds
        if kind == "prepare" and not count:
            return
        self.line(self.style(f"{_COUNTED[kind]} {packages(count)} in {duration(seconds)}", "dim"))

    def rebuilt(self, subject: str, reason: str) -> None:
        """See ``Reporter``; told with ``-v`` or ``--explain`` only."""
        if self._verbose or self._explain:
            self.line(self.style(f"rebuilt {subject}: {reason}", "dim"))

    def failed(self, activity: Activity) -> None:
        """See ``Reporter``."""
        with self._counting:
            self._running.pop(activity, None)

    def waiting(self, notice: WaitNotice) -> None:
        """See ``Reporter``."""
        if self._quiet < 2:
            self._write(f"{self.style('waiting', 'cyan', 'bold')} {str(notice).removeprefix('waiting ')}")

    def warning(self, message: str, *, hint: str | None = None) -> None:
        """See ``Reporter``; the same warning is told once."""
        with self._counting:
            self.warned = True
            if self._quiet > 1 or message in self._told:
                return
            self._told.add(message)
        text = f"{self.style('warning', 'yellow', 'bold')}: {message}"
        self._write(f"{text}\n  {self.style('hint', 'cyan')}: {hint}" if hint else text)

    def note(self, message: str) -> None:
        """See ``Reporter``."""
        if self._verbose:
            self.line(self.style(message, "dim"))

    def _in(self, kind: ActivityKind) -> str:
        seconds = self._spent.get(kind)
        return f" in {duration(seconds)}" if seconds is not None else ""

    def _write(self, text: str) -> None:
        """Who reads no more does not want to hear about it."""
        text = redact(text)
        try:
            if self._status is not None and self._status.write(text):
                return
            with self._writing:
                self._stream.write(f"{text}\n")
                self._stream.flush()
        except (OSError, ValueError):
            return

    def _summary(self) -> str:
        with self._counting:
            running = list(self._running.items())
        kinds = {activity.kind for activity, _ in running}
        steps = [(activity, detail) for activity, detail in running if activity.subject]
        shown = [f"{_PRESENT[activity.kind]} {activity.subject}" for activity, _ in steps[:2]]
        if len(steps) == 1 and steps[0][1]:
            shown[0] = f"{shown[0]}: {steps[0][1]}"
        if len(steps) > 2:
            shown.append(f"and {len(steps) - 2} more")
        whole = next((_PRESENT[kind] for kind in ("resolve", "prepare", "install") if kind in kinds), "Working")
        return redact(f"{whole}… {', '.join(shown)}" if shown else f"{whole}…")
