"""What a full disk costs: nothing where all is there already, else an error that says what it would take."""

import errno
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from miniuv.cache.layout import Layout, create_folders
from miniuv.cache.lease import Lease, Pins
from miniuv.cache.lock_file import LockFile
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.cache.store import Store
from miniuv.cache.trouble import cache_error
from miniuv.errors import CacheError
from tests.cache.test_trouble import cache_of, is_clear, of_every_kind, shell
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.processes import RecordingReporter
from tests.support.projects import project_files
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(root=tmp_path / "cache")
    create_folders(layout)
    return layout


class NearlyFull:
    """``os.write`` on a disk with ``room`` bytes left."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._really = os.write

    def __call__(self, descriptor: int, data: bytes) -> int:
        taken = data[: self.room]
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= len(taken)
        return self._really(descriptor, taken)


@pytest.mark.parametrize("room", range(26))
def test_a_pin_that_was_cut_short_spoils_no_other_one(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    lease = Lease.open(layout)
    disk = NearlyFull(room)
    monkeypatch.setattr(os, "write", disk)
    lease.pin("unpacked/first")
    lease.pin("blobs/second")
    cut_short = set(Pins(layout).read())
    disk.room = 1000
    lease.pin("unpacked/third")
    lease.pin("unpacked/first")
    named = set(Pins(layout).read())
    assert {"unpacked/first", "unpacked/third"} <= named
    assert ("blobs/second" in named) == ("blobs/second" in cut_short)
    assert not [name for name in named if name.count("/") > 1], "no two in one"
    lease.close()


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_lease_whose_owner_record_was_cut_short_still_pins(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    disk = NearlyFull(room)
    monkeypatch.setattr(os, "write", disk)
    lease = Lease.open(layout)
    disk.room = 1000
    lease.pin("unpacked/first")
    assert "unpacked/first" in Pins(layout).read()
    lease.close()


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=RecordingReporter(), runtime=tmp_path / "runtime") as store:
        yield store


def test_an_entry_is_found_where_no_lease_can_be_made(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = store.path("unpacked", "k")
    entry.mkdir()
    monkeypatch.setattr(LockFile, "try_lock", full)
    assert store.find("unpacked", "k") == entry
    with pytest.raises(CacheError, match="no space left"), store.staging():
        pass


def test_a_record_that_does_not_fit_any_more_is_no_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write_record("a", {"digest": "1"})
    monkeypatch.setattr(Path, "write_bytes", full)
    store.write_record("a", {"digest": "2"})
    assert store.read_record("a") == {"digest": "1"}
    monkeypatch.undo()
    assert [*(store.root / "v1" / "tmp").glob("*/*")] == []


def test_a_job_is_done_unlocked_where_its_lock_file_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reporter = RecordingReporter()
    locks = LockManager(tmp_path / "locks", runtime=tmp_path, reporter=reporter)
    monkeypatch.setattr(LockFile, "try_lock", full)
    with locks.try_acquire([LockKey.job("git", "a")], step="x") or pytest.fail("busy"):
        pass
    with pytest.raises(CacheError, match="no space left"):
        locks.try_acquire([LockKey.source_tree(tmp_path)], step="x")
    assert reporter.warnings == []
    locks.close()


def test_what_is_needed_and_what_is_free_are_told_where_they_are_known(tmp_path: Path) -> None:
    (tmp_path / "half").write_bytes(bytes(300_000))
    facts = os.statvfs(tmp_path)
    error = cache_error(OSError(errno.ENOSPC, "No space"), path=tmp_path / "half", doing="unpack `a`", needed=5_000_000)
    free = (facts.f_bavail * facts.f_frsize + 300_000) / 1e6
    said = float(str(error.hint).partition(" MB are free")[0].rpartition(" ")[2])
    assert str(error.hint).startswith("5.0 MB are needed, ")
    assert abs(said - free) < 1000, "what was written counts as free, and others write here too"
    assert error.where == str(tmp_path / "half")
    error = cache_error(OSError(errno.EDQUOT, "Quota"), path=tmp_path, doing="unpack `a`")
    assert str(error.hint).startswith("your quota there is used up")


_A_SMALL_CACHE = """
cache=$1; shift
mkdir -p "$cache" && mount -t tmpfs -o mode=0700,size=1m none "$cache" || exit 99
miniuv pip install "$@"
"""


@pytest.mark.parametrize(
    ("kind", "said"), [("wheel", "cannot download `big-1.0"), ("unpack", "cannot unpack `big-1.0"), ("git", "git")]
)
def test_a_full_cache_is_told_with_its_place_what_is_needed_and_what_is_free(
    world: World, index: SimpleIndex, kind: str, said: str
) -> None:
    requirement = "big"
    if kind == "git":
        repository = GitRepository.create(world.folder / "big.git")
        noise = {f"noise{number}": os.urandom(100_000).hex() for number in range(12)}
        repository.commit({**project_files("big"), **noise})
        requirement = f"big @ git+{repository.url}@main"
    else:
        data = os.urandom(3_000_000) if kind == "wheel" else bytes(3_000_000)
        make_wheel(index.folder, "big", "1.0", files={"big.bin": data})
    told = shell(world, _A_SMALL_CACHE, cache_of(world), requirement, namespace=True)
    assert is_clear(told), told.err
    assert said in told.err
    assert str(cache_of(world)) in told.err
    assert "MB are free" in told.err
    assert ("3.0 MB are needed" in told.err) == (kind != "git"), told.err


_FULL = {
    "blocks": 'dd if=/dev/zero of="$cache/filling" bs=4k 2>/dev/null',
    "inodes": 'mount -o "remount,nr_inodes=$(($(stat -f -c %c "$cache") - $(stat -f -c %d "$cache")))" "$cache"',
}
_A_CACHE_THAT_FILLS_UP = """
cache=$1 filling=$2; shift 2
mkdir -p "$cache" && mount -t tmpfs -o mode=0700,size=64m,nr_inodes=50000 none "$cache" || exit 99
miniuv pip install "$@" 2>/dev/null || exit 98
rm -rf .venv
miniuv venv -q .venv --python "$PYTHON" || exit 97
eval "$filling"
if mkdir "$cache/probe" 2>/dev/null && cp /bin/sh "$cache/probe/file" 2>/dev/null; then exit 96; fi
rmdir "$cache/probe" 2>/dev/null
miniuv pip install "$@"
"""


@pytest.mark.parametrize("filling", _FULL)
def test_a_warm_cache_on_a_disk_that_is_full_serves_a_new_environment(
    world: World, index: SimpleIndex, filling: str, record_property: Callable[[str, object], None]
) -> None:
    *requirements, _, _ = of_every_kind(world, index)
    repository = GitRepository.create(world.folder / "moving.git")
    repository.commit(project_files("moving"))
    world.environ["PYTHON"] = sys.executable
    requirements.append(f"moving @ git+{repository.url}@main")
    said = shell(world, _A_CACHE_THAT_FILLS_UP, cache_of(world), _FULL[filling], *requirements, namespace=True)
    assert said.code == 0, f"{said.code}: {said.err}"
    assert world.installed() == {"wheeled": "1.0", "sourced": "1.0", "pinned": "1.0", "moving": "1.0"}
    record_property("figure", f"no {filling} left in a warm cache: 4 of 4 installed")
