"""Without locks, or with locks that exclude nobody, work is done twice and nothing else happens."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.cache.layout import Layout, create_folders
from miniuv.cache.lease import Lease
from miniuv.cache.lock_file import LockFile
from miniuv.cache.owner import read_owner
from tests.support.crowd import Crowd
from tests.support.shims import compile_shim

_WARNING = "no locks on the file system"
_SUITE = ("tests/cache/test_cache_store.py", "tests/cache/test_collector.py", "tests/git/test_git_processes.py")
_ABOUT_EXCLUSION = (
    "tests/cache/test_collector.py::TestWhoUsesIt::test_a_second_collection_gives_up_at_once",
    "tests/git/test_git_processes.py::test_four_processes_with_the_same_repositories_fetch_each_once",
)
"""What cannot hold without locks."""
_ROOT = Path(__file__).parents[2]
_TWICE = """
import fcntl, os, sys
one, two = (os.open(sys.argv[1], os.O_RDWR) for _ in range(2))
reading = os.open(sys.argv[1], os.O_RDONLY)
for descriptor in (one, two, reading):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("granted")
    except OSError as error:
        print(error.errno)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim("broken_locks", tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize(
    ("way", "answers"),
    [
        ("noop", "granted granted granted"),
        ("ENOSYS", "38 38 38"),
        ("ENOLCK", "37 37 37"),
        ("EBADF", "granted 11 9"),
        ("", "granted 11 11"),
    ],
)
def test_the_preloaded_library_breaks_locks_as_it_says(library: Path, tmp_path: Path, way: str, answers: str) -> None:
    (tmp_path / "lock").touch()
    environ = {**os.environ, "LD_PRELOAD": str(library), "BROKEN_LOCKS": way}
    done = subprocess.run(
        [sys.executable, "-IS", "-c", _TWICE, str(tmp_path / "lock")],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert " ".join(done.stdout.split()) == answers


def test_a_lease_has_its_name_only_once_it_tells_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(root=tmp_path / "cache")
    create_folders(layout)
    seen: list[Path] = []
    really = os.write

    def write(descriptor: int, data: bytes) -> int:
        seen.extend(layout.leases.iterdir())
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    lease = Lease.open(layout)
    monkeypatch.undo()
    assert [path.suffix for path in seen] == [".new"]
    owner = read_owner(layout.leases / lease.name)
    assert owner is not None
    assert owner.is_this_process
    lease.close()
    assert [*layout.leases.iterdir()] == []


def test_who_looks_whether_a_lease_is_dead_never_makes_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LockFile.try_lock(tmp_path / "lease", create=False)
    assert [*tmp_path.iterdir()] == []


def _crowd(folder: Path, library: Path, way: str, *, processes: int, editables: int, repositories: int) -> Crowd:
    crowd = Crowd.make(folder, processes=processes, editables=editables, repositories=repositories)
    crowd.world.environ |= {"LD_PRELOAD": str(library), "BROKEN_LOCKS": way}
    return crowd


def _install_everywhere(crowd: Crowd, way: str, *, order: int, pruned: bool = False) -> int:
    """One round on a cold cache, with somebody who prunes beside it or not; how many jobs were done in vain."""
    crowd.forget()
    processes = [crowd.start(number, order=order) for number in range(crowd.processes)]
    while pruned and any(process.poll() is None for process in processes):
        said = crowd.world.start("cache", "prune", "--older-than", "0s")
        _, err = said.communicate(timeout=120)
        assert said.returncode == 0, err
    for process in processes:
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert err.count(_WARNING) == (way in ("ENOSYS", "ENOLCK")), err

    crowd.check_installed(range(crowd.processes))
    verified = crowd.world.miniuv("cache", "verify")
    assert verified.code == 0, verified.out + verified.err
    crowd.world.miniuv("cache", "prune")
    assert [*(crowd.cache / "v1" / "tmp").iterdir()] == []
    assert [*(crowd.cache / "v1" / "leases").iterdir()] == []
    if way == "EBADF" and not pruned:
        crowd.check_done_once()
    lines = crowd.lines()
    private = str(crowd.cache / "v1" / "tmp")
    assert all(line.folder.startswith(private) for line in lines if line.what == "fetch")
    assert not [line for line in lines if line.what == "two-writers" and line.name.startswith(str(crowd.cache))]
    done = crowd.count("fetch").total() + crowd.count("wheel").total()
    assert set(crowd.count("fetch")) == {f"{name}.git" for name in crowd.repositories}
    assert set(crowd.count("wheel")) == set(crowd.repositories)
    return done - 2 * len(crowd.repositories)


@pytest.mark.parametrize("way", ["noop", "ENOSYS", "ENOLCK", "EBADF"])
def test_a_crowd_with_broken_locks_installs_everything_and_spoils_nothing(
    library: Path, tmp_path: Path, way: str, record_property: Callable[[str, object], None]
) -> None:
    crowd = _crowd(tmp_path, library, way, processes=3, editables=2, repositories=2)
    spare = _install_everywhere(crowd, way, order=0)
    record_property("figure", f"flock {way}, 3 processes: 0 corrupt entries, {spare} jobs done again")


@pytest.mark.stress
@pytest.mark.parametrize("way", ["noop", "ENOSYS", "ENOLCK", "EBADF"])
def test_a_large_crowd_with_broken_locks_beside_a_collector_spoils_nothing(
    library: Path, tmp_path: Path, way: str, record_property: Callable[[str, object], None]
) -> None:
    crowd = _crowd(tmp_path, library, way, processes=8, editables=4, repositories=6)
    spare = sum(_install_everywhere(crowd, way, order=order, pruned=order % 2 == 1) for order in range(6))
    record_property("figure", f"flock {way}, 8 processes, 6 rounds: 0 corrupt entries, {spare} jobs done again")


@pytest.mark.stress
@pytest.mark.parametrize("way", ["noop", "ENOSYS", "ENOLCK", "EBADF"])
def test_what_is_promised_of_the_cache_holds_with_broken_locks(library: Path, tmp_path: Path, way: str) -> None:
    deselected = [] if way == "EBADF" else [word for name in _ABOUT_EXCLUSION for word in ("--deselect", name)]
    options = ["-q", "-m", "not stress", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *_SUITE, *deselected],
        cwd=_ROOT,
        env={**os.environ, "LD_PRELOAD": str(library), "BROKEN_LOCKS": way},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
