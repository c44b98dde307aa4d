"""What one environment said of itself is believed of the next one of the same installation, and of no other."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniuv.cache.records import with_checksum, without_checksum
from miniuv.cache.store import Store
from miniuv.environment import probe
from miniuv.environment.interpreters import Interpreters
from miniuv.environment.virtual import create_environment
from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.process import Completed, SubprocessRunner
from miniuv.reporter import Reporter
from tests.support.pythons import here, interpreters


class Counting(SubprocessRunner):
    """Counts the interpreters that it starts."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0

    def run(self, *arguments: object, **options: object) -> Completed:
        self.started += 1
        return super().run(*arguments, **options)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as opened:
        yield opened


def described(environment: Path, store: Store | None) -> tuple[Interpreter, int]:
    """What is known of ``environment``, and how many interpreters were started for it."""
    runner = Counting()
    known = Interpreters(runner=runner, environ={}, store=store, reporter=Reporter())
    return known.describe(environment / "bin" / "python"), runner.started


def make(path: Path, base: Interpreter | None = None) -> Path:
    create_environment(path, base or here(), environ={})
    return path


def test_the_second_environment_is_known_without_starting_it(tmp_path: Path, store: Store) -> None:
    assert described(make(tmp_path / "one"), store)[1] == 1

    second, started = described(make(tmp_path / "a folder" / "two"), store)

    assert started == 0
    assert second == described(tmp_path / "a folder" / "two", None)[0]


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_what_is_believed_is_what_the_environment_says(tmp_path: Path, store: Store, version: str) -> None:
    try:
        base = interpreters(os.environ).find(version, directory=Path("/"))
    except TargetError:
        pytest.skip(f"no Python {version} that starts")
    described(make(tmp_path / "one", base), store)

    second, started = described(make(tmp_path / "two", base), store)

    assert (second, started) == (described(tmp_path / "two", None)[0], 0)


def test_environments_that_venv_made_are_siblings_too(tmp_path: Path, store: Store) -> None:
    for name in ("one", "two"):
        argv = [str(here().real_executable), "-m", "venv", "--without-pip", str(tmp_path / name)]
        subprocess.run(argv, check=True)
    described(tmp_path / "one", store)

    second, started = described(tmp_path / "two", store)

    assert (second, started) == (described(tmp_path / "two", None)[0], 0)


def test_other_settings_in_pyvenv_cfg_make_a_stranger(tmp_path: Path, store: Store) -> None:
    described(make(tmp_path / "one"), store)
    other = make(tmp_path / "two")
    settings = other / "pyvenv.cfg"
    settings.write_text(settings.read_text().replace("= false", "= true"))

    assert described(other, store)[1] == 1


def test_another_name_of_the_interpreter_makes_a_stranger(tmp_path: Path, store: Store) -> None:
    described(make(tmp_path / "one"), store)
    other = make(tmp_path / "two")
    known = Interpreters(runner=(runner := Counting()), environ={}, store=store, reporter=Reporter())

    assert known.describe(other / "bin" / "python3").executable == other / "bin" / "python3"
    assert runner.started == 1


def test_an_interpreter_of_its_own_makes_a_stranger(tmp_path: Path, store: Store) -> None:
    described(make(tmp_path / "one"), store)
    other = make(tmp_path / "two")
    (other / "bin" / "python").unlink()
    (other / "bin" / "python").write_text("#!/bin/sh\nexit 3\n")
    (other / "bin" / "python").chmod(0o755)

    with pytest.raises(TargetError, match="exit status 3"):
        described(other, store)


def test_a_conda_environment_is_asked(tmp_path: Path, store: Store) -> None:
    described(make(tmp_path / "one"), store)
    other = make(tmp_path / "two")
    (other / "conda-meta").mkdir()

    known, started = described(other, store)

    assert (known.is_conda, started) == (True, 1)


@pytest.mark.parametrize("old", ["executable", "paths", "tags"])
def test_junk_in_the_record_is_asked_again(tmp_path: Path, store: Store, old: str) -> None:
    described(make(tmp_path / "one"), store)
    for record in (tmp_path / "cache").rglob("*.json"):
        content = without_checksum(record.read_bytes()) or pytest.fail("a record without a checksum")
        record.write_bytes(with_checksum(content.replace(rb"\"%s\"" % old.encode(), rb"\"something\"")))

    second, started = described(make(tmp_path / "two"), store)

    assert second == described(tmp_path / "two", None)[0]
    assert started == (0 if old == "executable" else 1)


def test_an_answer_that_does_not_name_the_place_it_was_started_from_is_no_ones(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = probe.ask

    def elsewhere(executable: Path, **world: object) -> probe.Answer:
        answer = told(executable, **world)  # type: ignore[arg-type]
        return probe.Answer(answer.replace(f"{tmp_path}/one", f"{tmp_path}/elsewhere"))

    one = make(tmp_path / "one")
    with monkeypatch.context() as patched:
        patched.setattr(probe, "ask", elsewhere)
        described(one, store)

    assert described(make(tmp_path / "two"), store)[1] == 1
