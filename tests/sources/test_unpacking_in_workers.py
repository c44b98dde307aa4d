"""Wheels that are unpacked by workers are what they would be without; what workers cannot do is done here."""

from pathlib import Path

import pytest

from miniuv.workers import COUNT
from tests.support.commands import World
from tests.support.processes import OtherProcess, read_lock_log
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

_OBTAIN = """
import hashlib, json
from pathlib import Path
from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.errors import MiniuvError
from miniuv.workers import Workers
from miniuv.reporter import Reporter
from miniuv.sources.wheels import Wheels, unpacking

cache, file, count, kill = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "kill"
digest = hashlib.sha256(file.read_bytes()).hexdigest()
with Store.open(cache, reporter=Reporter()) as store, Workers(unpacking) as workers:
    store.guards()
    workers.start(count)
    if kill:
        import os, signal
        for pid in workers._all:
            os.kill(pid, signal.SIGKILL)
    jobs = JobRunner(locks=store.locks, reporter=Reporter(), limits={}, lock_wait=None)
    wheels = Wheels(store=store, jobs=jobs, reporter=Reporter(), workers=workers)
    try:
        made = wheels.obtain(file, filename=file.name, digest=digest)
        say(json.dumps([made.dist_info, [[row.path, row.size, row.sha256, row.executable] for row in made.files]]))
    except MiniuvError as error:
        say(f"{type(error).__name__}: {error}")
    say("here" if "zipfile" in sys.modules else "elsewhere")
"""


def obtain(cache: Path, file: Path, *, workers: int, kill: bool = False) -> tuple[str, str]:
    """What is unpacked, or what is wrong with it; and whether anybody unpacked ``here``."""
    with OtherProcess(_OBTAIN, cache, file, workers, "kill" if kill else "") as process:
        return process.line(), process.line()


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path, "thing", "1.0", {"thing/__init__.py": "x = 1\n", "thing/big.bin": b"ab" * 9_000_000})


def test_a_worker_unpacks_what_would_be_unpacked_here(wheel: Path, tmp_path: Path) -> None:
    there, place = obtain(tmp_path / "one", wheel, workers=1)
    here, same_place = obtain(tmp_path / "two", wheel, workers=0)
    assert there == here
    assert (place, same_place) == ("elsewhere", "here")


def test_a_wheel_is_unpacked_here_where_the_workers_have_died(wheel: Path, tmp_path: Path) -> None:
    expected, _ = obtain(tmp_path / "one", wheel, workers=0)
    assert obtain(tmp_path / "two", wheel, workers=2, kill=True) == (expected, "here")


def test_what_is_wrong_with_a_wheel_is_told_as_without_workers(wheel: Path, tmp_path: Path) -> None:
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 255
    wheel.write_bytes(data)
    told, _ = obtain(tmp_path / "one", wheel, workers=1)
    assert told.startswith("ArchiveError: ")
    assert told == obtain(tmp_path / "two", wheel, workers=0)[0]


def test_a_short_wheel_of_an_index_is_fetched_once_and_not_unpacked_before_it_is_chosen(tmp_path: Path) -> None:
    served = tmp_path / "served"
    files = [make_wheel(served, "one", version) for version in ("1.0", "2.0")]
    with SimpleIndex(served) as server:
        world = World.make(tmp_path, index=server.url)
        server.extra = {file.name: {"size": file.stat().st_size} for file in files}
        world.install("--dry-run", "one")
        assert not list((world.folder / "cache").rglob("MANIFEST"))
        world.install("one")
        assert world.installed() == {"one": "2.0"}
        assert server.paths("/files/") == ["/files/one-2.0-py3-none-any.whl"]


def test_no_more_wheels_are_locked_than_the_workers_can_take(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    names = [f"wheel{number}" for number in range(16)]
    for name in names:
        make_wheel(world.folder / "wheels", name, "1.0", {f"{name}/{part}.py": "x = 1\n" * 2000 for part in range(60)})
    log = tmp_path / "locks.log"
    with world.start(
        "pip", "install", "--find-links", "wheels", *names, environ={"MINIUV_LOCK_LOG": str(log)}
    ) as command:
        _, said = command.communicate()
    assert command.returncode == 0, said

    held, most = 0, 0
    for event in read_lock_log(log):
        if str(event.get("name", "")).startswith("unpack/"):
            held += {"acquire": 1, "release": -1}.get(str(event["event"]), 0)
            most = max(most, held)
    assert 0 < most <= COUNT + 1
