"""Whether the model's states tell all there is: long runs of the real code, compared with what the states foretell."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cache.model.fingerprint import fingerprint
from tests.cache.model.machine import fake_kernel
from tests.cache.model.scenario import Process, Scenario, Work
from tests.cache.model.world import World

WORKS = (
    Work(name="git:a"),
    Work(name="wheel:a", needs=("git:a",), tree="the source tree"),
    Work(name="wheel:b", tree="the source tree"),
)
PROCESSES = {
    "one after the other": Process(threads=(("git:a", "wheel:a", "wheel:b"),), install=True),
    "in threads": Process(threads=(("git:a", "wheel:a"), ("wheel:b",), ("git:a", "wheel:b"))),
    "cancelled": Process(threads=(("git:a", "wheel:a"), ("wheel:b",)), cancelled=True),
}


@pytest.fixture(autouse=True)
def kernel() -> Iterator[None]:
    with fake_kernel():
        yield


@pytest.mark.parametrize("kind", PROCESSES)
def test_a_state_foretells_every_step_of_a_long_run(tmp_path: Path, kind: str) -> None:
    others = (PROCESSES["one after the other"], PROCESSES[kind])
    scenario = Scenario(works=WORKS, folder=tmp_path, processes=others, kills=0)
    world = World(scenario)

    for seed in range(20):
        compare_one_run(world, scenario, random.Random(seed))


def compare_one_run(world: World, scenario: Scenario, chance: random.Random) -> None:
    machines = [scenario.boot(process) for process in scenario.processes]
    try:
        state = world.first()
        while moves := list(world.moves(state)):
            move = chance.choice(moves)
            assert move.decision is not None
            machines[move.process].resume(move.decision)
            state = move.to
            foretold = world.stop(move.process, state[1 + move.process])
            seen = machines[move.process].look()
            assert seen.fingerprint == foretold.fingerprint
            assert (seen.asks, seen.outcomes) == (foretold.asks, foretold.outcomes)
        assert world.finished(state)
    finally:
        for machine in machines:
            machine.end()


def test_state_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="does not know"):
        fingerprint({}, [memoryview(b"")])
