"""Waiting for somebody else's work: patient, interruptible, explained, and not for ever where nothing moves."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import Literal, Self

from miniuv.errors import Interrupted, LockWaitExpiredError
from miniuv.reporter import Reporter, WaitNotice

STALLED_AFTER = 60.0
"""Seconds without a sign of life after which a holder counts as stalled."""

_SHORTEST = 0.025
_LONGEST = 0.5
_JITTER = 0.2
_LONGEST_LOOK = 2.0

Journal = Callable[[Literal["waits", "waited", "holds", "held"], Path], None]
"""Is told which lock this process waits for or holds, so that others can see it; never raises."""


def notice_times() -> Iterator[float]:
    """When a wait is explained, in seconds: 1, 10, 30, then every minute."""
    return chain((1.0, 10.0, 30.0), (60.0 * minute for minute in count(1)))


class StallWatch:
    """Watches one holder's signs of life, by the waiter's own clock."""

    def __init__(self, *, patience: float = STALLED_AFTER, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._sign: object = None
        self._looked = 0.0
        self._quiet = 0.0

    def is_stalled(self, sign: object) -> bool:
        """Whether ``sign`` has not changed for too long; without a sign (``None``) nothing is known.

        The time between two looks counts for two seconds at most: if it was longer, then it was the waiter who
        did not move, and perhaps all the machine.
        """
        now = self._clock()
        if sign is None or sign != self._sign:
            self._sign, self._quiet = sign, 0.0
        else:
            self._quiet += min(now - self._looked, _LONGEST_LOOK)
        self._looked = now
        return self._sign is not None and self._quiet >= self._patience


class ExplainedWait:
    """One wait, from its first ``pause`` to the end of the ``with`` block.

    ``wake`` interrupts it. ``journal`` hears of it as soon as people do. ``longest`` is the longest step, in seconds.
    """

    def __init__(
        self,
        *,
        subject: str,
        reporter: Reporter,
        limit: float | None,
        wake: threading.Event,
        journal: Journal | None = None,
        longest: float = _LONGEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._subject = subject
        self._reporter = reporter
        self._limit = limit
        self._wake = wake
        self._journal = journal
        self._longest = longest
        self._clock = clock
        self._began = math.inf
        self._times = notice_times()
        self._next_notice = next(self._times)
        self._step = _SHORTEST
        self._journaled: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._note(None)

    def pause(self, owner: Callable[[], str | None], lock: Path | None = None) -> None:
        """Tell what is due, then sleep one step.

        ``owner`` says who is waited for, ``None`` where that is this very process: then nobody is told, and
        the limit does not count. Raises ``LockWaitExpiredError`` where the limit is over, and
        ``Interrupted`` where ``wake`` is set.
        """
        now = self._clock()
        self._began = min(self._began, now)
        waited = now - self._began
        if waited >= self._next_notice or (self._limit is not None and waited >= self._limit):
            self._explain(waited, owner(), lock)
        if self._wake.wait(self.step()):
            raise Interrupted("interrupted")

    def step(self) -> float:
        """The seconds to sleep now: a little more each time."""
        import random

        step = self._step
        self._step = min(2 * step, self._longest)
        # Jitter keeps processes apart that were started together; nothing secret depends on it.
        return step * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311

    def _explain(self, waited: float, owner: str | None, lock: Path | None) -> None:
        if owner is None:
            return
        if self._limit is not None and waited >= self._limit:
            raise LockWaitExpiredError(
                f"waited {waited:.0f} s for {self._subject}: {owner}",
                hint="give `--lock-wait` more seconds, or leave it out to wait for as long as it takes",
            )
        while self._next_notice <= waited:
            self._next_notice = next(self._times)
        self._note(lock)
        self._reporter.waiting(WaitNotice(subject=self._subject, waited=waited, owner=owner))

    def _note(self, lock: Path | None) -> None:
        if self._journal is None or lock == self._journaled:
            return
        before, self._journaled = self._journaled, lock
        if before is not None:
            self._journal("waited", before)
        if lock is not None:
            self._journal("waits", lock)
