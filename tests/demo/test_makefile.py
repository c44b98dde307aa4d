"""``make`` finds a Python by itself, or says what to install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.workshop import CHECKOUT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # What an outer make says to its children is not for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_python_without_ensurepip_is_told_with_the_package_to_install(tmp_path: Path) -> None:
    bare = _program(
        tmp_path / "python3",
        f'case "$2" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"',
    )
    made = _make(f"PYTHON={bare}", f"VENV={tmp_path / 'venv'}", str(tmp_path / "venv" / ".ready"))

    assert made.returncode != 0
    assert f"python{sys.version_info.major}.{sys.version_info.minor}-venv" in made.stderr
    assert not (tmp_path / "venv").exists()


def test_no_python_that_starts_is_told(tmp_path: Path) -> None:
    shim = _program(tmp_path / "python3", "echo 'version not installed' >&2; exit 127")
    made = _make(f"PYTHON={shim}", f"VENV={tmp_path / 'venv'}", str(tmp_path / "venv" / ".ready"))

    assert made.returncode != 0
    assert "no Python 3.11 or newer starts here" in made.stderr


def test_an_environment_that_is_ready_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".ready").touch()
    made = _make(f"VENV={tmp_path}", str(tmp_path / ".ready"))

    assert made.returncode == 0
    assert sorted(tmp_path.iterdir()) == [tmp_path / ".ready"]


def test_every_target_is_explained() -> None:
    told = {line.split()[0] for line in _make("help").stdout.splitlines()}

    assert told == {"help", "demo", "demo-shell", "demo-deadlock", "test", "check", "fix", "bench", "stress", "clean"}
