"""The crew runs at once, is heard, and a failure or a hang is loud."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from demo.crew import DemoError, run_crew


def _run(
    commands: Mapping[str, Sequence[str]], *, at: Path, patience: float = 60.0, heard: list[str] | None = None
) -> dict[str, list[str]]:
    program = (sys.executable, "-X", "faulthandler", "-c")
    say = (heard if heard is not None else []).append
    return run_crew(commands, directory=at, environment=os.environ, patience=patience, say=say, program=program)


def test_the_members_run_at_the_same_time(tmp_path: Path) -> None:
    meet = (
        "import pathlib, sys, time\n"
        "mine, other = sys.argv[1:]\n"
        "pathlib.Path(mine).touch()\n"
        "while not pathlib.Path(other).exists(): time.sleep(0.01)\n"
        "print('met', other)\n"
    )

    said = _run({"1": [meet, "a", "b"], "2": [meet, "b", "a"]}, at=tmp_path)

    assert said == {"1": ["met b"], "2": ["met a"]}


def test_every_line_is_told_with_its_label(tmp_path: Path) -> None:
    heard: list[str] = []
    _run({"1": ["import sys; print('out'); print('err', file=sys.stderr)"]}, at=tmp_path, heard=heard)

    assert sorted(heard[1:]) == ["[1] err", "[1] out"]


def test_a_failing_member_fails_the_crew_after_all_have_ended(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"miniuv failed: \[2\] with exit code 3$"):
        _run({"1": ["open('done', 'w').close()"], "2": ["raise SystemExit(3)"]}, at=tmp_path)

    assert (tmp_path / "done").exists()


def test_a_hang_is_told_with_the_line_at_which_it_stands(tmp_path: Path) -> None:
    heard: list[str] = []
    hang = "import threading\ndef stuck():\n    threading.Event().wait()\nstuck()"

    with pytest.raises(DemoError, match=r"a hang: \[1\] showed no end after 1 s"):
        _run({"1": [hang], "2": ["print('done')"]}, at=tmp_path, patience=1.0, heard=heard)

    assert any(" in stuck" in line for line in heard)
