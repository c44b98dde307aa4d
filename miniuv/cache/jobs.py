"""Work that is done once, by whoever comes first: in this process and among all that share the cache.

``JobRunner.obtain`` looks, takes a permit, *tries* the job's lock, looks again, runs. A busy lock is put aside: the
permit goes back and the thread sleeps a moment, holding nothing. Call it from many threads at once, one for each
job; two processes with the same jobs then split them.

Two things spare others the wait. A failure that would come again is told to all who run at the same time. And a holder
that shows no sign of life is passed by: the lock's next generation is tried in its place. That is legal wherever the
work is done in private and published whole; where it writes into a source tree, the wait goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Generic, Literal, TypeVar, cast

from miniuv.cache.failures import Failures
from miniuv.cache.lock_keys import DEFECT, LockKey
from miniuv.cache.locks import HeldLocks, LockManager
from miniuv.cache.waits import STALLED_AFTER, ExplainedWait, StallWatch
from miniuv.errors import Interrupted, LockOrderError, MiniuvError
from miniuv.models.url import redact
from miniuv.reporter import Reporter
from miniuv.values import dataclass

Permit = Literal["fetch", "download", "build", "unpack", "free"]

T = TypeVar("T")

_LOOK_AGAIN = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(Generic[T]):
    """One piece of work with a result that others may need too.

    All inputs must be published before: neither ``lookup`` nor ``run`` may obtain another job, nor wait for a
    thread that does. ``run`` publishes its result, so that ``lookup`` finds it from then on.
    """

    kind: str
    """``git``, ``download``, ``wheel``: lower-case words joined by ``-``."""
    subject: str
    """The identity, any text: everything that makes the result another one."""
    title: str
    """For people, free of secrets: ``gunicorn 22.0.0 (wheel)``."""
    permit: Permit
    lookup: Callable[[], T | None]
    """The published result; ``None`` where there is none yet. Called often, with and without the lock."""
    run: Callable[[], T]
    source_tree: Path | None = None
    """The folder that the work writes to: one job at a time does so, whatever the cache."""
    failing: str = ""
    """What a failure depends on besides the subject: a build environment. With another one, others try themselves."""


class _Flight:
    """A job under way in this process, and how it ended."""

    def __init__(self) -> None:
        self.asked = time.monotonic()
        self.ended = threading.Event()
        self.value: object = None
        self.error: BaseException | None = None


class JobRunner:
    """Obtains results of jobs. ``limits`` says how many of each permit run at once; a missing one is unlimited."""

    def __init__(
        self,
        *,
        locks: LockManager,
        reporter: Reporter,
        limits: Mapping[Permit, int],
        lock_wait: float | None,
        failures: Failures | None = None,
        stalled_after: float = STALLED_AFTER,
    ) -> None:
        self._locks = locks
        self._reporter = reporter
        self._lock_wait = lock_wait
        self._failures = failures
        self._stalled_after = stalled_after
        self._cancelled = threading.Event()
        self._guard = threading.Lock()
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._free = {permit: max(1, limit) for permit, limit in limits.items()}  # none at all would wait for ever
        self._freed = {permit: threading.Condition(self._guard) for permit in limits}
        self._mine = threading.local()

    def obtain(self, job: Job[T]) -> T:
        """The result of ``job``: found, made here, or made by somebody else meanwhile.

        Raises what ``run`` raises, to everybody in this process who waits for it, and what it raised in another
        process since ours began, if that would come again; ``LockOrderError`` where this thread holds a lock or is
        inside another job; ``Interrupted`` after ``cancel``;
        ``LockWaitExpiredError`` after ``lock_wait`` seconds behind another process.
        """
        self.check_free(f"`{redact(job.title)}`")
        self._check_cancelled()
        ours = _Flight()
        with self._guard:
            flight = self._flights.setdefault((job.kind, job.subject), ours)
        return self._lead(job, ours) if flight is ours else cast(T, self._follow(flight))

    def limited(self, permit: Permit, run: Callable[[], T]) -> T:
        """Run what is nobody else's business, under a permit only."""
        self.check_free(f"a `{permit}` permit")
        while True:
            with self._permit(permit) as granted:
                if granted:
                    return run()

    def check_free(self, wish: str) -> None:
        """Raise ``LockOrderError`` where this thread is inside a job or holds a lock, so must not wait for ``wish``."""
        self._locks.check_free(wish)
        if outer := getattr(self._mine, "job", None):
            raise LockOrderError(f"{wish} was waited for inside `{redact(outer)}`", hint=DEFECT)

    def cancel(self) -> None:
        """Wake everybody who waits, with ``Interrupted``; what runs goes on until its own end."""
        with self._guard:
            self._cancelled.set()
            for condition in self._freed.values():
                condition.notify_all()
            for flight in self._flights.values():
                flight.ended.set()

    def _follow(self, flight: _Flight) -> object:
        flight.ended.wait()
        if flight.error is not None:
            raise flight.error
        self._check_cancelled()
        return flight.value

    def _lead(self, job: Job[T], flight: _Flight) -> T:
        self._mine.job = job.title
        try:
            value = self._make(job, flight.asked)
            flight.value = value
        except Exception as error:
            flight.error = error
            raise
        except BaseException:
            flight.error = Interrupted("interrupted")
            raise
        finally:
            self._mine.job = None
            with self._guard:
                del self._flights[job.kind, job.subject]
            flight.ended.set()
        return value

    def _make(self, job: Job[T], asked: float) -> T:
        generation = 0
        watch = StallWatch(patience=self._stalled_after)
        with self._new_wait(job) as wait:
            while True:
                found = job.lookup()
                if found is not None:
                    return found
                busy = None
                with self._permit(job.permit) as granted:
                    if granted:
                        outcome = self._locks.attempt(_keys(job, generation), step=job.title)
                        if isinstance(outcome, HeldLocks):
                            with outcome:
                                return self._run(job, asked)
                        busy = outcome
                if busy is None:
                    continue
                # The permit is back; from here to the next try this thread holds nothing.
                if job.source_tree is None and watch.is_stalled(self._locks.sign_of_life(busy)):
                    self._tell_stalled(job, busy)
                    generation += 1
                    watch = StallWatch(patience=self._stalled_after)
                    continue
                self._locks.log.tell("wait", rank=busy.rank, name=busy.name)
                wait.pause(partial(self._locks.holder, busy), self._locks.path(busy))

    def _run(self, job: Job[T], asked: float) -> T:
        self._check_cancelled()
        found = job.lookup()  # somebody may have published between our look and our lock
        self._locks.log.tell("look", found=found is not None)
        if found is not None:
            return found
        self._tell_failure(job, asked)
        self._locks.log.tell("run", kind=job.kind, title=redact(job.title))
        tree = self._failures.tree_state(job.source_tree) if self._failures and job.source_tree else None
        began = time.monotonic()
        try:
            value = job.run()
        except MiniuvError as error:
            if self._failures is not None:
                self._failures.record(_failure(job), error, began=began, tree=tree)
            raise
        self._locks.log.tell("done", kind=job.kind, title=redact(job.title))
        return value

    def _tell_failure(self, job: Job[T], asked: float) -> None:
        """Raise what the job raised elsewhere while we waited."""
        if self._failures is None:
            return
        error = self._failures.find(_failure(job), asked=asked, tree=job.source_tree)
        if error is not None:
            self._locks.log.tell("told", kind=job.kind, title=redact(job.title))
            self._reporter.note(f"{redact(job.title)} failed for another command just now, and is not tried again")
            raise error

    def _tell_stalled(self, job: Job[T], busy: LockKey) -> None:
        self._locks.log.tell("stalled", rank=busy.rank, name=busy.name)
        self._reporter.warning(
            f"{redact(job.title)} is done here: no sign of life from {self._locks.holder(busy) or 'its holder'}",
            hint="`miniuv cache locks` lists who holds what",
        )

    @contextmanager
    def _permit(self, permit: Permit) -> Iterator[bool]:
        """Wait for a permit, but not for long: meanwhile somebody else may publish. ``False``: none was free."""
        if permit not in self._freed:
            yield True
            return
        freed = self._freed[permit]
        with self._guard:
            freed.wait_for(lambda: self._free[permit] > 0 or self._cancelled.is_set(), timeout=_LOOK_AGAIN)
            self._check_cancelled()
            granted = self._free[permit] > 0
            if granted:
                self._free[permit] -= 1
        try:
            yield granted
        finally:
            if granted:
                with self._guard:
                    self._free[permit] += 1
                    freed.notify()

    def _new_wait(self, job: Job[T]) -> ExplainedWait:
        return ExplainedWait(
            subject=redact(job.title),
            reporter=self._reporter,
            limit=self._lock_wait,
            wake=self._cancelled,
            journal=self._locks.journal,
        )

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Interrupted("interrupted")


def _failure(job: Job[T]) -> str:
    return f"failure of {job.kind} {job.subject}\n{job.failing}"


def _keys(job: Job[T], generation: int) -> list[LockKey]:
    """The locks of ``job``; each later ``generation`` is for those who have passed by the holder of the one before."""
    keys = [LockKey.job(job.kind, f"{job.subject}\0{generation}" if generation else job.subject)]
    if job.source_tree is not None:
        keys.append(LockKey.source_tree(job.source_tree))
    return keys
