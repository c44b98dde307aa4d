"""One process of the model: the real code on real threads, of which exactly one runs at a time.

A thread runs until it asks the outside for something, a lock, a look at the store, a sleep, and stops there; the
explorer decides who goes on, and with which answer. ``history`` is the list of these decisions, and the same history
always leads to the same place. The seam is the names that the modules of the cache look up anyway: ``threading`` in
``jobs`` and ``locks``, and ``LockFile`` and ``Heartbeat`` in ``locks``; nothing in them is written for the model.
"""

import sys
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from miniuv.cache import jobs, locks
from tests.cache.model.fingerprint import Opaque, fingerprint

Answer = str | bool
Decision = tuple[int, Answer]
"""Which thread goes on, and what it is told."""

GO = "go"
WOKEN = "woken"
TIMEOUT = "timeout"


class Killed(BaseException):
    """The process ends here: ``finally`` blocks run, but nothing they do reaches the outside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asks:
    """What one stopped thread asks for."""

    verb: str
    subject: str = ""
    answers: tuple[Answer, ...] | None = None
    """What it may be told now, none while it is blocked; ``None`` where only the world outside knows."""
    holds: tuple[str, ...] = ()
    """The locks that this thread holds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stop:
    """A process in which every thread is stopped."""

    asks: tuple[Asks | None, ...]
    """For each thread; ``None`` for one that has ended."""
    outcomes: tuple[str | None, ...]
    events: tuple[tuple[str, str], ...]
    """What was noted since the last decision."""
    fingerprint: Hashable


class _Baton:
    """Passed by one thread and taken by one other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.take = self._lock.acquire
        self.give = self._lock.release


@dataclass(kw_only=True)
class _Fiber:
    thread: threading.Thread
    may_go: _Baton = field(default_factory=_Baton)
    answer: Answer = GO
    verb: str = ""
    subject: str = ""
    answers: Callable[[], tuple[Answer, ...]] | None = None
    held: list[str] = field(default_factory=list)
    outcome: str | None = None


class Machine(Opaque):
    """Runs ``main`` functions, one for each thread, decision by decision; ``end`` kills what is left."""

    current: "Machine | None" = None

    def __init__(self, *, fine: bool, condition_timeouts: bool, lose_notify: bool = False) -> None:
        self.fine = fine
        """Stop before every use of a lock or an event within the process too, not only where one blocks."""
        self.condition_timeouts = condition_timeouts
        self.lose_notify = lose_notify
        self._fibers: list[_Fiber] = []
        self._running: int | None = None
        self._stopped = _Baton()
        self._dead = False
        self._events: list[tuple[str, str]] = []
        self._roots: tuple[object, ...] = ()

    def start(self, mains: Sequence[Callable[[], str]], roots: Sequence[object]) -> None:
        """Run every thread up to its first question; ``roots`` are a part of the state."""
        self._roots = tuple(roots)
        for number, main in enumerate(mains):
            fiber = _Fiber(thread=threading.Thread(target=self._live, args=(number, main), daemon=True))
            self._fibers.append(fiber)
            with self._on_stage(number):
                fiber.thread.start()

    def resume(self, decision: Decision) -> None:
        """Let one thread go on to its next question."""
        self._events.clear()
        number, answer = decision
        fiber = self._fibers[number]
        fiber.answer = answer
        with self._on_stage(number):
            fiber.may_go.give()

    def look(self) -> Stop:
        """Where all threads are."""
        frames = sys._current_frames()
        asks: list[Asks | None] = []
        stacks = {}
        for number, fiber in enumerate(self._fibers):
            if fiber.outcome is not None:
                asks.append(None)
                continue
            answers = None if fiber.answers is None else fiber.answers()
            asks.append(Asks(verb=fiber.verb, subject=fiber.subject, answers=answers, holds=tuple(fiber.held)))
            stacks[number] = frames.get(fiber.thread.ident or 0)
        outcomes = tuple(fiber.outcome for fiber in self._fibers)
        state = fingerprint(stacks, self._roots), tuple(asks), outcomes
        return Stop(asks=tuple(asks), outcomes=outcomes, events=tuple(self._events), fingerprint=state)

    def end(self) -> None:
        """Kill the process."""
        self._dead = True
        for fiber in self._fibers:
            fiber.may_go.give()
        for fiber in self._fibers:
            fiber.thread.join()

    def ask(self, verb: str, subject: str = "", answers: Callable[[], tuple[Answer, ...]] | None = None) -> Answer:
        """Stop the calling thread until it is told an answer."""
        if self._dead:
            raise Killed
        if self._running is None:  # while the process is being put together
            return GO
        fiber = self._fibers[self._running]
        fiber.verb, fiber.subject, fiber.answers = verb, subject, answers
        self._stopped.give()
        fiber.may_go.take()
        if self._dead:
            raise Killed
        return fiber.answer

    def note(self, event: str, subject: str) -> None:
        """Tell the explorer what the running thread does."""
        if self._dead:
            raise Killed
        self._events.append((event, subject))

    @property
    def held(self) -> list[str]:
        """The locks of the running thread."""
        return [] if self._running is None else self._fibers[self._running].held

    @property
    def thread(self) -> int:
        """The running thread."""
        return -1 if self._running is None else self._running

    @contextmanager
    def _on_stage(self, number: int) -> Iterator[None]:
        Machine.current, self._running = self, number
        yield
        self._stopped.take()
        Machine.current, self._running = None, None

    def _live(self, number: int, main: Callable[[], str]) -> None:
        outcome = "killed"
        try:
            outcome = main()
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001  # whatever comes out of the code is a finding
            outcome = f"{type(error).__name__}: {error}"
        finally:
            self._fibers[number].outcome = outcome
            if not self._dead:
                self._stopped.give()


def stage() -> Machine:
    """The machine whose thread is running."""
    machine = Machine.current
    if machine is None:
        raise Killed  # a thread of a killed process, on its way out
    return machine


@contextmanager
def fake_kernel() -> Iterator[None]:
    """Put the fakes in the place of what the cache's modules import."""
    with (
        patch.object(jobs, "threading", FakeThreading),
        patch.object(locks, "threading", FakeThreading),
        patch.object(locks, "LockFile", FakeLockFile),
        patch.object(locks, "Heartbeat", NoHeartbeat),
    ):
        yield


