"""Waiting for somebody else's work: patient, interruptible, and explained."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, count

from miniuv.errors import Interrupted, LockWaitExpiredError
from miniuv.reporter import Reporter, WaitNotice

_SHORTEST = 0.025
_LONGEST = 0.5
_JITTER = 0.2


def notice_times() -> Iterator[float]:
    """When a wait is explained, in seconds: 1, 10, 30, then every minute."""
    return chain((1.0, 10.0, 30.0), (60.0 * minute for minute in count(1)))


class ExplainedWait:
    """One wait, from the first busy lock to its end.

    ``wake`` interrupts it.
    """

    def __init__(
        self,
        *,
        subject: str,
        reporter: Reporter,
        limit: float | None,
        wake: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subject = subject
        self._reporter = reporter
        self._limit = limit
        self._wake = wake
        self._clock = clock
        self._began = clock()
        self._times = notice_times()
        self._next_notice = next(self._times)
        self._step = _SHORTEST

    def pause(self, owner: Callable[[], str | None]) -> None:
        """Tell what is due, then sleep one step.

        ``owner`` says who is waited for, ``None`` where that is this very process: then nobody is told, and
        the limit does not count. Raises ``LockWaitExpiredError`` where the limit is over, and
        ``Interrupted`` where ``wake`` is set.
        """
        waited = self._clock() - self._began
        if waited >= self._next_notice or (self._limit is not None and waited >= self._limit):
            self._explain(waited, owner())
        if self._wake.wait(self.step()):
            raise Interrupted("interrupted")

    def step(self) -> float:
        """The seconds to sleep now: a little more each time."""
        import random

        step = self._step
        self._step = min(2 * step, _LONGEST)
        # Jitter keeps processes apart that were started together; nothing secret depends on it.
        return step * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311

    def _explain(self, waited: float, owner: str | None) -> None:
        if owner is None:
            return
        if self._limit is not None and waited >= self._limit:
            raise LockWaitExpiredError(
                f"waited {waited:.0f} s for {self._subject}: {owner}",
                hint="give `--lock-wait` more seconds, or leave it out to wait for as long as it takes",
            )
        while self._next_notice <= waited:
            self._next_notice = next(self._times)
        self._reporter.waiting(WaitNotice(subject=self._subject, waited=waited, owner=owner))
