"""Many processes, each in an order of its own, on one cold cache: nobody hangs, and nothing is done twice."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.crowd import Crowd


def install_everywhere(crowd: Crowd, *, order: object) -> float:
    """One round on a cold cache; returns the seconds it took."""
    crowd.forget()
    began = time.monotonic()
    crowd.end([crowd.start(number, order=order) for number in range(crowd.processes)])
    took = time.monotonic() - began
    crowd.check_done_once()
    crowd.check_writers()
    crowd.check_log()
    crowd.check_installed([order] if isinstance(order, int) and order < crowd.processes else [0])
    return took


def test_a_small_crowd_on_a_cold_cache_fetches_and_builds_everything_once(tmp_path: Path) -> None:
    crowd = Crowd.make(tmp_path, processes=4, editables=3, repositories=4)
    for order in range(2):
        install_everywhere(crowd, order=order)


@pytest.mark.stress
def test_twenty_processes_with_eight_editables_and_twelve_repositories_never_hang(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    crowd = Crowd.make(tmp_path, processes=20, editables=8, repositories=12)
    slowest = max(install_everywhere(crowd, order=order) for order in range(50))
    record_property(
        "figure", f"20 processes x 8 editables x 12 repositories, 50 rounds: 0 hangs, slowest {slowest:.0f} s"
    )


@pytest.mark.stress
@pytest.mark.index
def test_four_processes_with_eight_editables_of_setuptools_do_nothing_twice(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    crowd = Crowd.make(tmp_path, processes=4, editables=8, repositories=12, real=True)
    took = install_everywhere(crowd, order=0)
    record_property("figure", f"4 processes x 8 editables of setuptools: nothing twice, {took:.0f} s")
