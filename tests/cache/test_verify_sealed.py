"""Entries with a seal, git databases and downloads: what an earlier boot may have left torn."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniuv.cache import seal as sealing
from miniuv.cache import store as storing
from miniuv.cache.seal import SEAL, is_whole, needs_reading
from miniuv.cache.store import Store
from miniuv.cache.sync import sync_file_system
from miniuv.reporter import Reporter
from tests.support.git_repositories import GitRepository
from tests.support.git_room import open_room


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        yield store


def publish(store: Store, key: str = "k") -> Path:
    with store.staging() as staging:
        tree = staging / "tree"
        (tree / "bin").mkdir(parents=True)
        (tree / "lib").mkdir()
        (tree / "bin" / "python").symlink_to("/usr/bin/python3")
        (tree / "lib" / "module.py").write_text("x = 1\n" * 50)
        (tree / "lib" / os.fsdecode(b"caf\xe9.py")).write_bytes(b"y = 2\n")
        (tree / "pyvenv.cfg").write_text("home = /usr/bin\n")
        return store.publish(tree, "build-environments", key)


def reopened(store: Store) -> Store:
    return Store.open(store.root, reporter=Reporter())


def set_boot(entry: Path, boot: str) -> None:
    _, _, rest = (entry / SEAL).read_bytes().partition(b"\n")
    (entry / SEAL).write_bytes(boot.encode() + b"\n" + rest)


def test_what_this_boot_made_is_believed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = publish(store)
    monkeypatch.setattr(storing, "is_whole", lambda _: pytest.fail("it was read"))
    with reopened(store) as later:
        assert later.find("build-environments", "k") == entry


def test_what_another_boot_made_is_read_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = publish(store)
    set_boot(entry, "another boot")
    assert needs_reading(entry)
    with reopened(store) as later:
        assert later.find("build-environments", "k") == entry
    assert not needs_reading(entry)
    assert is_whole(entry)
    monkeypatch.setattr(sealing, "boot_id", lambda: "a third boot")
    assert not needs_reading(entry)


def test_what_came_in_addition_is_no_damage(store: Store) -> None:
    entry = publish(store)
    set_boot(entry, "another boot")
    (entry / "lib" / "__pycache__").mkdir()
    (entry / "lib" / "__pycache__" / "module.pyc").write_bytes(b"compiled later")
    with reopened(store) as later:
        assert later.find("build-environments", "k") == entry


@pytest.mark.parametrize("junk", [b"", b"another boot", b"another boot\n", b"another boot\n[]\n", b"\xff\n{}\n", None])
def test_without_a_seal_that_makes_sense_an_entry_is_dropped(store: Store, junk: bytes | None) -> None:
    entry = publish(store)
    (entry / SEAL).unlink()
    if junk is not None:
        (entry / SEAL).write_bytes(junk)
    with reopened(store) as later:
        assert later.find("build-environments", "k") is None
        assert later.find("build-environments", "k") is None
    assert not entry.exists()


def test_what_somebody_put_in_the_seals_place_is_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    with store.staging() as staging:
        (staging / "tree").mkdir()
        (staging / "tree" / SEAL).symlink_to(tmp_path / "victim")
        entry = store.publish(staging / "tree", "build-environments", "k")
    assert is_whole(entry)
    assert (tmp_path / "victim").read_text() == "untouched"


@pytest.mark.parametrize("trials", [100, pytest.param(500, marks=pytest.mark.stress)])
def test_a_torn_file_always_drops_a_sealed_entry(store: Store, trials: int) -> None:
    chance = random.Random(21)
    for trial in range(trials):
        entry = publish(store)
        set_boot(entry, "another boot")
        files = sorted(path for path in entry.rglob("*") if path.is_file() and not path.is_symlink())
        victim = chance.choice(files)
        data = victim.read_bytes()
        torn = bytes(len(data)) if trial % 2 else data[: chance.randrange(len(data))]
        victim.write_bytes(torn)
        with reopened(store) as later:
            found = later.find("build-environments", "k")
            assert found is None, (trial, victim, len(torn))


def test_a_torn_git_database_is_fetched_again_and_a_whole_one_is_not(tmp_path: Path) -> None:
    repository = GitRepository.create(tmp_path / "lib.git")
    first = repository.commit({"a": "1" * 3000, "deep/b": "2"})
    repository.tag("v1")
    cache = tmp_path / "cache"
    chance = random.Random(22)

    def files() -> list[Path]:
        (database,) = (cache / "v1" / "git-databases").iterdir()
        (database / "boot").write_text("another boot")
        return sorted(path for path in (database / "objects" / "pack").iterdir() if path.stat().st_size)

    def contents(number: int) -> tuple[str, str, int]:
        with open_room(cache) as room:
            copy = tmp_path / f"copy{number}"
            room.build_copy(repository.url, first, copy)
            return (copy / "a").read_text(), (copy / "deep" / "b").read_text(), room.runner.count("fetch")

    assert contents(0) == ("1" * 3000, "2", 1)
    for number in range(1, 13):
        victims = files()
        assert contents(100 + number)[2] == 0, "a whole database was fetched again"
        victim = chance.choice(files())
        data = bytearray(victim.read_bytes())
        start = chance.randrange(len(data))
        data[start : start + 512] = bytes(len(data[start : start + 512]))
        torn = data if number % 2 else data[:start]
        unchanged = torn == victim.read_bytes()
        victim.chmod(0o600)
        victim.write_bytes(torn)
        one, two, fetched = contents(number)
        assert (one, two) == ("1" * 3000, "2"), (number, victim, victims)
        assert fetched == int(not unchanged), (number, victim)


def test_a_checkout_of_another_boot_that_is_torn_is_written_anew_without_a_fetch(tmp_path: Path) -> None:
    repository = GitRepository.create(tmp_path / "lib.git")
    head = repository.commit({"pyproject.toml": "[project]\n"})
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(repository.url, head)
    set_boot(tree.parent, "another boot")
    (tree / "pyproject.toml").write_bytes(bytes(10))
    with open_room(tmp_path / "cache") as room:
        assert (room.checkout(repository.url, head) / "pyproject.toml").read_text() == "[project]\n"
        assert room.runner.count("fetch") == 0


def test_everything_is_on_the_disk_before_it_has_a_name_where_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, bool]] = []

    def sync(folder: Path) -> None:
        synced.append((folder, (folder / "v1" / "build-environments" / "k").exists()))
        sync_file_system(folder)

    monkeypatch.setattr(storing, "sync_file_system", sync)
    with Store.open(tmp_path / "cache", reporter=Reporter(), durable=True) as store:
        publish(store)
    assert synced == [(tmp_path / "cache", False)]
    synced.clear()
    with Store.open(tmp_path / "other", reporter=Reporter()) as store:
        publish(store)
    assert synced == []
