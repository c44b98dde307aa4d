"""Locks outlive everything that a backend has started, and nothing of it gets one."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniuv.backend.builder import ReadyBuild
from miniuv.backend.hooks import supervised
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import HeldLocks, LockManager
from miniuv.cache.store import Store
from miniuv.errors import Interrupted
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter
from tests.support.backends import make_tiny_project
from tests.support.processes import OtherProcess, until

TWO_WRITERS = """
import os, signal, sys, time
for signal_ in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(signal_, signal.SIG_IGN)
writer = os.fork()
if writer == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
with open(f"{os.getpid()}.pid", "w") as file:
    file.write(str(os.getppid()))
open("tree", "a").close()
os.write(1, b"here\\n")  # both at once: in one piece
while True:
    time.sleep(0.002)
    with open("tree", "a") as file:
        file.write("x")
"""
"""A program and a daemon of its own, in a session of its own, that write into the current folder for ever."""


@pytest.fixture
def held_store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=Reporter(), runtime=tmp_path / "runtime") as store:
        yield store


def run(store: Store, code: str, **options: object) -> int:
    guards = store.guards()
    command = supervised([sys.executable, "-c", code], guards)
    return SubprocessRunner().run(command, pass_fds=guards, **options).returncode  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise SystemExit(3)"])
def test_it_ends_with_the_status_of_what_it_ran(held_store: Store, code: str) -> None:
    assert run(held_store, code) == int(code[-2])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_it_ends_by_the_signal_that_ended_what_it_ran(held_store: Store, number: int) -> None:
    assert run(held_store, f"import os; os.kill(os.getpid(), {int(number)})") == -number


def test_a_program_that_is_not_there_is_told(held_store: Store, tmp_path: Path) -> None:
    guards = held_store.guards()
    done = SubprocessRunner().run(supervised([str(tmp_path / "nothing")], guards), pass_fds=guards)
    assert (done.returncode, done.stderr) == (
        127,
        f"cannot run {tmp_path}/nothing: No such file or directory\n".encode(),
    )


def test_what_it_runs_reads_nothing_and_has_the_usual_signals(held_store: Store) -> None:
    code = (
        "import signal, sys; assert sys.stdin.read() == ''; assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL"
    )
    assert run(held_store, code) == 0


def test_without_a_lock_nobody_stands_between() -> None:
    assert supervised(["/bin/true"], ()) == ["/bin/true"]


LIST_DESCRIPTORS = """
def get_requires_for_build_wheel(config_settings=None):
    import os
    for name in os.listdir("/proc/self/fd"):
        try:
            print("open", os.readlink(f"/proc/self/fd/{name}"), flush=True)
        except OSError:
            pass
    print("parent", open(f"/proc/{os.getppid()}/cmdline").read().replace("\\0", " "), flush=True)
    raise SystemExit(1)
"""


def test_a_backend_has_no_descriptor_of_a_lock(
    prepare: Callable[..., ReadyBuild], tmp_path: Path, store: Store
) -> None:
    with pytest.raises(Exception, match=r"open /dev/null") as caught:
        prepare(make_tiny_project(tmp_path / "project", LIST_DESCRIPTORS))
    opened = [line for line in str(caught.value).splitlines() if "open /" in line]
    assert opened
    assert not any(str(store.root) in line for line in opened)
    assert "/src/" not in str(caught.value)
    assert re.search(r"parent .*/_supervisor\.py \d+,\d+ ", str(caught.value))


HOLDER = """
import os
from pathlib import Path
from miniuv.backend.hooks import supervised
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.store import Store
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter
from tests.backend.test_supervisor import TWO_WRITERS
base = Path(sys.argv[1])
store = Store.open(base / "cache", reporter=Reporter(), runtime=base / "runtime")
with store.staging("build") as folder, store.locks.try_acquire([LockKey.source_tree(base / "tree")], step="build"):
    say(folder)
    guards = store.guards()
    command = supervised([sys.executable, "-c", TWO_WRITERS], guards)
    SubprocessRunner().run(command, cwd=base / "tree", pass_fds=guards, output=sys.stdout.buffer)
