"""B5: backends that print without end, leave daemons, kill what they can reach or write into our own folders."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Said, World
from tests.support.projects import write_project
from tests.support.refusals import tree
from tests.support.wheels import make_wheel

BIG = """

def build_editable(*arguments):
    lines = (b"x" * 1023 + b"\\n") * 1024
    for _ in range({megabytes}):
        os.write(1, lines)
    raise SystemExit("that was all")
"""

DAEMON = """

def _leave_a_daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            with open(os.environ["DAEMON"], "w") as file:
                file.write(str(os.getpid()))
            import time
            while True:
                time.sleep(60)
        os._exit(0)


_editable = build_editable


def build_editable(*arguments):
    _leave_a_daemon()
    return _editable(*arguments)
"""

KILLS = {
    "itself": "os.kill(os.getpid(), 9)",
    "its group": "os.killpg(os.getpgrp(), 9)",
    "its parent": "os.kill(os.getppid(), 9)",
    "the group of its parent": "os.killpg(os.getpgid(os.getppid()), 9)",
}

SPOIL = """

def _spoil(how):
    for above, _, files in os.walk(os.environ["MINIUV_CACHE_DIR"]):
        if "locks" in above.split(os.sep) or "leases" in above.split(os.sep):
            for name in files:
                path = os.path.join(above, name)
                if how == "unlink":
                    os.unlink(path)
                else:
                    with open(path, "r+b") as file:
                        file.write(b"\\xff{junk")


_editable = build_editable


def build_editable(*arguments):
    _spoil(os.environ["SPOIL"])
    return _editable(*arguments)
"""


def write_backend(world: World, code: str) -> Path:
    folder = write_project(world.folder, "thing")
    with (folder / "backend" / "tiny.py").open("a") as file:
        file.write(code)
    return folder


def run_apart(world: World, *arguments: str, **variables: str) -> Said:
    """Run a command in a session of its own, for its backend may kill whole groups."""
    return world.run(sys.executable, "-m", "miniuv", *arguments, environ=variables, start_new_session=True)


def assert_usable(world: World) -> None:
    """Nobody holds a lock that is needed for the same project, and the cache serves."""
    write_project(world.folder, "thing")
    world.install("--lock-wait", "5", "-e", "thing")
    assert world.installed() == {"thing": "1.0"}


MEASURED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Tells the KiB that a command and its children needed; a child of ours would bring along what we have ourselves."""


@pytest.mark.parametrize("megabytes", [64, pytest.param(1024, marks=pytest.mark.stress)])
def test_what_a_backend_prints_without_end_is_bounded_on_disk_and_in_memory(world: World, megabytes: int) -> None:
    write_backend(world, BIG.format(megabytes=megabytes))
    before = tree(world.folder / ".venv")
    done = world.run(sys.executable, "-c", MEASURED, sys.executable, "-m", "miniuv", "pip", "install", "-e", "thing")
    assert done.code == 1
    assert "that was all" in done.err
    assert len(done.err) < 20_000
    assert int(done.out) < 300 * 1024
    logs = Path(world.environ["MINIUV_CACHE_DIR"], "v1", "logs")
    assert sum(log.stat().st_size for log in logs.iterdir()) < 10 * 2**20
    assert tree(world.folder / ".venv") == before


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Path]:
    """The file in which the daemon of ``DAEMON`` says its number; it is ended with the test."""
    said = tmp_path / "daemon"
    yield said
    if said.exists() and said.read_text():
        os.kill(int(said.read_text()), signal.SIGKILL)


@pytest.mark.timeout(60)
def test_a_daemon_with_all_descriptors_of_the_backend_holds_up_nobody(world: World, daemon: Path) -> None:
    write_backend(world, DAEMON)
    said = run_apart(world, "pip", "install", "-e", "thing", DAEMON=str(daemon))
    assert said.code == 0, said.err
    os.kill(int(daemon.read_text()), 0)  # it lives: a compiler's cache server would be welcome to
    assert_usable(world)


@pytest.mark.parametrize(
    ("whom", "place"),
    [*((whom, "in-tree") for whom in KILLS), ("itself", "installed"), ("the group of its parent", "installed")],
)
def test_a_backend_that_kills_what_it_can_reach_is_told_and_leaves_no_lock(world: World, whom: str, place: str) -> None:
    kill = f"\n\ndef build_editable(*arguments):\n    {KILLS[whom]}\n    import time; time.sleep(60)\n"
    folder = write_backend(world, kill)
    if place == "installed":
        backend = (folder / "backend" / "tiny.py").rename(world.folder / "tiny.py")
        make_wheel(world.folder / "wheels", "tiny-backend", "1.0", {"tiny.py": backend.read_text()})
        text = (folder / "pyproject.toml").read_text().replace('backend-path = ["backend"]', "")
        (folder / "pyproject.toml").write_text(text.replace("requires = []", 'requires = ["tiny-backend"]', 1))
    before = tree(world.folder / ".venv")
    said = run_apart(world, "pip", "install", "--find-links", str(world.folder / "wheels"), "-e", "thing")
    assert said.code == 1, said.err
    assert "ended `build_editable` with signal SIGKILL" in said.err
    assert "\nhint: " in said.err
    assert tree(world.folder / ".venv") == before
    assert_usable(world)


@pytest.mark.parametrize("how", ["overwrite", "unlink"])
def test_a_backend_that_writes_into_our_lock_folders_spoils_no_more_than_the_messages(world: World, how: str) -> None:
    write_backend(world, SPOIL)
    said = run_apart(world, "pip", "install", "-e", "thing", SPOIL=how)
    assert "Traceback" not in said.err
    assert said.code == 0, said.err
    assert_usable(world)
