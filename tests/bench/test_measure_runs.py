"""What a run took includes what it started, and not what measured it."""

import errno
import os
import sys
from pathlib import Path

import pytest

from bench.measure import Measured, measure
from bench.others import Usage, busy_seconds
from tests.support.processes import until


def _measure(tmp_path: Path, *commands: tuple[str, ...]) -> Measured:
    return measure(commands, directory=tmp_path, environment=dict(os.environ), notes=tmp_path / "notes")


def test_the_work_and_memory_of_a_child_that_outlives_its_parent_are_counted(tmp_path: Path) -> None:
    child = "import time; held = bytearray(b'x') * 100_000_000\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"

    took = _measure(tmp_path, (sys.executable, "-c", parent))

    assert took.statuses == (0,)
    assert took.cpu >= 0.3
    assert took.memory > 100_000_000


def test_the_size_of_the_bench_is_not_in_the_peak_memory(tmp_path: Path) -> None:
    ballast = bytearray(b"x") * 150_000_000

    took = _measure(tmp_path, ("/bin/sh", "-c", "echo told; exit 3"))

    assert len(ballast) > took.memory * 4
    assert (took.statuses, took.said) == ((3,), ("told\n",))


def test_programs_run_at_once_and_each_has_its_own_log_and_status(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # whoever opens one end waits for the other
    reader, writer = "read line < pipe; echo got $line", "echo something > pipe; exit 4"

    took = _measure(tmp_path, ("/bin/sh", "-c", reader), ("/bin/sh", "-c", writer))

    assert (took.statuses, took.said) == ((0, 4), ("got something\n", ""))


def test_what_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    hangs = "read line < pipe & echo started; wait"

    took = measure(
        [("/bin/sh", "-c", hangs)], directory=tmp_path, environment={}, notes=tmp_path / "notes", patience=2.0
    )

    assert (took.statuses, took.said) == ((-9,), ("started\n",))
    assert until(lambda: _nobody_reads(tmp_path / "pipe"))


def _nobody_reads(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def test_the_bench_knows_what_others_used() -> None:
    before = Usage(moment=100.0, everybody=50.0, own=20.0)

    assert Usage(moment=110.0, everybody=65.0, own=28.0).others_since(before) == pytest.approx(0.7)


def test_time_in_which_nothing_ran_is_not_used() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    counters = f"cpu  {ticks} {ticks} {ticks} 9999 8888 0 0 {ticks} 777 0\ncpu0 1 1 1 1 1 1 1 1 1 1\nintr 5\n"

    assert busy_seconds(counters) == 4.0
