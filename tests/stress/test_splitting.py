"""Two processes that are given the same cold work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.concurrency import BAR, Course


def test_two_installers_with_twelve_builds_split_them_and_build_side_by_side(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    race = Course.make(tmp_path, builds=12, seconds=0.5).run(processes=2)
    assert race.builds == {f"work{number}": 1 for number in range(12)}
    assert race.shares[0] >= 0.3
    assert race.together > 0.5
    record_property("figure", f"12 builds, 2 installers: {race.shares[0]:.0%} and {race.shares[1]:.0%}")


@pytest.mark.stress
def test_two_installers_take_two_thirds_of_the_time_of_one(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    course = Course.make(tmp_path, builds=12, seconds=2.0)
    ratio = 1 / course.run(processes=1).seconds * course.run(processes=2).seconds
    record_property("figure", f"12 builds of 2 s, 2 installers: {ratio:.2f} of the serial time (bar {BAR})")
    assert ratio <= BAR
