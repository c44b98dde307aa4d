"""Who holds what, and who waits: told to people and programs; and what ``--lock-wait`` ends with."""

import json
import os
import socket
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from miniuv.cache.layout import Layout
from miniuv.cache.lock_file import LockFile
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.lock_list import list_locks
from miniuv.cache.locks import HeldLocks, LockManager
from miniuv.cache.owner import Owner
from miniuv.cache.runtime import runtime_folder
from miniuv.errors import LockWaitExpiredError
from miniuv.reporter import Reporter
from tests.support.commands import World
from tests.support.processes import OtherProcess, read_lock_log, until
from tests.support.projects import write_files, write_project
from tests.support.wheels import make_wheel

HOLDER = """
from pathlib import Path
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.runtime import runtime_folder
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
class Telling(Reporter):
    def waiting(self, notice):
        say("waiting")
sys.argv[0] = "/usr/bin/miniuv"
cache, what, where = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store = Store.open(cache, reporter=Telling())
if what == "environment":
    with store.locks.environment(Path(where), step="install"):
        say("holding")
        hear()
else:
    key = LockKey.source_tree(Path(where)) if what == "tree" else LockKey.job(what, where)
    with store.locks.try_acquire([key], step=where):
        say("holding")
        hear()
store.close()
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path)


@pytest.fixture
def hold(world: World) -> Iterator[Callable[[str, object], OtherProcess]]:
    others: list[OtherProcess] = []

    def start(what: str, where: object) -> OtherProcess:
        other = OtherProcess(HOLDER, world.environ["MINIUV_CACHE_DIR"], what, where)
        others.append(other)
        return other

    yield start
    for other in others:
        with other:
            pass


def listed(world: World, tree: Path | None = None) -> list[dict[str, object]]:
    """The locks, without those of other tests' source trees."""
    said = world.miniuv("cache", "locks", "--json")
    assert (said.code, said.err) == (0, "")
    return [lock for lock in json.loads(said.out) if lock["kind"] != "source tree" or lock["step"] == str(tree)]


def test_a_cache_that_nobody_uses_has_no_locks_and_is_not_made(world: World) -> None:
    assert listed(world) == []
    assert not Path(world.environ["MINIUV_CACHE_DIR"]).exists()


def test_each_kind_of_lock_is_listed_with_its_holder(
    world: World, hold: Callable[[str, object], OtherProcess], tmp_path: Path
) -> None:
    env = world.folder / ".venv"
    others = [hold("git", "history of a"), hold("tree", tmp_path), hold("environment", env)]
    for other in others:
        other.expect("holding")
    before = time.time()
    by_pid = {lock["pid"]: lock for lock in listed(world, tmp_path)}
    git, tree, environment = (by_pid[other.pid] for other in others)
    assert [git["kind"], tree["kind"], environment["kind"]] == ["git", "source tree", "environment"]
    assert [git["step"], tree["step"], environment["step"]] == ["history of a", str(tmp_path), "install"]
    assert environment["path"] == str(env / ".lock")
    for lock in (git, tree, environment):
        assert lock["presence"] == "alive"
        assert lock["host"] == socket.gethostname()
        assert str(lock["command"]).startswith("miniuv ")
        assert 0 <= before - float(str(lock["since"])) < 60
        assert lock["waiters"] == []


def test_a_lock_that_was_given_back_or_whose_holder_was_killed_is_not_listed(
    world: World, hold: Callable[[str, object], OtherProcess]
) -> None:
    one, two = hold("git", "a"), hold("git", "b")
    for other in (one, two):
        other.expect("holding")
    one.tell()
    one.end()
    two.kill()
    assert listed(world) == []


def test_who_waits_is_listed_until_it_has_the_lock(world: World, hold: Callable[[str, object], OtherProcess]) -> None:
    holder = hold("environment", world.folder / ".venv")
    holder.expect("holding")
    waiter = hold("environment", world.folder / ".venv")
    waiter.expect("waiting")
    (lock,) = listed(world)
    assert lock["pid"] == holder.pid
    assert [each["pid"] for each in lock["waiters"]] == [waiter.pid]  # type: ignore[attr-defined]
    table = world.miniuv("cache", "locks").out.splitlines()
    assert table[0].split()[:4] == ["Lock", "Step", "Held", "by"]
    assert f"pid {holder.pid} on {socket.gethostname()}" in table[2]
    assert f"pid {waiter.pid} for " in table[2]
    holder.tell()
    waiter.expect("holding")
    (lock,) = listed(world)
    assert (lock["pid"], lock["waiters"]) == (waiter.pid, [])


