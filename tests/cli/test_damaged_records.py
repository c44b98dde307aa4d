"""Files of the cache and of the environment that somebody has edited: found out or passed over (I10)."""

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from miniuv.archive.manifest import load_unpacked
from miniuv.cache.records import pack_record, unpack_record
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

JUNK: list[Any] = [
    None,
    3,
    True,
    "x",
    "\ud800",
    "../../x",
    "a" * 64,
    [],
    {},
    ["x"],
    {"x": 1},
    1e300,
    10**400,
    float("nan"),
]
NAMES = {"one", "two", "three", "four"}


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A world that has installed something of every kind: of an index, by address, of git, and an editable."""

    world: World
    wanted: tuple[str, ...]

    @property
    def cache(self) -> Path:
        return Path(self.world.environ["MINIUV_CACHE_DIR"]) / "v1"

    def records(self) -> list[Path]:
        return sorted((self.cache / "index").glob("*.json"))

    def install(self) -> None:
        """Empty the environment and fill it again: everything must be there, and be what it is called."""
        gone = self.world.miniuv("pip", "uninstall", *sorted(NAMES))
        assert gone.code == 0, gone.err
        said = self.world.miniuv("pip", "install", "--compile", *self.wanted)
        assert said.code == 0, said.err
        assert "Traceback" not in said.err
        code = f"import importlib; print({{n: importlib.import_module(n).__version__ for n in {sorted(NAMES)}}})"
        assert self.world.evaluate(code) == str(dict.fromkeys(sorted(NAMES), "1.0"))
        again = self.world.miniuv("pip", "install", "--compile", *self.wanted)
        assert again.code == 0, again.err


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Made once: every test leaves it whole again, or has failed."""
    tmp_path = tmp_path_factory.mktemp("shop")
    folder = tmp_path / "index"
    make_wheel(folder, "one", "1.0", requires=["two"])
    by_address = make_wheel(tmp_path / "addressed", "three", "1.0")
    make_wheel(folder, "two", "1.0")
    make_wheel(folder, "two", "0.9")
    with SimpleIndex(folder, metadata="advertised", page_headers={"Cache-Control": "max-age=600"}) as index:
        world = World.make(tmp_path, index=index.url)
        repository = GitRepository.create(tmp_path / "four.git")
        repository.commit(project_files("four", dynamic=True))
        write_project(world.folder, "five", dynamic=True)
        (folder / by_address.name).write_bytes(by_address.read_bytes())
        address = f"three @ {index.root}/files/{by_address.name}"
        shop = Shop(world=world, wanted=("one", address, f"four @ git+{repository.url}@main", "-e", "five"))
        world.install("--compile", *shop.wanted)
        shop.install()
        yield shop


def _flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data)) if data else 0
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :] if data else b"\0"


def _truncate(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) or 1)]


DAMAGE: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": _flip,
    "truncate": _truncate,
    "empty": lambda *_: b"",
    "junk": lambda _, chance: chance.randbytes(100),
    "zeros": lambda data, _: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_records_are_found_out(shop: Shop, damage: str) -> None:
    chance = random.Random(damage)
    assert len(shop.records()) > 8
    for path in shop.records():
        path.write_bytes(DAMAGE[damage](path.read_bytes(), chance))
    shop.install()


def test_records_in_the_place_of_others_are_found_out(shop: Shop) -> None:
    paths = shop.records()
    contents = [path.read_bytes() for path in paths]
    for path, content in zip(paths, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    shop.install()


def _spoiled(value: Any, junk: Any, chance: random.Random) -> Any:
    """Put ``junk`` in the place of something within ``value``."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(sorted(value))
        return {**value, key: _spoiled(value[key], junk, chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], _spoiled(value[place], junk, chance), *value[place + 1 :]]
    return value if isinstance(junk, type(value)) else junk


def spoil(shop: Shop, chance: random.Random) -> None:
    readable = [(path, found) for path in shop.records() if (found := unpack_record(path.read_bytes()))]
    assert len(readable) > 8
    for path, unpacked in readable:
        spoiled = _spoiled(unpacked[1], chance.choice(JUNK), chance)
        if isinstance(spoiled, dict):
            path.write_bytes(pack_record(unpacked[0], spoiled))


@contextmanager
def unspoiled_afterwards(shop: Shop) -> Iterator[None]:
    before = {path: path.read_bytes() for path in shop.records()}
    yield
    for path, content in before.items():
        path.write_bytes(content)


@pytest.mark.parametrize("seed", range(3))
def test_records_with_values_of_other_kinds_are_no_traceback(shop: Shop, seed: int) -> None:
    """What an older or newer miniuv may have written; some of it makes sense, and is not for the tests that follow."""
    with unspoiled_afterwards(shop):
        spoil(shop, random.Random(seed))
        shop.install()


@pytest.mark.stress
def test_many_records_with_values_of_other_kinds_are_no_traceback(shop: Shop) -> None:
    for seed in range(200):
        with unspoiled_afterwards(shop):  # spoiled twice, a value may be of its own kind again
            spoil(shop, random.Random(f"many {seed}"))
            shop.install()


KINDS = (
    "unpacked/*/MANIFEST", "http/*", "leases/*", "locks/*/*", "git-databases/*/packed-refs", "bytecode/*/*",
    "../../world/.venv/.miniuv-state/*",
)  # fmt: skip


def damage_files(shop: Shop, kinds: Iterable[str], damage: str) -> None:
    chance = random.Random(damage)
    for path in (path for kind in kinds for path in sorted(shop.cache.glob(kind)) if path.is_file()):
        path.chmod(0o600)
        path.write_bytes(DAMAGE[damage](path.read_bytes(), chance))


@pytest.mark.parametrize("damage", ["flip", "truncate", "junk"])
def test_damaged_files_of_the_cache_and_state_files_are_found_out(shop: Shop, damage: str) -> None:
    damage_files(shop, KINDS, damage)
    shop.install()


@pytest.mark.stress
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_damaged_file_is_found_out(shop: Shop, kind: str, damage: str) -> None:
    damage_files(shop, [kind], damage)
    shop.install()


def test_every_flipped_bit_of_a_manifest_is_found_out(shop: Shop) -> None:
    entry = next(each for each in sorted((shop.cache / "unpacked").iterdir()) if load_unpacked(each) is not None)
    manifest = entry / "MANIFEST"
    content = manifest.read_bytes()
    try:
        for place in range(len(content)):
            bad = bytearray(content)
            bad[place] ^= 1 << (place % 8)
            manifest.write_bytes(bad)
            assert load_unpacked(entry) is None, place
    finally:
        manifest.write_bytes(content)
    assert load_unpacked(entry) is not None
