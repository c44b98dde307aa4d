"""The fake kernel and the store, and every step that the processes together can take.

A state is ``(published, process, process, …)``: a set of jobs as bits, and for each process the number of a ``Part``,
its own state and what the kernel knows of it. ``GONE`` is a killed process: its locks are free, its work is lost.

A step is one question to the outside and all that its thread does until the next: processes meet nowhere else, so
finer steps would show nothing new. Inside a process, threads meet at locks and events too. Where ``fine`` is off they
are switched only at those that block: what is done under a lock that is free reads and writes nothing that another
thread could see meanwhile, so it may as well be done at once. With ``twins``, states that differ only in which of the
equal processes is which are one state: whatever the one can do, the other can with the names exchanged.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.cache.model.automaton import Automaton
from tests.cache.model.machine import GO, TIMEOUT, WOKEN, Answer, Asks, Decision, Stop
from tests.cache.model.scenario import DONE, INSTALL, INTERRUPTED, Scenario

State = tuple[int, ...]
GONE = -1

_WAITS = frozenset({"sleep", "await"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One living process, as the world sees it."""

    state: int
    held: int = 0
    """Its locks, as bits."""
    running: int = 0
    """Its jobs that began and have not ended, as bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One step of one process."""

    process: int
    decision: Decision | None
    """``None``: killed."""
    to: State
    breach: str | None = None
    """The promise that this step breaks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Effect:
    """What a decision does: the process after it, what it publishes (bits), what it begins, what it breaks."""

    part: int
    publishes: int
    begun: tuple[str, ...]
    breach: str | None


class World:
    """The product of the processes, with a kernel and a store between them."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        automata = {process: Automaton(scenario, process) for process in set(scenario.processes)}
        self.automata = [automata[process] for process in scenario.processes]
        self.symmetric = scenario.twins and len(automata) == 1
        self.lock_names = scenario.lock_names()
        self._jobs = {name: 1 << bit for bit, name in enumerate([work.name for work in scenario.works] + [INSTALL])}
        self._locks: dict[str, int] = {path: 1 << bit for bit, path in enumerate(self.lock_names)}
        self._trees = {name: self._neighbours(name) for name in self._jobs}
        self._parts: list[Part] = []
        self._part_numbers: dict[Part, int] = {}
        self._effects: dict[tuple[int, int, Decision], _Effect] = {}

    def first(self) -> State:
        """Nothing published, everybody at the start."""
        return (0, *(self._part_number(Part(state=0)) for _ in self.automata))

    def moves(self, state: State) -> Iterator[Move]:
        """Every step that may come next."""
        published, *parts = state
        may_die = parts.count(GONE) < self.scenario.kills
        for process, number in enumerate(parts):
            if number == GONE or (self.symmetric and process and parts[process - 1] == number):
                continue  # an equal twin has just done the same
            asked = self.asks(process, number)
            timers = not self.scenario.slow_timers or all(a is None or a.answers in ((), (TIMEOUT,)) for a in asked)
            for thread, asks in enumerate(asked):
                if asks is not None and (timers or asks.answers != (TIMEOUT,)):
                    for answer in self._answers(asks, published, parts):
                        yield self._move(state, process, number, (thread, answer), asks)
            if may_die and any(asked):
                yield Move(process=process, decision=None, to=self._with(state, process, GONE, published))

    def finished(self, state: State) -> bool:
        """Whether every thread that was not killed has come to its end."""
        return not any(
            asks is not None and (process, thread) not in self.scenario.excused
            for process, number in enumerate(state[1:])
            if number != GONE
            for thread, asks in enumerate(self.asks(process, number))
        )

    def asks(self, process: int, number: int) -> tuple[Asks | None, ...]:
        """What the threads of a process ask for."""
        return self.stop(process, number).asks

    def stop(self, process: int, number: int) -> Stop:
        """Where a process stands."""
        return self.automata[process].stops[self._parts[number].state]

    def holders(self, state: State, path: str) -> list[int]:
        """The processes that hold a lock."""
        bit = self._locks[path]
        return [i for i, number in enumerate(state[1:]) if number != GONE and self._parts[number].held & bit]

    def _answers(self, asks: Asks, published: int, parts: list[int]) -> tuple[Answer, ...]:
        if asks.answers is not None:
            return asks.answers
        match asks.verb:
            case "look":
                return (bool(published & self._jobs[asks.subject]),)
            case "try":
                bit = self._locks[asks.subject]
                return (not any(number != GONE and self._parts[number].held & bit for number in parts),)
            case _:
                return (GO,)

    def _move(self, state: State, process: int, number: int, decision: Decision, asks: Asks) -> Move:
        key = (process if not self.symmetric else 0, number, decision)
        effect = self._effects.get(key)
        if effect is None:
            effect = self._effects[key] = self._advance(process, number, decision, asks)
        return Move(
            process=process,
            decision=decision,
            to=self._with(state, process, effect.part, state[0] | effect.publishes),
            breach=effect.breach or (self._twice_among(state, process, effect.begun) if effect.begun else None),
        )

    def _advance(self, process: int, number: int, decision: Decision, asks: Asks) -> _Effect:
        part = self._parts[number]
        held, running, publishes = part.held, part.running, 0
        match asks.verb:
            case "try" if decision[1]:
                held |= self._locks[asks.subject]
            case "free":
                held &= ~self._locks[asks.subject]
            case "publish":
                publishes = self._jobs[asks.subject]
                running &= ~publishes
            case "end":
                running &= ~self._jobs[asks.subject]
        step = self.automata[process].step(part.state, decision)
        begun = tuple(subject for event, subject in step.events if event == "begin")
        begins = sum(self._jobs[name] for name in begun)
        after = Part(state=step.state, held=held, running=running | begins)
        breach = (
            self._twice(running, published=0, begun=begun)
            or self._bad_wait(asks)
            or self._bad_end(process, after)
            or self._slept_on(process, after)
        )
        return _Effect(part=self._part_number(after), publishes=publishes, begun=begun, breach=breach)

    def _bad_wait(self, asks: Asks) -> str | None:
        if asks.verb in _WAITS and asks.holds and self.scenario.wait_check:
            return f"waits with {', '.join(self.lock_names[path] for path in asks.holds)} in its hands"
        return None

    def _bad_end(self, process: int, part: Part) -> str | None:
        stop = self.automata[process].stops[part.state]
        for outcome in stop.outcomes:
            if outcome not in (None, DONE, INTERRUPTED):
                return f"fails: {outcome}"
        return "has ended with a lock in its hands" if part.held and not any(stop.asks) else None

    def _slept_on(self, process: int, part: Part) -> str | None:
        """Whether a thread sleeps although its runner was cancelled.

        Asked only where ``cancel`` is one step: with finer ones a thread may come in while it is under way.
        """
        stop = self.automata[process].stops[part.state]
        if self.scenario.fine or not self.scenario.processes[process].cancelled or stop.outcomes[-1] is None:
            return None
        asleep = [asks for asks in stop.asks if asks and asks.verb in _WAITS and asks.answers != (WOKEN,)]
        return "sleeps on although it was cancelled" if asleep else None

    def _twice_among(self, state: State, process: int, begun: tuple[str, ...]) -> str | None:
        running = 0
        for other, number in enumerate(state[1:]):
            if other != process and number != GONE:
                running |= self._parts[number].running
        return self._twice(running, published=state[0], begun=begun)

    def _twice(self, running: int, *, published: int, begun: tuple[str, ...]) -> str | None:
        for name in begun:
            if published & self._jobs[name]:
                return f"does {name} although it is done already"
            if running & self._jobs[name]:
                return f"does {name} while another does it"
            if running & self._trees[name]:
                return f"does {name} while another writes to the same source tree"
        return None

    def _with(self, state: State, process: int, number: int, published: int) -> State:
        parts = list(state[1:])
        parts[process] = number
        if self.symmetric:
            parts.sort()
        return (published, *parts)

    def _part_number(self, part: Part) -> int:
        number = self._part_numbers.setdefault(part, len(self._parts))
        if number == len(self._parts):
            self._parts.append(part)
        return number

    def _neighbours(self, name: str) -> int:
        if name == INSTALL:
            return 0
        tree = self.scenario.work(name).tree
        same = [work.name for work in self.scenario.works if tree and work.tree == tree and work.name != name]
        return sum(self._jobs[other] for other in same)


def tell(asks: Asks, answer: Answer, lock_names: dict[str, str]) -> str:
    """A step in words."""
    match asks.verb:
        case "look":
            return f"looks for {asks.subject}: {'there' if answer else 'nothing'}"
        case "try":
            return f"tries the lock of {lock_names[asks.subject]}: {'taken' if answer else 'busy'}"
        case "free":
            return f"gives the lock of {lock_names[asks.subject]} back"
        case "publish":
            return f"publishes {asks.subject}"
        case "end":
            return f"ends {asks.subject}"
        case "choose":
            return f"turns to {answer}"
        case "sleep" | "await":
            return "wakes up, for the timer says so" if answer == TIMEOUT else "is woken"
        case _:
            return f"goes on ({asks.verb})"
