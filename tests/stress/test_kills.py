"""SIGKILL for one of four: the others finish, nobody writes beside an orphan, and a second run puts all right."""

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crowd import WATCHDOG, Crowd

_STEPS = 80
"""About as many steps of locks as an install makes."""


def make_crowd(folder: Path) -> Crowd:
    return Crowd.make(folder, processes=4, editables=2, repositories=3)


def kill_at_some_step(crowd: Crowd, number: int) -> bool:
    """Four start on a cold cache, one is killed anywhere; whether it still ran then."""
    crowd.forget()
    victim = number % crowd.processes
    processes = [crowd.start(each, order=number) for each in range(crowd.processes)]
    killed, steps = processes.pop(victim), random.Random(number).randrange(_STEPS)

    def is_there() -> bool:
        return sum(event["pid"] == killed.pid for event in crowd.events()) >= steps

    was_running = wait_for(killed, is_there)
    crowd.kill(killed)
    crowd.end(processes)
    check_after_a_kill(crowd, victim)
    return was_running


def kill_over_a_child(crowd: Crowd, number: int, doing: str) -> None:
    """One is killed while its child is ``doing``, a child that lasts; three others want the same and wait for it."""
    crowd.forget()
    victim = number % crowd.processes
    killed = crowd.start(victim, order=number, pause=2)
    assert wait_for(killed, lambda: any(line.what == doing and line.is_child_of(killed.pid) for line in crowd.lines()))
    processes = [crowd.start(each, order=number) for each in range(crowd.processes) if each != victim]

    def is_waited_for() -> bool:
        return any(event["event"] == "wait" and event["pid"] != killed.pid for event in crowd.events())

    assert wait_for(killed, is_waited_for)
    crowd.kill(killed)
    crowd.end(processes)
    check_after_a_kill(crowd, victim)


def wait_for(process: "subprocess.Popen[str]", due: Callable[[], bool]) -> bool:
    """Wait until it is ``due``, or until the process ends: ``False`` then."""
    deadline = time.monotonic() + WATCHDOG
    while process.poll() is None:
        if due():
            return True
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return False


def check_after_a_kill(crowd: Crowd, victim: int) -> None:
    crowd.end([crowd.start_again(victim)])
    crowd.check_done_again_by_the_killed_alone()
    crowd.check_writers()
    crowd.check_log()
    crowd.check_installed(range(crowd.processes))


def test_the_others_finish_when_one_is_killed_at_some_step(tmp_path: Path) -> None:
    kill_at_some_step(make_crowd(tmp_path), 2)


@pytest.mark.parametrize("doing", ["fetch", "editable"])
def test_the_others_finish_when_one_is_killed_over_its_child(tmp_path: Path, doing: str) -> None:
    kill_over_a_child(make_crowd(tmp_path), 1, doing)


@pytest.mark.stress
def test_two_hundred_kills_leave_two_hundred_times_survivors_that_finish(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    crowd = make_crowd(tmp_path)
    running = sum(kill_at_some_step(crowd, number) for number in range(150))
    for number in range(50):
        kill_over_a_child(crowd, number, ("fetch", "wheel", "editable")[number % 3])
    record_property(
        "figure", f"200 kills among 4 processes, {running} at a step, 50 over a live child: the others always finish"
    )
