"""Holds a log of lock events (``MINIUV_LOCK_LOG``), of any number of processes, to ``docs/concurrency.md``'s rules.

A line is written after a lock is taken and before it is given back, each in one write at the end of one file. So
what the log says of a lock lies inside the time that it was held, and the log's order is an order of what happened.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Rule = Literal["R1", "R2", "R3", "R4", "R6", "log"]
Event = Mapping[str, object]

RULES: dict[Rule, str] = {
    "R1": "whoever holds a lock waits for nothing",
    "R2": "whoever is inside a job asks for no other",
    "R3": "whoever has the lock looks again before he works, and no work is done twice",
    "R4": "a lock has one holder, is never upgraded, and several are tried upwards",
    "R6": "an environment's lock and the collector's are held alone, and nobody waits for the collector's",
    "log": "what is released was held, what is worked on is locked",
}
_JOB, _SOURCE_TREE, _ENVIRONMENT, _COLLECTION = 10, 20, 30, 40
_ASKS_ANEW = ("git", "git-refs")
"""Kinds of jobs that ask a host for something else under the same lock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Violation:
    """A line of the log that no honest process writes."""

    rule: Rule
    line: int
    event: Event

    def __str__(self) -> str:
        return f"{self.rule} ({RULES[self.rule]}), line {self.line}: {dict(self.event)}"


@dataclass(kw_only=True, slots=True)
class _Worker:
    """One thread of one process."""

    held: list[tuple[int, str]] = field(default_factory=list)
    looked: bool = False


def violations(
    events: Sequence[Event], *, killed: Collection[int] = (), once: bool = True, exclusive: bool = True
) -> list[Violation]:
    """Check a whole log.

    ``killed`` processes ended without a word; only such a one's locks may pass to others unreleased. Without
    ``once``, work may be done again: entries were removed meanwhile. Without ``exclusive``, the file system had no
    locks to give.
    """
    check = _Check(killed=frozenset(killed), once=once, exclusive=exclusive)
    return [
        Violation(rule=rule, line=number, event=event)
        for number, event in enumerate(events, 1)
        for rule in check.rules_broken_by(event)
    ]


class _Check:
    def __init__(self, *, killed: frozenset[int], once: bool, exclusive: bool) -> None:
        self._killed = killed
        self._once = once
        self._exclusive = exclusive
        self._workers: dict[tuple[object, object], _Worker] = {}
        self._holders: dict[tuple[int, str], tuple[object, object]] = {}
        self._gone: set[object] = set()
        self._done: set[tuple[str, object]] = set()

    def rules_broken_by(self, event: Event) -> Iterator[Rule]:
        who = event["pid"], event["thread"]
        worker = self._workers.setdefault(who, _Worker())
        key = int(str(event.get("rank", 0))), str(event.get("name", ""))
        if event["pid"] in self._gone:
            yield "R4"  # its lock has passed to another, and it lives
        match event["event"]:
            case "wait" | "stand-back":
                if worker.held:
                    yield "R1"
                if key[0] == _COLLECTION:
                    yield "R6"
            case "try":
                yield from _tries(worker.held, key)
            case "acquire":
                yield from self._acquire(who, worker, key)
            case "look":
                worker.looked = True
            case "run":
                yield from self._run(worker, event)
            case "done":
                self._done.update((name, event["title"]) for name in _shared_work(worker))
            case "release":
                if key not in worker.held:
                    yield "log"
                else:
                    worker.held.remove(key)
                if self._holders.get(key) == who:
                    del self._holders[key]

    def _acquire(self, who: tuple[object, object], worker: _Worker, key: tuple[int, str]) -> Iterator[Rule]:
        before = self._holders.get(key)
        if before is not None and self._exclusive:
            if before[0] != who[0] and before[0] in self._killed:
                self._gone.add(before[0])
            else:
                yield "R4"
        self._holders[key] = who
        worker.held.append(key)
        worker.looked = False

    def _run(self, worker: _Worker, event: Event) -> Iterator[Rule]:
        if not any(rank == _JOB for rank, _ in worker.held):
            yield "log"
        elif not worker.looked or (self._once and self._is_done(worker, event)):
            yield "R3"
        worker.looked = False

    def _is_done(self, worker: _Worker, event: Event) -> bool:
        return any((name, event["title"]) in self._done for name in _shared_work(worker))


def _tries(held: Sequence[tuple[int, str]], key: tuple[int, str]) -> Iterator[Rule]:
    if not held:
        return
    if key not in held and max(*held, key)[0] >= _ENVIRONMENT:
        yield "R6"
    elif key not in held and key[0] == _JOB and held[0][0] == _JOB:
        yield "R2"
    elif key <= max(held):
        yield "R4"


def _shared_work(worker: _Worker) -> list[str]:
    """Name the job whose result everybody can use; what is made of a source tree in place is everybody's own."""
    if any(rank == _SOURCE_TREE for rank, _ in worker.held):
        return []
    return [name for rank, name in worker.held if rank == _JOB and name.split("/")[0] not in _ASKS_ANEW]
