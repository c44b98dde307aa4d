"""What the rooms tell whoever watches: events as no-op methods.

The engine never prints. ``report/`` turns these events into lines and a live status; a test subclasses
``Reporter`` and keeps what it was told.
"""

from dataclasses import dataclass
from typing import Literal

ActivityKind = Literal["fetch", "download", "metadata", "build", "unpack", "resolve", "prepare", "install", "compile"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """Something that takes time, and what it is done to."""

    kind: ActivityKind
    subject: str
    """For people, free of secrets: ``gunicorn @ git+https://host/gunicorn.git@1a2b3c``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitNotice:
    """Who is waited for, and what is known of it (RELIABILITY: a wait is always explained)."""

    subject: str
    """What is waited for: ``gunicorn 22.0.0 (wheel)``."""
    waited: float
    """Seconds so far."""
    owner: str
    """``pid 4711 on ci-7 "miniuv pip install -e proj1", step "build_wheel", running 2m14s, alive 1s ago``."""

    def __str__(self) -> str:
        return f"waiting for {self.subject}: {self.owner}"


class Reporter:
    """Hears of everything; does nothing. Methods are called from several threads at once."""

    def started(self, activity: Activity) -> None:
        """``activity`` began."""

    def finished(self, activity: Activity, seconds: float) -> None:
        """``activity`` ended well after ``seconds``."""

    def failed(self, activity: Activity) -> None:
        """``activity`` ended badly; the error follows as an exception."""

    def progress(self, activity: Activity, detail: str) -> None:
        """The last word of ``activity``: a line of git's progress, of a backend's output, bytes so far."""

    def waiting(self, notice: WaitNotice) -> None:
        """A wait goes on; told after 1 s, 10 s, 30 s and then every minute."""

    def warning(self, message: str, *, hint: str | None = None) -> None:
        """Something the user should know, and that does not end the command."""

    def note(self, message: str) -> None:
        """Shown with ``-v`` only."""


class activity:  # noqa: N801  # reads as a statement: ``with activity(reporter, "fetch", url):``
    """Tell ``reporter`` of one activity from start to end."""

    def __init__(self, reporter: Reporter, kind: ActivityKind, subject: str) -> None:
        self._reporter = reporter
        self._activity = Activity(kind=kind, subject=subject)
        self._began = 0.0

    def __enter__(self) -> Activity:
        import time

        self._began = time.monotonic()
        self._reporter.started(self._activity)
        return self._activity

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        import time

        if kind is None:
            self._reporter.finished(self._activity, time.monotonic() - self._began)
        else:
            self._reporter.failed(self._activity)
