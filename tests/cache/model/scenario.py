"""What the processes of a model want, and which rules of the protocol are switched off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from miniuv.cache.jobs import Job, JobRunner, Permit
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.errors import MiniuvError
from miniuv.reporter import Reporter
from tests.cache.model.fingerprint import Opaque
from tests.cache.model.machine import Answer, Machine

DONE = "done"
INTERRUPTED = "interrupted"
INSTALL = "install"
"""The one piece of work that every process does for itself, under the environment's lock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work(Opaque):
    """One job: ``git:gunicorn``."""

    name: str
    needs: tuple[str, ...] = ()
    """What must be published before; the process obtains it first."""
    tree: str | None = None
    """The source tree it writes to."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Process(Opaque):
    """What one process does, by thread."""

    threads: tuple[tuple[str, ...], ...]
    """The jobs of each, one after the other."""
    any_order: bool = False
    """Every order that respects ``needs``: the explorer takes each of them."""
    nested: tuple[tuple[str, str], ...] = ()
    """``(outer, inner)``: the outer job obtains the inner one while it runs, with its lock held. That is forbidden,
    and is how the deadlock of old came about."""
    install: bool = False
    """Take the environment's lock at the end."""
    stalls_in: str | None = None
    """The job in whose middle it stops for ever, as a suspended process does; it lives and keeps its locks."""
    cancelled: bool = False
    """One more thread cancels the runner, at any moment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario(Opaque):
    """A whole model. With nothing switched off, the code under test must keep every promise."""

    works: tuple[Work, ...]
    processes: tuple[Process, ...]
    folder: Path
    """A real folder: the lock of a source tree is named by its inode."""
    permits: int = 1
    """How many jobs run at once in one process."""
    kills: int = 2
    """How many of the processes may be killed, each at any moment."""
    twins: bool = False
    """All processes are alike, so states that differ in who is who count as one."""
    excused: frozenset[tuple[int, int]] = frozenset()
    """``(process, thread)``: who need not come to an end, for they stall, or wait for one that does."""
    fine: bool = False
    """Also switch threads at every use of a lock or an event inside a process that has several."""
    condition_timeouts: bool = True
    """Whether a timer may help where a wake-up inside the process was lost."""
    slow_timers: bool = False
    """A sleep is longer than what the other threads of its process have to do. Without this, one that polls may
    snatch the permit each time just before the thread that the last one woke comes to it: a hang only on paper."""
    order_check: bool = True
    """Off: locks may be taken downwards."""
    wait_check: bool = True
    """Off: whoever waits may hold something."""
    look_again: bool = True
    """Off: whoever gets a lock runs the job without another look."""
    locked_until_published: bool = True
    """Off: the lock is given back before the result has its name."""
    notify: bool = True
    """Off: a permit that comes back wakes nobody."""

    def work(self, name: str) -> Work:
        """The job of that name."""
        return next(work for work in self.works if work.name == name)

    def boot(self, process: Process) -> Machine:
        """Start a process and run it up to its first questions."""
        fine = self.fine and len(process.threads) + process.cancelled > 1
        machine = Machine(fine=fine, condition_timeouts=self.condition_timeouts, lose_notify=not self.notify)
        living = _Living(self, process, machine)
        machine.start(living.mains(), [living.runner, living.locks])
        return machine

    def lock_names(self) -> dict[str, str]:
        """For each lock file of the fake kernel, what people call it."""
        locks = LockManager(self.folder, runtime=self.folder, reporter=Reporter())
        found = {str(locks.path(_job_key(work))): work.name for work in self.works}
        for tree in sorted({work.tree for work in self.works if work.tree}):
            found[str(locks.path(LockKey.source_tree(self.tree(tree))))] = tree
        found[str(locks.path(LockKey.environment(self.folder)))] = "the environment"
        return found

    def tree(self, name: str) -> Path:
        """The real folder of a source tree."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        return path


class _Living:
    """A process as it runs: one runner, one lock manager, and its threads."""

    def __init__(self, scenario: Scenario, process: Process, machine: Machine) -> None:
        self._scenario = scenario
        self._process = process
        self._machine = machine
        limits: dict[Permit, int] = {"build": scenario.permits}
        self.locks = LockManager(scenario.folder, runtime=scenario.folder, reporter=Reporter())
        self.runner = JobRunner(locks=self.locks, reporter=Reporter(), limits=limits, lock_wait=None)
        if not scenario.order_check:
            _switch_off(self.locks, "_check_order")
        if not scenario.wait_check:
            _switch_off(self.locks, "check_free")
            _switch_off(self.runner, "check_free")

    def mains(self) -> Sequence[Callable[[], str]]:
        found = [self._main(wanted) for wanted in self._process.threads]
        return [*found, self._cancel] if self._process.cancelled else found

    def _main(self, wanted: tuple[str, ...]) -> Callable[[], str]:
        def main() -> str:
            left = wanted
            try:
                while left:
                    name = self._choose(left)
                    left = tuple(other for other in left if other != name)
                    got = self.runner.obtain(self._job(self._scenario.work(name)))
                    assert got == name, f"wanted {name}, got {got}"
                if self._process.install:
                    self._install()
            except MiniuvError as error:
                return f"{type(error).__name__.lower()}: {error}" if self._process.cancelled is False else INTERRUPTED
            return DONE

        return main

    def _choose(self, left: tuple[str, ...]) -> str:
        if not self._process.any_order:
            return left[0]
        ready: tuple[Answer, ...] = tuple(name for name in left if not set(self._scenario.work(name).needs) & set(left))
        return str(self._machine.ask("choose", answers=lambda: ready)) if len(ready) > 1 else str(ready[0])

    def _job(self, work: Work) -> Job[str]:
        def lookup() -> str | None:
            if self._machine.held and not self._scenario.look_again:
                return None
            return work.name if self._machine.ask("look", work.name) else None

        def run() -> str:
            self._machine.note("begin", work.name)
            for outer, inner in self._process.nested:
                if outer == work.name:
                    self.runner.obtain(self._job(self._scenario.work(inner)))
            if work.name == self._process.stalls_in:
                self._machine.ask("stall", answers=lambda: ())
            if not self._scenario.locked_until_published:
                for lock in list(self._machine.held):
                    self._machine.ask("free", lock)
            self._machine.ask("publish", work.name)
            return work.name

        kind, subject = work.name.split(":")
        return Job(
            kind=kind,
            subject=subject,
            title=work.name,
            permit="build",
            lookup=lookup,
            run=run,
            source_tree=None if work.tree is None else self._scenario.tree(work.tree),
        )

    def _install(self) -> None:
        with self.locks.environment(self._scenario.folder):
            self._machine.note("begin", INSTALL)
            self._machine.ask("end", INSTALL)

    def _cancel(self) -> str:
        self._machine.ask("choose", answers=lambda: ("cancel",))
        self.runner.cancel()
        return DONE


def _switch_off(thing: object, check: str) -> None:
    assert callable(getattr(thing, check)), "a switch without a wire"
    setattr(thing, check, lambda *_: None)


def _job_key(work: Work) -> LockKey:
    kind, subject = work.name.split(":")
    return LockKey.job(kind, subject)
