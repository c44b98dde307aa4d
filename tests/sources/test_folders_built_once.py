"""A folder that several commands want at once is asked about and built by one of them."""

import os
from pathlib import Path

from miniuv.cache.lock_keys import LockKey
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
from tests.support.commands import World
from tests.support.processes import read_lock_log, until
from tests.support.pythons import make_environment
from tests.support.recipes import make_backend, write_recipe


def test_who_waits_for_a_folder_neither_asks_its_backend_nor_builds(tmp_path: Path) -> None:
    world = World.make(tmp_path)
    log = tmp_path / "log"
    world.environ |= {
        "MINIUV_FIND_LINKS": str(make_backend(world.folder / "links").parent),
        "MINIUV_LOCK_LOG": str(log),
    }
    folder = write_recipe(world.folder / "one", 'FILES = {"one.py": ""}')
    for name in ("first", "second"):
        make_environment(world.folder / name)

    def waiting() -> bool:
        events = read_lock_log(log) if log.exists() else []
        return len({event["pid"] for event in events if event["event"] == "wait"} - {os.getpid()}) == 2

    with Store.open(Path(world.environ["MINIUV_CACHE_DIR"]), reporter=Reporter()) as store:
        held = store.locks.try_acquire([LockKey.source_tree(folder)], step="a test")
        assert held is not None
        commands = [("--python", "first"), ("--python", "second", "--pre")]  # not the same, or one would stand back
        started = [world.start("pip", "install", *command, "-e", "one") for command in commands]
        with held:
            until(waiting)
        assert [(process.communicate(timeout=60)[1], process.returncode)[1] for process in started] == [0, 0]

    ran = [str(event["title"]) for event in read_lock_log(log) if event["event"] == "run"]
    assert len([title for title in ran if title.startswith("one @")]) == 1, ran
