"""Unpacked wheels in the cache: looked at before they are used, read only where that is needed."""

import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniuv.archive import intact
from miniuv.archive.intact import DamagedWheelError, examine
from miniuv.archive.manifest import MANIFEST, load_unpacked
from miniuv.cache.boot import boot_id
from miniuv.cache.jobs import JobRunner
from miniuv.cache.layout import Layout
from miniuv.cache.records import with_checksum
from miniuv.cache.store import Store
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.reporter import Reporter
from miniuv.sources.wheels import Wheels
from tests.support.manifests import edit_manifest, set_boot
from tests.support.processes import OtherProcess
from tests.support.wheels import make_wheel

_DATA = bytes(range(256)) * 8
_FILES: dict[str, str | bytes] = {
    "thing/__init__.py": "x = 1\n" * 40,
    "thing/data.bin": _DATA,
    "thing/deep/module.py": "def f(): return 1\n",
    "thing-1.0.data/scripts/run": "#!python\nprint(1)\n",
}
_METADATA = "thing-1.0.dist-info/METADATA"


class Shelf:
    """One wheel, and a cache that has it."""

    def __init__(self, folder: Path, store: Store) -> None:
        self.file = make_wheel(folder, "thing", "1.0", _FILES)
        self.digest = Sha256(hashlib.sha256(self.file.read_bytes()).hexdigest())
        self.store = store

    def wheels(self, store: Store | None = None) -> Wheels:
        """As a new run would have them."""
        store = store or self.store
        jobs = JobRunner(locks=store.locks, reporter=Reporter(), limits={}, lock_wait=None)
        return Wheels(store=store, jobs=jobs, reporter=Reporter())

    def obtain(self, wheels: Wheels | None = None) -> UnpackedWheel:
        return (wheels or self.wheels()).obtain(self.file, filename=self.file.name, digest=self.digest)

    @property
    def entry(self) -> Path:
        return self.store.path("unpacked", self.digest)

    def content(self) -> dict[str, bytes]:
        tree = self.entry / "tree"
        return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}

    def set_boot(self, boot: str) -> None:
        set_boot(self.entry, boot)

    def boot(self) -> str:
        wheel = load_unpacked(self.entry)
        assert wheel is not None
        return wheel.boot


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        shelf = Shelf(tmp_path, store)
        shelf.obtain()
        yield shelf


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were hashed to see whether they are what they were."""
    hashed: list[str] = []

    def hash_file(path: str) -> str:
        hashed.append(path)
        return real(path)

    real = intact.hash_file
    monkeypatch.setattr(intact, "hash_file", hash_file)
    return hashed


def test_what_nobody_touched_is_looked_at_and_not_read(shelf: Shelf, read: list[str]) -> None:
    wheels = shelf.wheels()
    found = wheels.find(shelf.digest)
    assert found is not None
    wheels.verify([found])
    assert read == []


@pytest.mark.parametrize("path", ["thing/__init__.py", _METADATA])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"y = 2\n"),
        lambda path: path.write_bytes(path.read_bytes().swapcase()),
        lambda path: os.truncate(path, 3),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    ],
    ids=["appended", "of the same size", "truncated", "deleted", "a folder", "a link"],
)
def test_a_damaged_file_is_never_found_or_linked_and_the_wheel_is_unpacked_anew(
    shelf: Shelf, path: str, damage: object
) -> None:
    before = shelf.content()
    damage(shelf.entry / "tree" / path)  # type: ignore[operator]
    wheels = shelf.wheels()
    found = wheels.find(shelf.digest)
    if path == _METADATA:
        assert found is None
    else:
        assert found is not None
        with pytest.raises(DamagedWheelError, match="thing"):
            wheels.verify([found])
    wheels.verify([shelf.obtain(wheels)])
    assert shelf.content() == before


def test_all_damaged_wheels_are_dropped_before_the_first_is_told(shelf: Shelf, tmp_path: Path) -> None:
    other = Shelf(tmp_path / "other", shelf.store)
    other.file = make_wheel(tmp_path / "other", "other", "1.0")
    other.digest = Sha256(hashlib.sha256(other.file.read_bytes()).hexdigest())
    wheels = shelf.wheels()
    both = [shelf.obtain(wheels), other.obtain(wheels)]
    for wheel in both:
        os.truncate(wheel.root / wheel.files[0].path, 1)
    with pytest.raises(DamagedWheelError):
        wheels.verify(both)
    assert not shelf.entry.exists()
    assert not other.entry.exists()


def test_other_times_cost_one_reading_and_are_noted(shelf: Shelf, read: list[str]) -> None:
    for path in (shelf.entry / "tree").rglob("*"):
        if path.is_file():
            os.utime(path, ns=(0, path.stat().st_mtime_ns // 10**9 * 10**9))
    wheels = shelf.wheels()
    wheels.verify([shelf.obtain(wheels)])
    assert len(read) == len(_FILES) + 3
    read.clear()
    again = shelf.wheels()
    again.verify([shelf.obtain(again)])
    assert read == []


def test_permissions_that_an_environment_changed_are_put_right_without_touching_it(
    shelf: Shelf, tmp_path: Path
) -> None:
    cached = shelf.entry / "tree" / "thing" / "__init__.py"
    installed = tmp_path / "installed.py"
    os.link(cached, installed)
    installed.chmod(0o777)
    before = cached.stat()
    shelf.set_boot("")
    wheels = shelf.wheels()
    wheels.verify([shelf.obtain(wheels)])
    assert cached.stat().st_mode & 0o777 == 0o644
    assert cached.stat().st_mtime_ns == before.st_mtime_ns
    assert installed.stat().st_mode & 0o777 == 0o777
    assert installed.read_bytes() == cached.read_bytes()
    wheel = load_unpacked(shelf.entry)
    assert wheel is not None
    assert wheel.boot == boot_id()
    condition = examine(wheel)
    assert (condition.damaged, condition.drifted, condition.permissions) == ((), (), ())


def test_nothing_is_left_behind_by_mending(shelf: Shelf) -> None:
    (shelf.entry / "tree" / "thing" / "__init__.py").chmod(0o600)
    before = sorted(path for path in shelf.entry.rglob("*"))
    shelf.wheels().verify([shelf.obtain()])
    assert sorted(path for path in shelf.entry.rglob("*")) == before
    assert not [path for path in (shelf.store.root / "v1" / "tmp").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "junk",
    [b"", with_checksum(b"{}"), b"\0" * 400, with_checksum(b"[" * 100_000), None],
    ids=["empty", "of no meaning", "zeros", "deep", "missing"],
)
def test_an_entry_whose_manifest_makes_no_sense_is_made_anew(shelf: Shelf, junk: bytes | None) -> None:
    before = shelf.content()
    if junk is None:
        (shelf.entry / MANIFEST).unlink()
    else:
        (shelf.entry / MANIFEST).write_bytes(junk)
    wheels = shelf.wheels()
    assert wheels.find(shelf.digest) is None
    wheels.verify([shelf.obtain(wheels)])
    assert shelf.content() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"thing/data.bin"', '"thing/data\\u0000.bin"'),
        ('"thing/data.bin"', '"../../../outside"'),
        (hashlib.sha256(_DATA).hexdigest(), "no digest"),
    ],
    ids=["a zero byte", "out of the tree", "no digest"],
)
def test_a_manifest_that_was_edited_trips_nobody(shelf: Shelf, old: str, new: str) -> None:
    edit_manifest(shelf.entry, lambda text: text.replace(old.encode(), new.encode()))
    wheels = shelf.wheels()
    assert wheels.find(shelf.digest) is None
    wheels.verify([shelf.obtain(wheels)])


def test_somebody_elses_damaged_entry_is_not_believed_when_ours_comes_second(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find_nothing_once(kind: object, key: str) -> Path | None:
        monkeypatch.undo()
        return None

    os.truncate(shelf.entry / "tree" / _METADATA, 1)
    wheels = shelf.wheels()
    monkeypatch.setattr(shelf.store, "find", find_nothing_once)
    published = wheels.publish_built(shelf.file)  # it was published between our look and our own publication
    assert examine(published).damaged == ()


def test_what_another_boot_left_is_read_once_and_then_marked(shelf: Shelf, read: list[str]) -> None:
    assert shelf.boot() not in ("", "another boot")
    shelf.set_boot("another boot")
    with Store.open(shelf.store.root, reporter=Reporter()) as later:
        assert shelf.wheels(later).find(shelf.digest) is not None
    first = len(read)
    assert first > 0
    assert shelf.boot() == ""
    with Store.open(shelf.store.root, reporter=Reporter()) as later:
        assert shelf.wheels(later).find(shelf.digest) is not None
    assert len(read) == first


def test_in_a_cache_that_cannot_be_written_everything_is_read_once_a_run(
    shelf: Shelf, read: list[str], tmp_path: Path
) -> None:
    shelf.set_boot("another boot")
    for path in (shelf.entry / "tree").rglob("*.py"):
        os.utime(path, ns=(0, 0))
    with Store.open(tmp_path / "above", reporter=Reporter()) as upper:
        layered = Store(Layout(root=upper.root), readable=Layout(root=shelf.store.root), locks=upper.locks)
        wheels = shelf.wheels(layered)
        for _ in range(3):
            found = wheels.find(shelf.digest)
            assert found is not None
            wheels.verify([found])
            assert found.root == shelf.entry / "tree"
        layered.close()
    assert len(read) == len(set(read))


def test_damage_in_a_cache_that_cannot_be_written_is_made_good_in_our_own(shelf: Shelf, tmp_path: Path) -> None:
    before = shelf.content()
    os.truncate(shelf.entry / "tree" / "thing" / "__init__.py", 3)
    with Store.open(tmp_path / "above", reporter=Reporter()) as upper:
        layered = Store(Layout(root=upper.root), readable=Layout(root=shelf.store.root), locks=upper.locks)
        wheels = shelf.wheels(layered)
        found = wheels.find(shelf.digest)
        assert found is not None
        assert wheels.holds(found)
        with pytest.raises(DamagedWheelError):
            wheels.verify([found])
        assert not wheels.holds(found)
        ours = shelf.obtain(wheels)
        wheels.verify([ours])
        assert {path: (ours.root / path).read_bytes() for path in before} == before
        assert (shelf.entry / "tree" / "thing" / "__init__.py").stat().st_size == 3
        layered.close()


def test_without_a_descriptor_left_nothing_is_taken_for_damage(shelf: Shelf, tmp_path: Path) -> None:
    code = """
    import resource
    from pathlib import Path
    from miniuv.archive.intact import examine
    from miniuv.archive.manifest import load_unpacked
    from miniuv.cache.seal import is_whole
    from miniuv.errors import CacheError
    entry = Path(sys.argv[1])
    wheel = load_unpacked(entry)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    for look in (lambda: load_unpacked(entry), lambda: examine(wheel, content=True), lambda: is_whole(entry)):
        try:
            say(look())
        except CacheError as error:
            say(error.hint is not None)
    """
    with OtherProcess(code, shelf.entry) as other:
        assert other.end() == ["True"] * 3


def _tear(path: Path, chance: random.Random) -> None:
    """What a power cut can leave of a file: its size with zeros for content, or less of it. Its time is right."""
    facts = path.stat()
    data = bytearray(path.read_bytes())
    match chance.randrange(3):
        case 0:
            data = bytearray(chance.randrange(len(data)))
        case 1:
            data = data[: chance.randrange(len(data))]
        case _:
            start = chance.randrange(len(data))
            data[start : start + chance.randrange(1, 4096)] = bytes(len(data[start : start + 4096]))[
                : len(data) - start
            ]
    path.write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("trials", [100, pytest.param(500, marks=pytest.mark.stress)])
def test_what_a_power_cut_tore_is_always_found_and_made_anew(shelf: Shelf, trials: int) -> None:
    chance = random.Random(20)
    before = shelf.content()
    torn = 0
    for trial in range(trials):
        shelf.set_boot("another boot")
        victims = sorted(path for path in shelf.entry.rglob("*") if path.is_file() and path.stat().st_size)
        victim = chance.choice(victims)
        intact_bytes = victim.read_bytes()
        _tear(victim, chance)
        changed = victim.read_bytes() != intact_bytes
        with Store.open(shelf.store.root, reporter=Reporter()) as store:
            wheels = shelf.wheels(store)
            found = wheels.find(shelf.digest)
            assert (found is None) == changed, (trial, victim)
            wheels.verify([shelf.obtain(wheels)])
        assert shelf.content() == before, (trial, victim)
        torn += changed
    assert torn > trials * 0.9
