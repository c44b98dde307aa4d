"""The workshop takes the right Python, and leaves the user's own git settings in force."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from demo.workshop import FIXTURES, PROJECTS, choose, led_to_loopback
from miniuv.environment.interpreters import Interpreters
from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter


def _requires_python(fixtures: Path) -> set[str]:
    files = [fixtures / project / "pyproject.toml" for project in PROJECTS]
    return {tomllib.loads(file.read_text())["project"]["requires-python"] for file in files}


def test_an_interpreter_that_the_fixtures_accept_is_used_with_the_fixtures_themselves(tmp_path: Path) -> None:
    asked = []

    def find(request: str) -> Interpreter:
        asked.append(request)
        interpreters = Interpreters(runner=SubprocessRunner(), environ=os.environ, store=None, reporter=Reporter())
        return interpreters.describe(Path(sys.executable))

    choice = choose(tmp_path, find=find)

    assert asked == [">=3.12"]
    assert (choice.fixtures, choice.python) == (FIXTURES, Path(sys.executable))
    assert _requires_python(choice.fixtures) == {">=3.12"}


def test_with_no_such_interpreter_copies_accept_the_running_one_and_are_otherwise_the_same(tmp_path: Path) -> None:
    def find(request: str) -> Interpreter:
        raise TargetError(f"no Python fits `{request}`")

    choice = choose(tmp_path, find=find)
    running = f"{sys.version_info.major}.{sys.version_info.minor}"

    assert _requires_python(choice.fixtures) == {f">={running}"}
    assert choice.python == Path(sys.executable)
    assert choice.fixtures.is_relative_to(tmp_path)
    assert running in choice.note
    assert "\n" not in choice.note
    for project in PROJECTS:
        original, copy = ((folder / project / "pyproject.toml").read_text() for folder in (FIXTURES, choice.fixtures))
        assert copy == original.replace('">=3.12"', f'">={running}"')
        assert (choice.fixtures / project / "src" / project / "__init__.py").is_file()


@pytest.mark.parametrize("own", [{}, {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"}])
def test_git_is_led_to_loopback_beside_the_settings_that_are_there(own: dict[str, str], tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **own}
    led = led_to_loopback(environ, server_url="http://127.0.0.1:9")

    def config(*arguments: str) -> str:
        return subprocess.run(
            ["git", "config", *arguments], env=led, cwd=tmp_path, capture_output=True, text=True, check=False
        ).stdout.strip()

    assert config("url.http://127.0.0.1:9/.insteadOf") == "https://github.com/StarfishStorage/"
    assert config("a.b") == own.get("GIT_CONFIG_VALUE_0", "")


def test_a_proxy_is_not_asked_for_loopback() -> None:
    led = led_to_loopback({"no_proxy": "example.invalid"}, server_url="http://127.0.0.1:9")

    assert led["no_proxy"] == "example.invalid,127.0.0.1"
    assert led["NO_PROXY"] == "127.0.0.1"
