"""The hang is proved by the kernel's word, nothing else is taken for one, and miniuv has none."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo.crew import DemoError
from demo.deadlock import UnavailableError, get_uv, watch
from demo.git_server import GitServer
from demo.kernel_locks import (
    KernelLock,
    Wait,
    children,
    cpu_ticks,
    deadlock_between,
    is_waiting,
    parse_locks,
    shows_locks,
    waits_among,
)
from demo.play import PAIR, Play, Tool, play
from demo.workshop import CHECKOUT, FIXTURES, Choice, Workshop

_PATIENCE = 30.0


@pytest.mark.index
def test_that_uv_hangs_by_the_kernels_word_and_miniuv_with_the_same_order_ends() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "demo.deadlock"], cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=600
    )

    if (skipped := re.search(r"^skipped: (.*)", ran.stdout, re.MULTILINE)) is not None:
        pytest.skip(skipped[1])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    waits = re.findall(r"^\[([ab])\] pid (\d+) waits for (\S+), which pid (\d+) holds$", ran.stdout, re.MULTILINE)
    (_, a, wanted_by_a, holder_for_a), (_, b, wanted_by_b, holder_for_b) = waits
    assert (holder_for_a, holder_for_b) == (b, a)
    assert wanted_by_a != wanted_by_b
    assert "at once [a] waits no more" in ran.stdout
    assert "each repository was fetched once" in ran.stdout


class Locker:
    """A process that takes the lock of each file it is told to, and keeps it; its children end with it."""

    _PROGRAM = (
        "import fcntl, subprocess, sys\n"
        "kept = []\n"
        "for line in sys.stdin:\n"
        "    if line == 'child\\n':\n"
        "        kept.append(subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE))\n"
        "    else:\n"
        "        kept.append(open(line.rstrip(), 'w'))\n"
        "        fcntl.flock(kept[-1], fcntl.LOCK_EX)\n"
        "    print('done', flush=True)\n"
    )

    def __init__(self) -> None:
        argv = [sys.executable, "-c", self._PROGRAM]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.pid = self.process.pid

    def ask(self, what: Path | str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n".encode())
        self.process.stdin.flush()

    def take(self, path: Path) -> None:
        self.ask(path)
        self.await_answer()

    def bear_a_child(self) -> None:
        self.ask("child")
        self.await_answer()

    def await_answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"done\n"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def lockers() -> Iterator[Callable[[], Locker]]:
    with ExitStack() as stack:

        def start() -> Locker:
            locker = Locker()
            stack.callback(locker.end)
            return locker

        yield start


@pytest.fixture(autouse=True)
def kernel(tmp_path: Path) -> None:
    if not shows_locks(tmp_path):
        pytest.skip("the kernel does not show here who holds which lock in /proc/locks")


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _embrace(one: Locker, other: Locker, folder: Path) -> None:
    """Let each wait for what the other holds."""
    left, right = folder / "left.lock", folder / "right.lock"
    one.take(left)
    other.take(right)
    one.ask(right)
    other.ask(left)
    _await(lambda: is_waiting(one.pid) and is_waiting(other.pid))


def test_two_processes_that_wait_for_each_other_are_found_and_one_goes_on_when_the_other_ends(
    tmp_path: Path, lockers: Callable[[], Locker]
) -> None:
    one, other = lockers(), lockers()
    _embrace(one, other, tmp_path)

    assert deadlock_between(one.pid, other.pid) == (
        Wait(waiter=one.pid, holder=other.pid, lock=tmp_path / "right.lock"),
        Wait(waiter=other.pid, holder=one.pid, lock=tmp_path / "left.lock"),
    )

    other.end()
    one.await_answer()
    assert not is_waiting(one.pid)


def test_waiting_for_a_process_that_waits_for_nothing_or_for_a_third_is_no_deadlock(
    tmp_path: Path, lockers: Callable[[], Locker]
) -> None:
    one, other, third = lockers(), lockers(), lockers()
    for locker, name in ((one, "one"), (other, "other"), (third, "third")):
        locker.take(tmp_path / name)
    one.ask(tmp_path / "other")
    _await(lambda: is_waiting(one.pid))
    assert waits_among({one.pid, other.pid}) == (Wait(waiter=one.pid, holder=other.pid, lock=tmp_path / "other"),)
    assert deadlock_between(one.pid, other.pid) is None

    other.ask(tmp_path / "third")
    _await(lambda: is_waiting(other.pid))
    assert deadlock_between(one.pid, other.pid) is None


def test_two_that_wait_for_the_same_lock_of_a_third_are_no_deadlock(
    tmp_path: Path, lockers: Callable[[], Locker]
) -> None:
    one, other, third = lockers(), lockers(), lockers()
    third.take(tmp_path / "third")
    for waiter in (one, other):
        waiter.ask(tmp_path / "third")
    _await(lambda: is_waiting(one.pid) and is_waiting(other.pid))

    assert deadlock_between(one.pid, other.pid) is None


def test_a_hang_is_called_proved_when_both_stand_still_and_not_while_either_has_a_child_at_work(
    tmp_path: Path, lockers: Callable[[], Locker]
) -> None:
    still, busy = (lockers(), lockers()), (lockers(), lockers())
    busy[1].bear_a_child()
    for name, pair in (("still", still), ("busy", busy)):
        (tmp_path / name).mkdir()
        _embrace(*pair, tmp_path / name)

    with pytest.raises(DemoError, match="neither an end nor a deadlock"):
        watch(_running(busy, tmp_path), patience=3.0)
    waits = watch(_running(still, tmp_path), patience=_PATIENCE)
    assert waits is not None
    assert [wait.holder for wait in waits] == [locker.pid for locker in reversed(still)]


def test_processes_that_have_all_ended_were_not_hung(tmp_path: Path, lockers: Callable[[], Locker]) -> None:
    pair = (lockers(), lockers())
    for locker in pair:
        locker.end()

    assert watch(_running(pair, tmp_path), patience=_PATIENCE) is None


def test_lines_about_other_kinds_of_locks_are_left_out() -> None:
    text = (
        "1: POSIX  ADVISORY  WRITE 10 fe:00:7 0 EOF\n"
        "1: -> POSIX  ADVISORY  WRITE 11 fe:00:7 0 EOF\n"
        "2: FLOCK  ADVISORY  WRITE 12 fe:00:8 0 EOF\n"
        "2:  -> FLOCK  ADVISORY  WRITE 13 fe:00:8 0 EOF\n"
        "3: OFDLCK ADVISORY  READ  -1 00:06:9 0 EOF\n"
        "4: LEASE  ACTIVE    WRITE 14 fe:00:10 0 EOF\n"
    )

    assert parse_locks(text) == (
        KernelLock(pid=12, file="fe:00:8", waiting=False),
        KernelLock(pid=13, file="fe:00:8", waiting=True),
    )


def test_children_and_cpu_time_of_a_process_are_known_and_an_ended_one_has_none(
    lockers: Callable[[], Locker],
) -> None:
    locker = lockers()
    assert locker.pid in children(os.getpid())
    assert cpu_ticks(os.getpid()) > 0

    locker.end()
    assert locker.pid not in children(os.getpid())
    assert cpu_ticks(locker.pid) == 0


def test_all_that_a_try_has_started_is_ended_with_it(tmp_path: Path) -> None:
    tool = Tool(
        name="fetcher",
        program=("sh", "-c", "git fetch u/gunicorn.git & git fetch u/python-swiftclient.git & wait"),
        arguments=(),
        environment=os.environ,
    )
    with play(tool, _workshop(tmp_path), tmp_path / "try", say=lambda _: None) as running:
        groups = [process.pid for process in running.processes.values()]
        _await(lambda: all(children(group) for group in groups))

    for group in groups:
        _await(lambda group=group: not _lives(group))  # type: ignore[misc]


def test_where_that_uv_cannot_be_had_the_reason_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "index"
    empty.mkdir()

    with pytest.raises(UnavailableError, match=r"uv 0\.3\.3 cannot be had here: .*error: .*uv"):
        get_uv(_workshop(tmp_path, MINIUV_INDEX_URL=empty.as_uri()), say=lambda _: None)


def _running(pair: tuple[Locker, Locker], folder: Path) -> Play:
    return Play(folder=folder, processes=dict(zip(PAIR, (locker.process for locker in pair), strict=True)))


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _workshop(folder: Path, **variables: str) -> Workshop:
    return Workshop(
        folder=folder,
        choice=Choice(python=Path(sys.executable), fixtures=FIXTURES, note=""),
        commits={},
        server=GitServer(folder),
        environment={
            **os.environ,
            "MINIUV_NO_CONFIG": "1",
            "MINIUV_CACHE_DIR": str(folder / "cache"),
            **variables,
        },
    )
