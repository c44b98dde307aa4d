"""What the rooms tell whoever watches: events as no-op methods.

The engine never prints. ``report/`` turns these events into lines and a live status; a test subclasses
``Reporter`` and keeps what it was told.
"""

import time
from typing import TYPE_CHECKING, Literal

from miniuv.values import dataclass

if TYPE_CHECKING:
    from miniuv.models.interpreter import Interpreter

ActivityKind = Literal[
    "list", "fetch", "download", "metadata", "build", "unpack", "resolve", "prepare", "install", "uninstall", "compile"
]


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

    warned = False
    """Whether there was something that the user should know."""

    def targeted(self, interpreter: "Interpreter") -> None:
        """The command looks at, or changes, the environment of ``interpreter``."""

    def started(self, activity: Activity) -> None:
        """``activity`` began."""

    def finished(self, activity: Activity, seconds: float) -> None:
        """``activity`` ended well after ``seconds``."""

    def failed(self, activity: Activity) -> None:
        """``activity`` ended badly; the error follows as an exception."""

    def progress(self, activity: Activity, detail: str) -> None:
        """The last word of ``activity``: a line of git's progress, of a backend's output, bytes so far."""

    def counted(self, kind: ActivityKind, count: int, seconds: float) -> None:
        """A step of the command is done: ``count`` packages in ``seconds``."""

    def rebuilt(self, subject: str, reason: str) -> None:
        """What was built before, from a folder, had to be built again."""

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
        self._began = time.monotonic()
        self._reporter.started(self._activity)
        return self._activity

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._reporter.finished(self._activity, time.monotonic() - self._began)
        else:
            self._reporter.failed(self._activity)


class counted:  # noqa: N801  # reads as a statement: ``with counted(reporter, "install", 3):``
    """One step of a command as an activity, whose count of packages is told when it ended well."""

    def __init__(self, reporter: Reporter, kind: ActivityKind, count: int = 0) -> None:
        self.count = count
        """May be set while the step runs."""
        self._reporter = reporter
        self._kind = kind
        self._activity = activity(reporter, kind, "")
        self._began = 0.0

    def __enter__(self) -> "counted":
        self._began = time.monotonic()
        self._activity.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._activity.__exit__(kind)
        if kind is None:
            self._reporter.counted(self._kind, self.count, time.monotonic() - self._began)
