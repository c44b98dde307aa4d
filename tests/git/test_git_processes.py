from pathlib import Path

from demo.git_server import GitServer
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import open_room
from tests.support.processes import OtherProcess

_CHECK_OUT_ALL = """
import random, sys, threading
from pathlib import Path
from tests.support.git_room import open_room

cache, copies, seed, *wanted = sys.argv[1:]
pairs = [tuple(entry.rsplit("@", 1)) for entry in wanted]
random.Random(seed).shuffle(pairs)
failures = []
with open_room(Path(cache)) as room:
    say("ready")
    hear()
    def work(number, url, ref):
        try:
            room.checkout(url, ref)
            room.build_copy(url, ref, Path(copies) / str(number))
        except BaseException as error:
            failures.append(error)
            raise
    threads = [threading.Thread(target=work, args=(number, *pair)) for number, pair in enumerate(pairs)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
say("failed" if failures else "well")
"""

_FETCH_SLOWLY = """
import sys
from pathlib import Path
from miniuv.reporter import Reporter
from tests.support.git_room import open_room

class Telling(Reporter):
    def progress(self, activity, detail):
        say("fetching")
        hear()

with open_room(Path(sys.argv[1]), reporter=Telling()) as room:
    room.checkout(sys.argv[2], "main")
"""


def make_repositories(folder: Path, count: int) -> list[GitRepository]:
    repositories = [GitRepository.create(folder / f"lib{number}.git") for number in range(count)]
    for repository in repositories:
        for number in range(3):
            repository.commit({"a": str(number)})
        repository.tag("v1", "main~1")
    return repositories


def test_four_processes_with_the_same_repositories_fetch_each_once(tmp_path: Path) -> None:
    repositories = make_repositories(tmp_path / "served", 4)
    (tmp_path / "cache").mkdir(mode=0o700)
    with GitServer(tmp_path / "served") as server:
        wanted = []
        for number, repository in enumerate(repositories):
            url = f"{server.url}/lib{number}.git"
            wanted += [f"{url}@main", f"{url}@v1", f"{url}@{repository.head()}"]
        processes = [
            OtherProcess(_CHECK_OUT_ALL, tmp_path / "cache", tmp_path / f"copies{seed}", seed, *wanted)
            for seed in range(4)
        ]
        for process in processes:
            process.expect("ready")
        for process in processes:
            process.tell()
        for process in processes:
            with process:
                assert process.end() == ["well"]
        assert [server.packs_sent(f"lib{number}.git") for number in range(4)] == [1, 1, 1, 1]
    assert not list((tmp_path / "cache" / "v1" / "tmp").glob("*/*"))


def test_after_a_kill_in_the_middle_of_a_fetch_the_next_run_works(tmp_path: Path) -> None:
    make_repositories(tmp_path / "served", 1)
    (tmp_path / "cache").mkdir(mode=0o700)
    with GitServer(tmp_path / "served") as server:
        url = f"{server.url}/lib0.git"
        with OtherProcess(_FETCH_SLOWLY, tmp_path / "cache", url) as process:
            process.expect("fetching")
            process.kill()
        with open_room(tmp_path / "cache") as room:
            assert (room.checkout(url, "main") / "a").read_text() == "2"
            copy = room.build_copy(url, "main", tmp_path / "copy")
            assert git("describe", "--tags", at=copy).startswith("v1-1-g")


def test_a_second_process_takes_what_the_first_was_told_in_the_meantime(tmp_path: Path) -> None:
    (repository,) = make_repositories(tmp_path / "served", 1)
    with GitServer(tmp_path / "served") as server:
        url = f"{server.url}/lib0.git"
        with open_room(tmp_path / "cache") as early, open_room(tmp_path / "cache") as later:
            assert early.pin(url, "main") == later.pin(url, "main")
            assert later.runner.commands == []
        repository.commit({"a": "moved"})
        with open_room(tmp_path / "cache") as next_run:
            assert next_run.pin(url, "main").commit == repository.head()
