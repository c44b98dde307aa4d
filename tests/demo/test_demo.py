"""The demo itself, for real: cold and warm, with the newest Python and with only the running one."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from demo.workshop import CHECKOUT

pytestmark = pytest.mark.index


def _demo(
    *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **(environment or {})},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_the_demo_goes_well_with_a_cold_and_a_warm_cache() -> None:
    ran = _demo("demo.run", "--rounds", "2")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "round 2 of 2, warm cache" in ran.stdout
    assert ran.stdout.count("all import;") == 2
    assert "fetches in all: gunicorn.git 1, python-swiftclient.git 1" in ran.stdout


def test_the_demo_goes_well_with_the_running_python_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for program in ("git", "sh"):
        (tmp_path / "bin" / program).symlink_to(shutil.which(program) or program)
    # Nothing on PATH and no version manager's folders: what is left is the Python that runs this.
    managers = ("PYENV_ROOT", "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR")
    environment = {"PATH": str(tmp_path / "bin"), **dict.fromkeys(managers, str(tmp_path))}

    ran = _demo("demo.run", "--rounds", "1", environment=environment)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    if sys.version_info < (3, 12):
        assert "using copies of the fixtures" in ran.stdout


def test_the_commands_of_the_readme_work_in_the_demo_shell(tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    commands = (
        f"miniuv venv {environment}\n"
        f"miniuv pip install 'gunicorn @ git+https://github.com/StarfishStorage/gunicorn.git' --python {environment}\n"
        f"miniuv pip freeze --python {environment}\n"
    )
    ran = _demo("demo.shell", environment={"SHELL": "/bin/sh"}, stdin=commands)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "gunicorn @ git+https://github.com/StarfishStorage/gunicorn.git@" in ran.stdout