"""


class Writers:
    """A process that holds the lock of ``tree``, and what it has started."""

    def __init__(self, base: Path, process: OtherProcess) -> None:
        self.process = process
        self.tree = base / "tree"
        self.staging = Path(process.line())
        process.expect("here")
        process.expect("here")
        files = sorted(self.tree.glob("*.pid"))
        self.pids = [int(path.stem) for path in files]
        (self.supervisor,) = {int(path.read_text()) for path in files} & _children(process.pid)
        self.locks = LockManager(base / "locks", runtime=base / "runtime", reporter=Reporter())
        self.key = LockKey.source_tree(self.tree)

    def try_lock(self) -> HeldLocks | None:
        return self.locks.try_acquire([self.key], step="next")

    def wait_for_lock(self) -> HeldLocks:
        return until(self.try_lock)


@contextmanager
def writers(base: Path) -> Iterator[Writers]:
    (base / "tree").mkdir()
    with OtherProcess(HOLDER, base) as process:
        yield Writers(base, process)


def _children(pid: int) -> set[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(word) for word in text.split()}


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_whoever_gets_the_lock_after_a_kill_finds_no_writer_left(tmp_path: Path) -> None:
    with writers(tmp_path) as found:
        assert found.try_lock() is None
        os.kill(found.process.pid, signal.SIGKILL)
        with found.wait_for_lock():
            size = (found.tree / "tree").stat().st_size
            assert [pid for pid in found.pids if _is_running(pid)] == []
            assert (found.tree / "tree").stat().st_size == size


def test_lock_and_staging_folder_are_held_for_as_long_as_a_writer_lives(tmp_path: Path) -> None:
    with writers(tmp_path) as found:
        os.kill(found.supervisor, signal.SIGSTOP)
        found.process.kill()
        assert found.try_lock() is None
        assert "is gone, left to pid" in str(found.locks.holder(found.key))
        assert f"pid {found.supervisor}" in str(found.locks.holder(found.key))
        with Store.open(tmp_path / "cache", reporter=Reporter(), runtime=tmp_path / "runtime") as store:
            store.find("blobs", "a")  # reaps what the dead have left
            assert found.staging.is_dir()
        os.kill(found.supervisor, signal.SIGCONT)
        found.wait_for_lock().release()
        with Store.open(tmp_path / "cache", reporter=Reporter(), runtime=tmp_path / "runtime") as store:
            store.find("blobs", "a")
            assert not found.staging.exists()


def test_an_interrupted_run_ends_when_everything_has_ended(held_store: Store, tmp_path: Path) -> None:
    runner, guards = SubprocessRunner(), held_store.guards()
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool, os.fdopen(reading) as said, os.fdopen(writing, "wb") as output:
        command = supervised([sys.executable, "-c", TWO_WRITERS], guards)
        running = pool.submit(runner.run, command, cwd=tmp_path, pass_fds=guards, output=output)
        assert [said.readline(), said.readline()] == ["here\n", "here\n"]
        runner.end_all()
        assert running.result(30).returncode == 1
        assert [path for path in tmp_path.glob("*.pid") if _is_running(int(path.stem))] == []
    with pytest.raises(Interrupted):
        runner.run(command, pass_fds=guards)


DAEMON = """
import subprocess, sys
daemon = subprocess.Popen(["sleep", "60"], close_fds=False, start_new_session=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
open("daemon", "w").write(str(daemon.pid))
"""


def test_a_daemon_left_behind_lives_on_without_a_lock(held_store: Store, tmp_path: Path) -> None:
    key = LockKey.source_tree(tmp_path)
    with held_store.locks.try_acquire([key], step="build") or pytest.fail("busy"):
        assert run(held_store, DAEMON, cwd=tmp_path) == 0
        daemon = int((tmp_path / "daemon").read_text())
        try:
            assert _is_running(daemon)
            files = subprocess.run(
                ["ls", "-l", f"/proc/{daemon}/fd"], capture_output=True, text=True, check=True
            ).stdout
            assert str(tmp_path) not in files
        finally:
            os.kill(daemon, signal.SIGKILL)


def test_a_program_that_is_no_backend_gets_no_lock(held_store: Store, tmp_path: Path) -> None:
    with held_store.locks.try_acquire([LockKey.source_tree(tmp_path)], step="build") or pytest.fail("busy"):
        assert len(held_store.guards()) == 2
        done = SubprocessRunner().run(["ls", "-l", "/proc/self/fd"])
    assert str(tmp_path) not in done.stdout.decode()