def pausing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> list[float]:
    """Let something happen whenever a look at a lock pauses; the pauses."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        act()

    monkeypatch.setattr(time, "sleep", pause)
    return pauses


def test_a_lock_that_was_taken_this_moment_is_listed_with_the_record_that_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run" / "src" / "1-2"
    path.parent.mkdir(parents=True)
    file = LockFile.try_lock(path)
    assert file is not None
    owner = Owner.this_process(step="build_editable")
    pauses = pausing(monkeypatch, lambda: os.pwrite(file.descriptor, owner.encode(), 0) if len(pauses) == 2 else None)
    (lock,) = list_locks(Layout(root=tmp_path), runtime=tmp_path / "run")
    assert (lock.kind, lock.step, lock.pid, lock.host) == ("source tree", "build_editable", os.getpid(), owner.host)
    assert len(pauses) == 2
    file.close()


def test_a_lock_that_is_given_back_while_we_look_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run" / "src" / "1-2"
    path.parent.mkdir(parents=True)
    file = LockFile.try_lock(path)
    assert file is not None
    pauses = pausing(monkeypatch, file.close)
    assert list_locks(Layout(root=tmp_path), runtime=tmp_path / "run") == ()
    assert pauses == [0]


def test_a_stopped_holder_is_said_to_be_stopped(world: World, hold: Callable[[str, object], OtherProcess]) -> None:
    holder = hold("git", "a")
    holder.expect("holding")
    holder.stop()
    assert [lock["presence"] for lock in listed(world)] == ["stopped"]
    assert "stopped, " in world.miniuv("cache", "locks").out


def test_an_environment_that_uv_holds_is_listed_with_the_process_that_has_it(
    world: World, hold: Callable[[str, object], OtherProcess]
) -> None:
    env = world.folder / ".venv"
    code = """
        import fcntl, os
        file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        fcntl.flock(file, fcntl.LOCK_EX)
        say("locked")
        hear()
    """
    with OtherProcess(code, env / ".lock") as uv:
        uv.expect("locked")
        hold("environment", env).expect("waiting")
        (lock,) = listed(world)
        assert (lock["kind"], lock["pid"], lock["since"]) == ("environment", uv.pid, None)


@pytest.mark.parametrize("command", [("pip", "install", "small"), ("pip", "uninstall", "small")])
def test_an_environment_that_stays_busy_ends_with_a_code_of_its_own(
    world: World, hold: Callable[[str, object], OtherProcess], tmp_path: Path, command: tuple[str, ...]
) -> None:
    wheel = make_wheel(tmp_path, "small", "1.0", {"small.py": ""})
    if "uninstall" in command:
        world.install(wheel)
    else:
        command = (*command[:-1], str(wheel))
    holder = hold("environment", world.folder / ".venv")
    holder.expect("holding")
    said = world.miniuv(*command, "--lock-wait", "0.1")
    assert said.code == LockWaitExpiredError.exit_code == 75
    assert f"the environment {world.folder / '.venv'}: pid {holder.pid} on " in said.err.replace("\n", " ")
    assert "--lock-wait" in said.err


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_source_tree_that_stays_busy_ends_with_the_same_code(
    world: World, hold: Callable[[str, object], OtherProcess], dynamic: bool
) -> None:
    project = write_project(world.folder, "tiny", dynamic=dynamic)
    hold("tree", project).expect("holding")
    said = world.miniuv("pip", "install", "-e", project, "--lock-wait", "0.1")
    assert said.code == 75, said.err


SLOW_FAILURE = """
import os, time
def build_wheel(folder, settings=None, metadata=None):
    with open(os.environ["TRIES"], "a") as file:
        file.write("tried\\n")
    deadline = time.monotonic() + 60
    while not os.path.exists(os.environ["GO"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    raise SystemExit("this cannot be built")
"""


def test_three_commands_that_want_what_cannot_be_built_try_it_once_and_say_the_same(
    world: World, tmp_path: Path
) -> None:
    project = {
        "PKG-INFO": "Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n",
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "slow"\nbackend-path = ["."]\n',
        "slow.py": SLOW_FAILURE,
    }
    write_files(tmp_path / "bad-1.0", project)
    with tarfile.open(tmp_path / "bad-1.0.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "bad-1.0", "bad-1.0")
    tries, log = tmp_path / "tries", tmp_path / "log"
    environ = {"TRIES": str(tries), "GO": str(tmp_path / "go"), "MINIUV_LOCK_LOG": str(log)}

    commands = [world.start("pip", "install", tmp_path / "bad-1.0.tar.gz", environ=environ) for _ in range(3)]

    def two_wait() -> bool:
        events = read_lock_log(log) if log.exists() else []
        running = {event["name"] for event in events if event["event"] == "acquire" and "wheel/" in str(event["name"])}
        behind = {event["pid"] for event in events if event["event"] == "wait" and event["name"] in running}
        behind |= {event["pid"] for event in events if event["event"] == "stand-back"}
        return len(behind) == 2

    until(two_wait)
    (tmp_path / "go").touch()
    for command in commands:
        _, err = command.communicate(timeout=60)
        assert command.returncode == 1
        assert "this cannot be built" in err
    assert tries.read_text() == "tried\n"


ENDLESS = """
import os, time
def build_editable(folder, settings=None, metadata=None):
    with open("pid.part", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid.part", "pid")
    while True:
        time.sleep(1)
"""


def test_the_lock_of_a_source_tree_is_free_only_when_a_killed_commands_backend_is_gone(
    world: World, tmp_path: Path
) -> None:
    lines = ["[build-system]", "requires = []", 'build-backend = "endless"', 'backend-path = ["."]']
    lines += ["[project]", 'name = "endless"', 'version = "1.0"', ""]
    project = write_files(tmp_path / "endless", {"pyproject.toml": "\n".join(lines), "endless.py": ENDLESS})
    locks = LockManager(tmp_path, runtime=runtime_folder(fallback=tmp_path), reporter=Reporter())

    def try_lock() -> HeldLocks | None:
        return locks.try_acquire([LockKey.source_tree(project)], step="next")

    with world.start("pip", "install", "-e", project) as command:
        until((project / "pid").exists)
        backend = Path("/proc", (project / "pid").read_text(), "exe")
        assert try_lock() is None
        command.kill()
        with until(try_lock):
            assert not os.path.lexists(backend)
    locks.close()
