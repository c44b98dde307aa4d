"""The real uv, for tests of what two tools do to one environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_VERSION = "0.13.9"


def find_uv(folder: Path) -> Path:
    """uv from ``MINIUV_TEST_UV``, else from the index, installed into an environment below ``folder``."""
    named = os.environ.get("MINIUV_TEST_UV")
    if named:
        return Path(named)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "uv")], check=True, capture_output=True)
    pip = [
        str(folder / "uv" / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        f"uv=={_VERSION}",
    ]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"uv cannot be had from the index: {done.stderr[-500:]}")
    found = shutil.which("uv", path=folder / "uv" / "bin")
    assert found is not None
    return Path(found)
