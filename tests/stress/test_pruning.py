"""Installers beside a collector that removes whatever nobody uses this moment, again and again."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.crowd import Crowd


def prune(crowd: Crowd, until: float) -> list[tuple[int, float]]:
    """Collect garbage in a loop; each collection's process and seconds."""
    runs = []
    while time.monotonic() < until:
        began = time.monotonic()
        process = crowd.world.start("cache", "prune", "--older-than", "0")
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        runs.append((process.pid, time.monotonic() - began))
    return runs


def install(crowd: Crowd, number: int, until: float) -> int:
    """Install in a loop, into an environment made anew each time; returns how often."""
    rounds = 0
    while time.monotonic() < until:
        crowd.end([crowd.start(number, order=rounds)])
        crowd.check_installed([number])
        rounds += 1
    return rounds


def prune_beside_installers(crowd: Crowd, *, seconds: float) -> str:
    crowd.forget()
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(crowd.processes + 1) as pool:
        collections = pool.submit(prune, crowd, until)
        installs = [pool.submit(install, crowd, number, until) for number in range(crowd.processes)]
        done = sum(future.result() for future in installs)
        runs = collections.result()
    crowd.check_writers()
    events = crowd.check_log(once=False)
    collectors = {pid for pid, _ in runs}
    assert {event["event"] for event in events if event["pid"] in collectors} == {"try", "acquire", "release"}
    verified = crowd.world.miniuv("cache", "verify")
    assert verified.code == 0, verified.err
    slowest, fetches = max(took for _, took in runs), crowd.count("fetch").total()
    return (
        f"{done} installs with {fetches} fetches of {len(crowd.repositories)} repositories, beside {len(runs)} prunes, "
        f"the slowest in {slowest:.1f} s: 0 failures, 0 waits"
    )


def test_pruning_everything_unused_breaks_no_install_and_waits_for_none(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    crowd = Crowd.make(tmp_path, processes=3, editables=1, repositories=2)
    record_property("figure", prune_beside_installers(crowd, seconds=4))


@pytest.mark.stress
def test_a_minute_of_pruning_beside_four_installers(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    crowd = Crowd.make(tmp_path, processes=4, editables=3, repositories=4)
    record_property("figure", prune_beside_installers(crowd, seconds=60))
    assert crowd.count("fetch").total() > len(crowd.repositories)  # what was removed had to be fetched again
