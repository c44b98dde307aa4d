"""A disk that takes no further file, not even the collector's own, is one from which garbage can be collected."""

import sys
from pathlib import Path

import pytest

from tests.support.commands import Said, World
from tests.support.mounts import own_mounts
from tests.support.wheels import make_wheel

_FILL = """
import os, sys
number = 0
try:
    while True:
        with open(f"{sys.argv[1]}/filler/{number}", "wb") as file:
            file.write(b"x" * int(sys.argv[2]))
        number += 1
except OSError:
    print(number)
"""

_ON_A_FULL_DISK = """
cache=$1 options=$2 size=$3 python=$4 fill=$5 prepare=$6; shift 6
mkdir -p "$cache" && mount -t tmpfs -o "mode=0700,$options" none "$cache" || exit 99
miniuv() { "$python" -m miniuv "$@"; }
miniuv pip install ./*.whl 2>&1 || exit 98
cd "$cache/v1" && eval "$prepare" && mkdir "$cache/filler" || exit 97
"$python" -c "$fill" "$cache" "$size"
if touch "$cache/probe" 2>/dev/null && echo more > "$cache/probe"; then exit 96; fi
echo ---
miniuv "$@"; code=$?
echo ---
find . -mindepth 2 -path './[bcghiu]*/*' -prune -o -path './trash/*/*' -o -path './tmp/*'
exit $code
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.make(tmp_path)
    for name in ("one", "two", "three"):
        make_wheel(world.folder, name, "1.0", {f"{name}/__init__.py": "x = 1\n"})
    return world


def on_a_full_disk(world: World, *command: str, options: str, size: int, prepare: str = "true") -> tuple[Said, str]:
    """Fill a cache, then its disk, and run ``command``; what it said, and what is left where something could be."""
    cache = world.environ["MINIUV_CACHE_DIR"]
    fill = (cache, options, str(size), sys.executable, _FILL, prepare)
    done = world.run(*own_mounts(), "sh", "-c", _ON_A_FULL_DISK, "sh", *fill, *command, timeout=120)
    assert done.out.count("---") == 2, f"exit code {done.code}\n{done.out}{done.err}"
    _, out, left = done.out.split("---\n")
    return Said(code=done.code, out=out, err=done.err), left


NO_FILE = {"options": "nr_inodes=700,size=64m", "size": 0}
NO_BYTE = {"options": "size=3m", "size": 4096}
NEW = "rm -rf trash locks/gc"
"""A cache that was never pruned."""


@pytest.mark.parametrize(
    ("disk", "prepare"),
    [
        pytest.param(NO_FILE, NEW, id="no file, never pruned"),
        pytest.param(NO_FILE, "rm -rf index logs trash locks", id="no file, nothing but entries"),
        pytest.param(NO_FILE, "mkdir -p trash/parked trash/doomed && touch locks/gc", id="no file, pruned before"),
        pytest.param(NO_BYTE, NEW, id="no byte, never pruned"),
    ],
)
def test_a_cache_on_a_full_disk_can_be_cleaned(world: World, disk: dict[str, object], prepare: str) -> None:
    said, left = on_a_full_disk(world, "cache", "clean", prepare=prepare, **disk)  # type: ignore[arg-type]
    assert said.code == 0, said.err
    assert "Removed " in said.err
    assert "cannot be removed" not in said.err
    assert left == ""


def test_where_nothing_is_old_a_prune_on_a_full_disk_removes_nothing(world: World) -> None:
    said, left = on_a_full_disk(world, "cache", "prune", prepare=NEW, **NO_FILE)  # type: ignore[arg-type]
    assert (said.code, said.err) == (0, "Removed 0 entries and 0 records: 0 B freed\n")
    assert left.count("unpacked") == 3


def test_what_is_damaged_on_a_full_disk_is_dropped(world: World) -> None:
    damage = f"{NEW}; for file in blobs/*; do echo junk > $file; done"
    said, left = on_a_full_disk(world, "cache", "verify", prepare=damage, **NO_FILE)  # type: ignore[arg-type]
    assert said.code == 1
    assert "its content does not have the hash" in said.out
    assert "cannot be removed" not in said.err
    assert "blobs" not in left
    assert "unpacked" in left
