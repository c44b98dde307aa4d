"""An interpreter describes itself while others use the thread; everything else is as if it had been asked later."""

import os
from pathlib import Path

import pytest

from miniuv.cache.store import Store
from miniuv.environment.interpreters import Interpreters
from miniuv.errors import TargetError
from miniuv.models.request import TargetRequest
from miniuv.reporter import Reporter
from tests.support.pythons import fake_python, interpreters


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """Where the interpreter notes each start."""
    return tmp_path / "started"


@pytest.fixture
def executable(tmp_path: Path, started: Path) -> Path:
    path = fake_python(tmp_path / "env" / "bin" / "python")
    path.write_text(path.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\necho x >> {started}\n"))
    return path


def target(found: Interpreters, python: str | None, folder: Path) -> Path:
    return found.target(TargetRequest(python=python), directory=folder, change=False).executable


@pytest.mark.parametrize("named", ["env", "env/bin/python", "./env/../env"])
def test_the_target_that_was_asked_ahead_is_started_once(
    tmp_path: Path, executable: Path, started: Path, named: str
) -> None:
    found = interpreters()
    found.begin(TargetRequest(python=named), directory=tmp_path)
    assert target(found, named, tmp_path) == executable
    assert started.read_text() == "x\n"


def test_the_active_environment_is_asked_ahead_too(tmp_path: Path, executable: Path, started: Path) -> None:
    (tmp_path / "env" / "pyvenv.cfg").touch()
    found = interpreters({"VIRTUAL_ENV": str(tmp_path / "env"), "PATH": os.defpath})
    found.begin(TargetRequest(), directory=tmp_path)
    assert target(found, None, tmp_path) == executable
    assert started.read_text() == "x\n"


def test_nobody_waits_before_the_answer_is_needed(tmp_path: Path, executable: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    executable.write_text(executable.read_text().replace("#!/bin/sh\n", f"#!/bin/sh\nread line < {gate}\n"))
    found = interpreters()
    found.begin(TargetRequest(python="env"), directory=tmp_path)
    gate.write_text("go on\n")
    assert target(found, "env", tmp_path) == executable


def test_what_is_remembered_is_not_asked_ahead(tmp_path: Path, executable: Path, started: Path) -> None:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        first = target(interpreters(store=store), "env", tmp_path)
        found = interpreters(store=store)
        found.begin(TargetRequest(python="env"), directory=tmp_path)
        assert target(found, "env", tmp_path) == first
    assert started.read_text() == "x\n"


def test_an_answer_that_came_ahead_is_remembered(tmp_path: Path, executable: Path, started: Path) -> None:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        for _ in range(2):
            found = interpreters(store=store)
            found.begin(TargetRequest(python="env"), directory=tmp_path)
            assert target(found, "env", tmp_path) == executable
    assert started.read_text() == "x\n"


@pytest.mark.parametrize("named", ["nowhere", "empty", "broken/bin/python"])
def test_what_is_wrong_is_told_by_the_target(tmp_path: Path, named: str) -> None:
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken" / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 9\n")
    broken.chmod(0o755)
    with pytest.raises(TargetError) as plainly:
        target(interpreters(), named, tmp_path)
    found = interpreters()
    found.begin(TargetRequest(python=named), directory=tmp_path)
    with pytest.raises(TargetError) as ahead:
        target(found, named, tmp_path)
    assert (str(ahead.value), ahead.value.hint) == (str(plainly.value), plainly.value.hint)


def test_a_version_is_nothing_to_ask_ahead(tmp_path: Path, executable: Path, started: Path) -> None:
    (tmp_path / "env" / "pyvenv.cfg").touch()
    found = interpreters({"VIRTUAL_ENV": str(tmp_path / "env"), "PATH": os.defpath})
    found.begin(TargetRequest(python="3.12"), directory=tmp_path)
    assert not started.exists()
