"""What the bench of killed upgrades finds: the same library and the same look at all tools."""

import sys
from pathlib import Path

import pytest

from bench.crash import Course
from tests.support.shims import compile_shim


@pytest.mark.stress
@pytest.mark.parametrize(
    ("name", "command", "step", "is_torn"),
    [
        ("miniuv", ("-m", "miniuv", "pip", "install", "--python", "{}"), 8, False),
        ("pip", ("-m", "pip", "--python", "{}", "install", "--no-compile"), 40, True),
    ],
)
def test_a_killed_upgrade_by_miniuv_is_whole_after_the_next_command_and_one_by_pip_is_not(
    tmp_path: Path, name: str, command: tuple[str, ...], step: int, is_torn: bool
) -> None:
    python = str(tmp_path / "environment" / "bin" / "python")
    words = (sys.executable, *(word.format(python) for word in command))
    course = Course(name=name, command=words, folder=tmp_path, library=compile_shim("crash_points", tmp_path))

    course.run(step)

    assert course.found["points"] >= 3
    assert (course.found["neither after the next command"] > 0) is is_torn
