"""What a run took includes what it started, and not what measured it."""

import os
import sys
from pathlib import Path

from bench.measure import Measured, measure


def _measure(tmp_path: Path, *argv: str) -> Measured:
    return measure(argv, directory=tmp_path, environment=dict(os.environ), notes=tmp_path / "notes")


def test_the_work_and_memory_of_a_child_that_outlives_its_parent_are_counted(tmp_path: Path) -> None:
    child = "import time; held = bytearray(b'x') * 100_000_000\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"

    took = _measure(tmp_path, sys.executable, "-c", parent)

    assert took.status == 0
    assert took.cpu >= 0.3
    assert took.memory > 100_000_000


def test_the_size_of_the_bench_is_not_in_the_peak_memory(tmp_path: Path) -> None:
    ballast = bytearray(b"x") * 150_000_000

    took = _measure(tmp_path, "/bin/sh", "-c", "echo told; exit 3")

    assert len(ballast) > took.memory * 4
    assert (took.status, took.said) == (3, "told\n")
