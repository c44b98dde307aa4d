"""Many processes on the same work, for minutes: what a lock that is taken wrongly would not survive."""

import os
import re
import subprocess
import sys

import pytest

from demo.workshop import CHECKOUT

pytestmark = [pytest.mark.stress, pytest.mark.index]


@pytest.mark.parametrize("attempt", range(3))
def test_eight_processes_on_a_cold_cache_fetch_each_repository_once(attempt: int) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "demo.run", "--processes", "8", "--rounds", "6"],
        cwd=CHECKOUT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.findall(r"\.git (\d+)", ran.stdout.splitlines()[-1]) == ["1", "1"]
