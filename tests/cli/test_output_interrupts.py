"""Ctrl-C and SIGTERM, sent to real processes: nothing half-done, nobody left behind, no traceback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniuv.errors import Interrupted
from miniuv.process import SubprocessRunner
from tests.support.commands import World
from tests.support.projects import write_project

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")

_PATIENCE = 30


def _relatives(world: World) -> list[str]:
    """What runs with the environment of a command of this world."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(str(world.folder)) in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def _tree(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.name != ".lock" and "__pycache__" not in path.parts)


@contextmanager
def _interrupted(world: World, number: int, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """Start an installation, interrupt it when the caller knows it is under way, and check what is left of it."""
    world.environ["WORLD"] = str(world.folder)
    before = _tree(world.folder / ".venv")
    ignored = signal.getsignal(number) == signal.SIG_IGN
    if ignored:  # as under nohup, which a child would heed too
        signal.signal(number, signal.SIG_DFL)
    try:
        process = world.start("pip", "install", *arguments)
    finally:
        if ignored:
            signal.signal(number, signal.SIG_IGN)
    try:
        yield process
        assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=_PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 128 + number, err
    assert out == ""
    assert err.splitlines()[-1] == f"error: {'interrupted' if number == signal.SIGINT else 'terminated'}"
    assert "Traceback" not in err
    assert _relatives(world) == []
    assert _tree(world.folder / ".venv") == before


@pytest.mark.parametrize(
    ("number", "dynamic"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, True)],
    ids=["interrupted while preparing", "interrupted while resolving", "terminated", "hung up"],
)
def test_a_build_is_ended_with_its_children(world: World, number: signal.Signals, dynamic: bool) -> None:
    signs = world.folder / "signs"
    os.mkfifo(signs)
    folder = write_project(world.folder, "one", dynamic=dynamic)
    backend = folder / "backend" / "tiny.py"
    hang = f"import subprocess\nsubprocess.run(['sh', '-c', 'echo under way > {signs}; sleep 1000; true'])"
    backend.write_text(f"{backend.read_text()}\n\ndef build_editable(*_):\n    exec({hang!r})\n")
    with _interrupted(world, number, "-e", "one"):
        assert signs.read_text() == "under way\n"


def test_a_fetch_is_ended_with_its_children(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"git+http://127.0.0.1:{server.getsockname()[1]}/one.git"
        with _interrupted(world, signal.SIGTERM, f"one @ {url}"):
            connection, _ = server.accept()
            assert connection.recv(4) == b"GET "
        connection.close()


def test_a_wait_for_an_index_is_ended(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        world = World.make(tmp_path, index=f"http://127.0.0.1:{server.getsockname()[1]}/simple/")
        with _interrupted(world, signal.SIGINT, "one"):
            connection, _ = server.accept()
            assert connection.recv(4) == b"GET "
        connection.close()


def test_a_second_interrupt_does_not_disturb_the_first(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"git+http://127.0.0.1:{server.getsockname()[1]}/one.git"
        with _interrupted(world, signal.SIGINT, f"one @ {url}") as process:
            connection, _ = server.accept()
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)
        connection.close()


def test_after_an_interrupt_the_same_command_succeeds(world: World) -> None:
    signs = world.folder / "signs"
    os.mkfifo(signs)
    folder = write_project(world.folder, "one")
    backend = folder / "backend" / "tiny.py"
    whole = backend.read_text()
    backend.write_text(
        f"{whole}\n\ndef build_editable(*_):\n    open({str(signs)!r}, 'w').close()\n    open({str(signs)!r})\n"
    )
    with _interrupted(world, signal.SIGINT, "-e", "one"):
        signs.read_text()
    backend.write_text(whole)
    world.install("-e", "one")
    assert world.installed() == {"one": "1.0"}


def test_once_everything_is_ended_no_program_is_started_any_more() -> None:
    runner = SubprocessRunner()
    runner.end_all()
    with pytest.raises(Interrupted):
        runner.run([sys.executable, "--version"])
