"""All that one process can do, found by running it: states by fingerprint, and what each decision leads to.

A state is made again by running its history in a new process. Each is run for each decision once, and only when the
explorer first comes there; from then on it is a look into a table, so that millions of interleavings cost no thread.
"""

from dataclasses import dataclass

from tests.cache.model.machine import Decision, Stop
from tests.cache.model.scenario import Process, Scenario


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Where a decision leads, and what is noted on the way."""

    state: int
    events: tuple[tuple[str, str], ...]


class Automaton:
    """The states of one process; number 0 is the first."""

    def __init__(self, scenario: Scenario, process: Process) -> None:
        self._scenario = scenario
        self._process = process
        self._numbers: dict[object, int] = {}
        self._steps: dict[tuple[int, Decision], Step] = {}
        self._histories: list[tuple[Decision, ...]] = []
        self.stops: list[Stop] = []
        self._number(self._run(()), ())

    def step(self, state: int, decision: Decision) -> Step:
        """What comes of ``decision`` in ``state``."""
        known = self._steps.get((state, decision))
        if known is None:
            history = (*self._histories[state], decision)
            stop = self._run(history)
            known = self._steps[state, decision] = Step(state=self._number(stop, history), events=stop.events)
        return known

    def _number(self, stop: Stop, history: tuple[Decision, ...]) -> int:
        number = self._numbers.setdefault(stop.fingerprint, len(self.stops))
        if number == len(self.stops):
            self.stops.append(stop)
            self._histories.append(history)
        return number

    def _run(self, history: tuple[Decision, ...]) -> Stop:
        machine = self._scenario.boot(self._process)
        try:
            for decision in history:
                machine.resume(decision)
            return machine.look()
        finally:
            machine.end()
