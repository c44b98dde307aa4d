from collections.abc import Mapping
from pathlib import Path

import pytest

from miniuv.environment.candidates import version_request
from miniuv.errors import TargetError
from tests.support.pythons import Listener, fake_python, interpreters, make_environment, program

MANAGERS = {
    "pyenv": (".pyenv/versions/{}", {}),
    "pyenv root": ("roots/pyenv/versions/{}", {"PYENV_ROOT": "roots/pyenv"}),
    "uv": (".local/share/uv/python/cpython-{}-linux-x86_64-gnu", {}),
    "uv folder": ("roots/uv/cpython-{}-linux-x86_64-gnu", {"UV_PYTHON_INSTALL_DIR": "roots/uv"}),
    "asdf": (".asdf/installs/python/{}", {}),
    "mise": (".local/share/mise/installs/python/{}", {}),
    "mise of xdg": ("roots/data/mise/installs/python/{}", {"XDG_DATA_HOME": "roots/data"}),
}


def environ_of(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    folders = {name: str(home / folder) for name, folder in (more or {}).items()}
    return {"HOME": str(home), "PATH": f"{home}/shims:{home}/bin"} | folders


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_folders_of_version_managers_are_searched(tmp_path: Path, manager: str) -> None:
    folder, variables = MANAGERS[manager]
    fake = fake_python(tmp_path / folder.format("3.99.1") / "bin" / "python", version="3.99.1")
    found = interpreters(environ_of(tmp_path, variables)).find("3.99", directory=tmp_path)
    assert found.executable == fake


def test_the_newest_fitting_patch_is_taken_wherever_it_is(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin" / "python3.99", version="3.99.2")
    fake_python(tmp_path / ".pyenv" / "versions" / "3.99.9" / "bin" / "python", version="3.99.9")
    newest = fake_python(tmp_path / ".pyenv" / "versions" / "3.99.10" / "bin" / "python", version="3.99.10")
    fake_python(tmp_path / ".asdf" / "installs" / "python" / "3.98.11" / "bin" / "python", version="3.98.11")
    found = interpreters(environ_of(tmp_path)).find("3.99", directory=tmp_path)
    assert found.executable == newest


@pytest.mark.parametrize("request_text", ["3.98.2", "==3.98.2", ">=3.98,<3.98.3", "cpython3.98.2", "python3.98.2"])
def test_a_version_can_be_asked_for_exactly(tmp_path: Path, request_text: str) -> None:
    for version in ("3.98.1", "3.98.2", "3.98.3", "3.99.0"):
        fake_python(tmp_path / ".pyenv" / "versions" / version / "bin" / "python", version=version)
    found = interpreters(environ_of(tmp_path)).find(request_text, directory=tmp_path)
    assert str(found.version) == "3.98.2"


def test_another_implementation_is_taken_when_it_is_asked_for(tmp_path: Path) -> None:
    versions = tmp_path / ".pyenv" / "versions"
    fake_python(versions / "3.99.1" / "bin" / "python", version="3.99.1")
    pypy = fake_python(versions / "pypy3.99-7.3.12" / "bin" / "pypy3", version="3.99.1", implementation="pypy")
    assert interpreters(environ_of(tmp_path)).find("pypy3.99", directory=tmp_path).executable == pypy


def test_a_shim_that_does_not_start_is_skipped_and_told(tmp_path: Path) -> None:
    program(tmp_path / "shims" / "python3.99", "echo 'shim: no such version' >&2; exit 127")
    real = fake_python(tmp_path / "bin" / "python3.99", version="3.99.1")
    listener = Listener()
    found = interpreters(environ_of(tmp_path), reporter=listener).find("3.99", directory=tmp_path)
    assert found.executable == real
    assert f"skipped: `{tmp_path}/shims/python3.99` does not start: shim: no such version" in listener.notes


def test_where_none_is_left_the_error_says_why_each_was_skipped(tmp_path: Path) -> None:
    program(tmp_path / "shims" / "python3.99", "echo 'shim: no such version' >&2; exit 127")
    with pytest.raises(TargetError, match=r"no Python fits `3\.99`; skipped: .*no such version") as caught:
        interpreters(environ_of(tmp_path)).find("3.99", directory=tmp_path)
    assert caught.value.hint is not None


def test_a_folder_named_after_another_version_is_not_even_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program(tmp_path / ".pyenv" / "versions" / "3.98.1" / "bin" / "python", f": > {started}; exit 1")
    program(tmp_path / "bin" / "python3.98", f": > {started}; exit 1")
    fake_python(tmp_path / ".pyenv" / "versions" / "3.99.1" / "bin" / "python", version="3.99.1")
    interpreters(environ_of(tmp_path)).find("3.99", directory=tmp_path)
    interpreters(environ_of(tmp_path)).find(">=3.99", directory=tmp_path)
    assert not started.exists()


def test_relative_entries_of_path_start_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_python(tmp_path / "bin" / "python3.99", version="3.99.1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError, match="no Python fits"):
        interpreters({"HOME": str(tmp_path), "PATH": "bin"}).find("3.99", directory=tmp_path)


def test_an_environment_on_path_stands_for_the_python_behind_it(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env")
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "env" / "bin")}
    found = interpreters(environ).find(environment.python, directory=tmp_path)
    assert not found.is_environment
    assert found.executable == environment.real_executable


def test_the_usual_python_is_the_first_on_path_that_starts(tmp_path: Path) -> None:
    program(tmp_path / "shims" / "python", "exit 127")
    first = fake_python(tmp_path / "bin" / "python3", version="3.98.0")
    fake_python(tmp_path / "bin" / "python3.99", version="3.99.0")
    assert interpreters(environ_of(tmp_path)).find(None, directory=tmp_path).executable == first


def test_a_python_version_file_upwards_is_heeded(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin" / "python3", version="3.98.0")
    wanted = fake_python(tmp_path / "bin" / "python3.99", version="3.99.0")
    (tmp_path / ".python-version").write_text("# for this project\n3.99\n")
    inner = tmp_path / "deep" / "inner"
    inner.mkdir(parents=True)
    assert interpreters(environ_of(tmp_path)).find(None, directory=inner).executable == wanted


def test_a_python_version_file_that_names_no_version_is_passed_over(tmp_path: Path) -> None:
    usual = fake_python(tmp_path / "bin" / "python3", version="3.98.0")
    (tmp_path / ".python-version").write_text("my-environment\n")
    listener = Listener()
    found = interpreters(environ_of(tmp_path), reporter=listener).find(None, directory=tmp_path)
    assert found.executable == usual
    assert any("names no version" in note for note in listener.notes)


def test_a_python_can_be_named_by_path_folder_and_program_name(tmp_path: Path) -> None:
    fake = fake_python(tmp_path / "bin" / "odd-python", version="3.99.0")
    named = fake_python(tmp_path / "own" / "bin" / "python", version="3.98.0")
    finder = interpreters(environ_of(tmp_path))
    assert finder.find(str(fake), directory=tmp_path).executable == fake
    assert finder.find("bin/odd-python", directory=tmp_path).executable == fake
    assert finder.find("odd-python", directory=tmp_path).executable == fake
    assert finder.find("own", directory=tmp_path).executable == named


def test_a_python_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="there is no `nothing-here`"):
        interpreters(environ_of(tmp_path)).find("nothing-here", directory=tmp_path)


@pytest.mark.parametrize("text", ["3", "3.12", "3.12.1", "3.13t", ">=3.10,<3.13", "~=3.11", "pypy3.10", "python3.9"])
def test_a_version_request_is_told_from_a_path(text: str) -> None:
    assert version_request(text) is not None


@pytest.mark.parametrize(
    "text", [".venv1", "venv1", "./3.12", "env-3.12", "/usr/bin/python3.12", "", "python", "3.1.2.3"]
)
def test_a_path_is_told_from_a_version_request(text: str) -> None:
    assert version_request(text) is None


def test_an_unreadable_version_request_is_refused() -> None:
    with pytest.raises(TargetError, match="no version of Python"):
        version_request(">=3.x")
