import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from miniuv.environment.virtual import create_environment
from miniuv.errors import TargetError
from tests.support.pythons import here, interpreters, make_environment, program


def output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout.strip()


def test_an_environment_starts_and_holds_nothing(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    assert environment.is_environment
    assert environment.version == here().version
    assert os.listdir(environment.scheme.purelib) == [] or not any(
        name.endswith(".dist-info") for name in os.listdir(environment.scheme.purelib)
    )
    assert not (tmp_path / "env" / "bin" / "pip").exists()


def test_version_control_is_told_to_look_away(tmp_path: Path) -> None:
    make_environment(tmp_path / "env")
    assert "*" in (tmp_path / "env" / ".gitignore").read_text().splitlines()
    assert (tmp_path / "env" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")


def test_seed_brings_pip(tmp_path: Path) -> None:
    create_environment(tmp_path / "env", here(), environ={}, seed=True)
    assert output(tmp_path / "env" / "bin" / "pip", "--version").startswith("pip ")


def test_a_path_with_blanks_and_a_prompt(tmp_path: Path) -> None:
    create_environment(tmp_path / "my env", here(), environ={}, prompt="50% done")
    assert output(tmp_path / "my env" / "bin" / "python", "-c", "import sys; print(sys.prefix)") == str(
        tmp_path / "my env"
    )
    assert 'prompt = "50% done"' in (tmp_path / "my env" / "pyvenv.cfg").read_text()


def test_the_site_packages_below_can_be_seen_when_asked_for(tmp_path: Path) -> None:
    create_environment(tmp_path / "env", here(), environ={}, system_site_packages=True)
    assert "include-system-site-packages = true" in (tmp_path / "env" / "pyvenv.cfg").read_text()


def test_missing_parents_are_made(tmp_path: Path) -> None:
    assert make_environment(tmp_path / "deep" / "er" / "env").is_environment


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    assert make_environment(tmp_path / "env").is_environment


def test_a_folder_with_something_else_in_it_is_refused_with_and_without_clear(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    for clear in (False, True):
        with pytest.raises(TargetError, match="is no environment and not empty"):
            create_environment(tmp_path, here(), environ={}, clear=clear)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("")
    with pytest.raises(TargetError, match="is a file"):
        create_environment(tmp_path / "env", here(), environ={})


def test_an_environment_that_is_there_is_kept_unless_clear_is_said(tmp_path: Path) -> None:
    make_environment(tmp_path / "env")
    (tmp_path / "env" / "mine").write_text("")
    with pytest.raises(TargetError, match="there is an environment") as caught:
        create_environment(tmp_path / "env", here(), environ={})
    assert "--clear" in str(caught.value.hint)
    assert (tmp_path / "env" / "mine").exists()


def test_clear_makes_it_anew_but_never_unlinks_its_lock(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    lock = tmp_path / "env" / ".lock"
    lock.write_text("")
    before = lock.stat().st_ino
    (environment.scheme.purelib / "old.py").write_text("")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "kept").write_text("")
    (tmp_path / "env" / "link").symlink_to("../outside")
    create_environment(tmp_path / "env", here(), environ={}, clear=True)
    assert lock.stat().st_ino == before
    assert not (environment.scheme.purelib / "old.py").exists()
    assert not (tmp_path / "env" / "link").is_symlink()
    assert (tmp_path / "outside" / "kept").exists()
    assert interpreters().describe(environment.executable) == environment


def test_one_that_was_left_half_made_can_be_cleared(tmp_path: Path) -> None:
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("home = /nonexistent\n")
    create_environment(tmp_path / "env", here(), environ={}, clear=True)
    assert interpreters().describe(tmp_path / "env" / "bin" / "python").is_environment


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = program(tmp_path / "python", "exit 1")
    with pytest.raises(TargetError, match="virtualenv failed"):
        create_environment(tmp_path / "env", dataclasses.replace(here(), executable=broken), environ={})
    assert not (tmp_path / "env").exists()


def test_a_path_that_virtualenv_refuses_is_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"virtualenv refuses: .*path separator"):
        create_environment(tmp_path / "a:b", here(), environ={})
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_to_is_an_error_with_a_hint() -> None:
    with pytest.raises(TargetError, match="cannot make `/proc/nothing/env`") as caught:
        create_environment(Path("/proc/nothing/env"), here(), environ={})
    assert caught.value.hint is not None


def test_no_redirect_is_written_beside_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    make_environment(tmp_path / ".venv1")
    assert sorted(os.listdir(tmp_path)) == [".venv1", "pyproject.toml"]


def test_settings_of_virtualenv_itself_do_not_reach_us(tmp_path: Path) -> None:
    (tmp_path / "virtualenv.ini").write_text("[virtualenv]\nprompt = wrong\n")
    environ = {"VIRTUALENV_CONFIG_FILE": str(tmp_path / "virtualenv.ini"), "VIRTUALENV_NO_VCS_IGNORE": "1"}
    create_environment(tmp_path / "env", here(), environ=environ)
    assert "wrong" not in (tmp_path / "env" / "pyvenv.cfg").read_text()
    assert (tmp_path / "env" / ".gitignore").exists()