class FakeLockFile:
    """A lock file of the fake kernel: tried, given back, and free when its process is killed."""

    native = is_recorded = True
    descriptor = -1  # owner records are written to it, and fail without harm

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def try_lock(cls, path: Path, *, mode: int = 0o600, exact_mode: bool = False) -> "FakeLockFile | None":
        if not stage().ask("try", str(path)):
            return None
        stage().held.append(str(path))
        return cls(path)

    def close(self) -> None:
        stage().ask("free", str(self.path))
        if str(self.path) in stage().held:
            stage().held.remove(str(self.path))


class NoHeartbeat(Opaque):
    def add(self, beat: object) -> None: ...
    def remove(self, beat: object) -> None: ...
    def close(self) -> None: ...


class FakeLock:
    def __init__(self) -> None:
        self.taken = False

    def __enter__(self) -> "FakeLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        machine = stage() if Machine.current else None
        if machine is not None and (machine.fine or self.taken):
            machine.ask("mutex", answers=lambda: () if self.taken else (GO,))
        self.taken = True

    def release(self) -> None:
        self.taken = False


class FakeEvent:
    def __init__(self) -> None:
        self.flag = False

    def is_set(self) -> bool:
        self._stop()
        return self.flag

    def set(self) -> None:
        self._stop()
        self.flag = True

    def wait(self, timeout: float | None = None) -> bool:
        timed = () if timeout is None else (TIMEOUT,)
        return stage().ask("sleep", answers=lambda: (WOKEN,) if self.flag else timed) == WOKEN

    def _stop(self) -> None:
        if Machine.current and stage().fine:
            stage().ask("event", answers=lambda: (GO,))


class FakeCondition:
    def __init__(self, lock: FakeLock) -> None:
        self.lock = lock
        self.waiting: list[int] = []
        """Threads that nobody woke yet, in the order they came."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        thread = stage().thread
        timed = (TIMEOUT,) if timeout is not None and stage().condition_timeouts else ()
        while not predicate():
            self.waiting.append(thread)
            self.lock.release()
            answer = stage().ask("await", answers=lambda: timed if thread in self.waiting else (WOKEN,))
            if answer == TIMEOUT:
                self.waiting.remove(thread)
            self.lock.acquire()
            if answer == TIMEOUT:
                return predicate()
        return True

    def notify(self) -> None:
        if not stage().lose_notify:
            del self.waiting[:1]

    def notify_all(self) -> None:
        self.waiting.clear()


class FakeLocal:
    """What every thread has for itself; kept where the fingerprint sees it."""

    values: dict[tuple[int, str], object]

    def __init__(self) -> None:
        object.__setattr__(self, "values", {})

    def __getattr__(self, name: str) -> object:
        try:
            return self.values[stage().thread, name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> None:
        self.values[stage().thread, name] = value


class FakeThreading:
    """The part of ``threading`` that the cache uses."""

    Lock = FakeLock
    Event = FakeEvent
    Condition = FakeCondition
    local = FakeLocal

    @staticmethod
    def get_ident() -> int:
        return stage().thread
