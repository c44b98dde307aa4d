"""Visits every state of a world, and looks for what must not be.

*Safety* is checked on every step: ``World.moves`` names the promise that it breaks.

*Liveness* is checked on the whole graph, with the kills taken out: from whatever state the kills have led to, those
who are left must come to their end. They may go round in circles, for a waiter polls, but only as long as somebody
who could go on is not let: a circle in which nobody is kept from going on is a hang, whether it is a deadlock whose
waiters poll, a livelock, or a lost wake-up with nothing left to poll for. (Weak fairness: a thread that can always
go on does so at last. A whole strongly connected component is looked at: if it has a fair circle, then so it is.)
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.cache.model.machine import Asks
from tests.cache.model.scenario import Scenario
from tests.cache.model.world import GONE, Move, State, World, tell

_Edges = list[list[tuple[int, int, int]]]
"""For each state: the process, the thread, and the next state."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A promise broken, with the shortest way to it."""

    breach: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{number:3}. {line}" for number, line in enumerate(self.trace, 1)]
        return "\n".join([*lines, f"   => {self.breach}"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What a search saw."""

    states: int
    steps: int
    ends: int
    """States in which everybody who lives has ended."""
    finding: Finding | None = None

    def __str__(self) -> str:
        return f"{self.states:,} states, {self.steps:,} steps, {self.ends:,} ends"


@dataclass(kw_only=True)
class _Graph:
    numbers: dict[State, int] = field(default_factory=dict)
    parents: list[tuple[int, Move | None]] = field(default_factory=list)
    steps: int = 0


def explore(scenario: Scenario) -> Report:
    """Search all interleavings of ``scenario``; the first broken promise ends the search."""
    world = World(scenario)
    graph = _Graph()
    first = world.first()
    graph.numbers[first] = 0
    graph.parents.append((0, None))
    queue = deque([first])
    successors: _Edges = []
    while queue:
        state = queue.popleft()
        number = graph.numbers[state]
        edges: list[tuple[int, int, int]] = []
        for move in world.moves(state):
            graph.steps += 1
            if move.breach is not None:
                trace = (*_trace(world, graph, number), _line(world, state, move))
                finding = Finding(breach=f"{_name(move.process)} {move.breach}", trace=trace)
                return _report(world, graph, finding)
            after = graph.numbers.get(move.to)
            if after is None:
                after = graph.numbers[move.to] = len(graph.parents)
                graph.parents.append((number, move))
                queue.append(move.to)
            if move.decision is not None:
                edges.append((move.process, move.decision[0], after))
        successors.append(edges)
    return _report(world, graph, _hang(world, graph, successors))


def _report(world: World, graph: _Graph, finding: Finding | None) -> Report:
    ends = sum(world.finished(state) for state in graph.numbers)
    return Report(states=len(graph.numbers), steps=graph.steps, ends=ends, finding=finding)


def _hang(world: World, graph: _Graph, successors: _Edges) -> Finding | None:
    states = list(graph.numbers)
    if world.symmetric:  # a circle of representatives need not be a circle of the same processes
        stuck = _never_ending(world, states, successors)
    else:
        circles = _components(successors)
        stuck = [number for circle in circles if _is_hang(world, states, successors, circle) for number in circle]
    if not stuck:
        return None
    number = min(stuck)
    return Finding(breach=_explain(world, states[number]), trace=tuple(_trace(world, graph, number)))


def _never_ending(world: World, states: list[State], successors: _Edges) -> list[int]:
    """The states from which no end can be reached any more."""
    before: list[list[int]] = [[] for _ in states]
    for number, edges in enumerate(successors):
        for _, _, after in edges:
            before[after].append(number)
    reaching = [number for number, state in enumerate(states) if world.finished(state)]
    good = bytearray(len(states))
    for number in reaching:
        good[number] = 1
    while reaching:
        for number in before[reaching.pop()]:
            if not good[number]:
                good[number] = 1
                reaching.append(number)
    return [number for number, reached in enumerate(good) if not reached]


def _is_hang(world: World, states: list[State], successors: _Edges, circle: list[int]) -> bool:
    """Whether a run may stay in ``circle`` for ever although every thread that can go on does."""
    if world.finished(states[circle[0]]):
        return False
    inside = set(circle)
    stepping = {(process, thread) for n in circle for process, thread, after in successors[n] if after in inside}
    if not stepping:
        return not successors[circle[0]]
    able = set.intersection(*({edge[:2] for edge in successors[number]} for number in circle))
    return able <= stepping


def _components(successors: _Edges) -> Iterator[list[int]]:
    """The strongly connected components (Tarjan, without recursion)."""
    index: list[int] = [-1] * len(successors)
    low = [0] * len(successors)
    on_stack = bytearray(len(successors))
    stack: list[int] = []
    count = 0
    for root in range(len(successors)):
        if index[root] != -1:
            continue
        work = [(root, 0)]
        while work:
            node, edge = work.pop()
            if edge == 0:
                index[node] = low[node] = count
                count += 1
                stack.append(node)
                on_stack[node] = 1
            for position in range(edge, len(successors[node])):
                after = successors[node][position][2]
                if index[after] == -1:
                    work += [(node, position + 1), (after, 0)]
                    break
                if on_stack[after]:
                    low[node] = min(low[node], index[after])
            else:
                if low[node] == index[node]:
                    component: list[int] = []
                    while not component or component[-1] != node:
                        component.append(stack.pop())
                        on_stack[component[-1]] = 0
                    yield component
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])


def _trace(world: World, graph: _Graph, number: int) -> list[str]:
    path = []
    states = list(graph.numbers)
    while (step := graph.parents[number])[1] is not None:
        path.append((states[step[0]], step[1]))
        number = step[0]
    return [_line(world, state, move) for state, move in reversed(path) if move is not None]


def _line(world: World, state: State, move: Move) -> str:
    if move.decision is None:
        return f"{_name(move.process)} is killed"
    thread, answer = move.decision
    asked = world.asks(move.process, state[1 + move.process])
    asks = asked[thread]
    assert asks is not None
    return f"{_name(move.process, thread, len(asked))} {tell(asks, answer, world.lock_names)}"


def _name(process: int, thread: int = 0, threads: int = 1) -> str:
    return chr(ord("A") + process) + (str(thread + 1) if threads > 1 else "")


def _explain(world: World, state: State) -> str:
    """Who waits for whom in a state that has no way out."""
    found = ["a hang"]
    for process, number in enumerate(state[1:]):
        if number == GONE:
            continue
        for thread, asks in enumerate(world.asks(process, number)):
            if asks is None:
                continue
            name = _name(process, thread, len(world.asks(process, number)))
            wish = _wish(world, state, process, thread)
            holds = ", ".join(world.lock_names[path] for path in asks.holds) or "nothing"
            if wish is None:
                found.append(f"{name} holds {holds} and waits for a wake-up that nobody sends")
            else:
                holders = " and ".join(_name(other) for other in world.holders(state, wish.subject))
                found.append(f"{name} holds {holds} and waits for {world.lock_names[wish.subject]}, held by {holders}")
    return "; ".join(found)


def _wish(world: World, state: State, process: int, thread: int) -> Asks | None:
    """The busy lock that a thread comes to when it alone goes on."""
    for _ in range(20):
        asks = world.asks(process, state[1 + process])[thread]
        mine = [m for m in world.moves(state) if m.process == process and m.decision and m.decision[0] == thread]
        if asks is None or not mine:
            return None
        if asks.verb == "try" and mine[0].decision == (thread, False):
            return asks
        state = mine[0].to
    return None
