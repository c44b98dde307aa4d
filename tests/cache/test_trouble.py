"""A disk that is full or read-only, no files left to open, no home, a cache of somebody else's, a clock that jumped."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from demo.git_server import GitServer
from tests.support.commands import Said, World
from tests.support.git_repositories import GitRepository
from tests.support.mounts import own_mounts
from tests.support.projects import project_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

_DEFECT = ("defect of miniuv", "Traceback", "the system refused")
_STRANGER = 12345


def cache_of(world: World) -> Path:
    return Path(world.environ["MINIUV_CACHE_DIR"])


def is_clear(said: Said) -> bool:
    """Whether a failure was told as one that a person can do something about."""
    return said.code == 1 and "hint:" in said.err and not any(word in said.err for word in _DEFECT)


def check_sound(world: World) -> None:
    """The cache is whole, and after a prune without anything unfinished."""
    verified = world.miniuv("cache", "verify")
    assert verified.code == 0, verified.out + verified.err
    assert world.miniuv("cache", "prune").code == 0
    assert [*(cache_of(world) / "v1" / "tmp").iterdir(), *(cache_of(world) / "v1" / "leases").iterdir()] == []


def shell(world: World, script: str, *arguments: str | Path, namespace: bool = False) -> Said:
    """Run ``script``, in which ``miniuv`` is ours; ``namespace``: it may mount, and nobody else sees it."""
    prelude = f'miniuv() {{ "{sys.executable}" -m miniuv "$@"; }}\n'
    namespaces = own_mounts() if namespace else ()
    return world.run(*namespaces, "sh", "-c", prelude + script, "sh", *arguments, timeout=240)


def of_every_kind(world: World, index: SimpleIndex) -> Sequence[str]:
    """Requirements for a wheel, an sdist, a git repository and an editable."""
    make_wheel(index.folder, "wheeled", "1.0", files={"wheeled.py": "x = 1\n" * 20_000})
    tree = write_project(index.folder / "trees", "sourced").rename(index.folder / "trees" / "sourced-1.0")
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sourced\nVersion: 1.0\n")
    shutil.make_archive(str(index.folder / "sourced-1.0"), "gztar", tree.parent, tree.name)
    shutil.rmtree(index.folder / "trees")
    repository = GitRepository.create(world.folder / "pinned.git")
    commit = repository.commit(project_files("pinned", dynamic=True))
    write_project(world.folder, "local", dynamic=True)
    return ["wheeled", "sourced", f"pinned @ git+{repository.url}@{commit}", "-e", "local"]


EVERYTHING = {"wheeled": "1.0", "sourced": "1.0", "pinned": "1.0", "local": "1.0"}

_ON_A_SMALL_DISK = """
cache=$1 size=$2; shift 2
mkdir -p "$cache" && mount -t tmpfs -o "mode=0700,size=${size}k" none "$cache" || exit 99
miniuv pip install "$@"; first=$?
miniuv pip list --format freeze 2>/dev/null
find "$cache" -path '*/v1/tmp/*' -o -path '*/v1/leases/*'
echo ---
mount -o remount,size=64m "$cache" || exit 98
miniuv pip install "$@" 2>&1 || exit 97
miniuv cache verify 2>&1 || exit 96
miniuv cache prune 2>/dev/null || exit 95
find "$cache" -path '*/v1/tmp/*' -o -path '*/v1/leases/*'
exit $first
"""


@pytest.mark.parametrize(
    "size",
    [
        size if size in (48, 160, 400) else pytest.param(size, marks=pytest.mark.stress)
        for size in (4, 16, 32, 48, 64, 80, 96, 112, 128, 160, 200, 240, 280, 320, 400, 480)
    ],
)
def test_a_cache_on_a_full_disk_ends_an_install_with_a_clear_error_and_serves_once_there_is_room(
    world: World, index: SimpleIndex, size: int, record_property: Callable[[str, object], None]
) -> None:
    requirements = of_every_kind(world, index)
    said = shell(world, _ON_A_SMALL_DISK, cache_of(world), str(size), *requirements, namespace=True)
    assert said.code in (0, 1), f"{said.out}{said.err}"
    before, _, after = said.out.partition("---")
    if said.code == 1:
        assert is_clear(said), said.err
        assert before == "", "neither the environment nor the cache has anything of it"
    assert after.rstrip().endswith("all is well"), said.out
    record_property("figure", f"a cache of {size} KiB: {'success' if said.code == 0 else 'a clear error'}")


@pytest.mark.parametrize("limit", [32, 64, 128])
def test_with_few_files_to_open_fifty_wheels_are_installed_or_the_limit_is_named(
    world: World, index: SimpleIndex, limit: int, record_property: Callable[[str, object], None]
) -> None:
    names = [f"wheel{number}" for number in range(50)]
    for name in names:
        make_wheel(index.folder, name, "1.0")
    said = shell(world, f'ulimit -n {limit} && miniuv pip install "$@"', *names)
    record_property("figure", f"{limit} open files, 50 wheels: {'success' if said.code == 0 else 'a clear error'}")
    if said.code != 0:
        assert is_clear(said), said.err
        assert "too many open files" in said.err.lower(), said.err
        assert world.installed() == {}
        world.install(*names)
    assert set(world.installed()) == set(names)
    check_sound(world)


_READ_ONLY = """
cache=$1; shift
mount --bind "$cache" "$cache" && mount -o remount,ro,bind "$cache" || exit 99
if touch "$cache/v1/probe" 2>/dev/null; then exit 98; fi
miniuv "$@"
"""


def test_a_warm_cache_on_a_read_only_disk_serves_a_new_environment_and_is_not_built_anew(
    world: World, index: SimpleIndex
) -> None:
    requirements = of_every_kind(world, index)
    builds = world.folder / "builds"
    world.environ["TINY_BUILD_LOG"] = str(builds)
    world.install(*requirements)
    warm, asked = builds.read_text().splitlines(), len(index.paths("/files/"))
    shutil.rmtree(world.folder / ".venv")
    assert world.miniuv("venv", ".venv", "--python", sys.executable).code == 0
    said = shell(world, _READ_ONLY, cache_of(world), "pip", "install", *requirements, namespace=True)
    assert said.code == 0, said.err
    assert said.err.count("warning:") == 1, said.err
    assert "cannot be written" in said.err
    assert world.installed() == EVERYTHING
    assert len(index.paths("/files/")) == asked, "nothing is downloaded again"
    assert [line for line in builds.read_text().splitlines()[len(warm) :] if line != "editable local"] == []
    check_sound(world)


def test_without_a_home_there_is_a_cache_all_the_same_or_a_clear_error(world: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "pebble", "1.0")
    del world.environ["HOME"], world.environ["MINIUV_CACHE_DIR"]
    world.environ["XDG_CACHE_HOME"] = str(world.folder / "xdg")
    said = shell(world, "miniuv pip install pebble")
    assert said.code == 0, said.err
    assert world.installed() == {"pebble": "1.0"}
    assert (world.folder / "xdg" / "miniuv" / "v1").is_dir()


def test_a_home_that_is_not_there_and_cannot_be_made_costs_the_cache_and_not_the_install(
    world: World, index: SimpleIndex
) -> None:
    make_wheel(index.folder, "pebble", "1.0")
    del world.environ["MINIUV_CACHE_DIR"]
    world.environ["HOME"] = "/proc/nowhere"
    said = shell(world, "miniuv pip install pebble")
    assert said.code == 0 or is_clear(said), said.err
    if said.code == 0:
        assert said.err.count("warning:") == 1, said.err
        assert world.installed() == {"pebble": "1.0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_cache_of_somebody_elses_is_refused_unless_that_is_wanted(world: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "pebble", "1.0")
    world.install("pebble")
    os.chown(cache_of(world) / "v1", _STRANGER, _STRANGER)
    said = world.miniuv("pip", "install", "--reinstall", "pebble")
    assert is_clear(said), said.err
    assert f"uid {_STRANGER}" in said.err
    assert "--allow-shared-cache" in said.err
    said = world.miniuv("pip", "install", "--reinstall", "--allow-shared-cache", "pebble")
    assert said.code == 0, said.err


def stale_locks(database: Path) -> None:
    """What git leaves that was killed: not ours, which never lets it write here, but somebody else's."""
    for name in ("packed-refs.lock", "HEAD.lock", "config.lock", "shallow.lock", "objects/maintenance.lock"):
        (database / name).write_text("")


def broken_packs(database: Path) -> None:
    for pack in (database / "objects" / "pack").glob("*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:-30])


def lost_packs(database: Path) -> None:
    for file in (database / "objects" / "pack").iterdir():
        file.unlink()


@pytest.mark.parametrize("trouble", [stale_locks, broken_packs, lost_packs])
def test_a_git_database_in_trouble_serves_or_is_healed_once(
    world: World, index: SimpleIndex, trouble: Callable[[Path], None]
) -> None:
    root, broken = world.folder / "repositories", trouble is not stale_locks
    repository = GitRepository.create(root / "pebble.git")
    repository.commit(project_files("pebble"))
    with GitServer(root) as server:
        requirement = f"pebble @ git+{server.url}/pebble.git@main"
        world.install(requirement)
        (database,) = (cache_of(world) / "v1" / "git-databases").iterdir()
        trouble(database)
        for kind in ("checkouts", "unpacked", "index"):
            shutil.rmtree(cache_of(world) / "v1" / kind)
        said = world.install("-v", "--reinstall", requirement)
        assert said.err.count("is dropped and fetched again") == broken, said.err
        assert server.packs_sent("pebble.git") == 1 + broken
        repository.commit(project_files("pebble", "2.0"))
        said = world.install("-v", "--upgrade", requirement)
        assert "is dropped" not in said.err
        assert server.packs_sent("pebble.git") == 2 + broken
    assert world.installed() == {"pebble": "2.0"}
    check_sound(world)


@pytest.mark.parametrize("years", [-30, 30])
def test_a_clock_that_jumped_costs_nothing(world: World, index: SimpleIndex, years: int) -> None:
    requirements = of_every_kind(world, index)
    builds = world.folder / "builds"
    world.environ["TINY_BUILD_LOG"] = str(builds)
    world.install(*requirements)
    warm, then = len(builds.read_text().splitlines()), time.time() + years * 365 * 86400
    for path in [cache_of(world), *cache_of(world).rglob("*")]:
        os.utime(path, (then, then), follow_symlinks=False)
    world.install("--reinstall", *requirements)
    assert [line for line in builds.read_text().splitlines()[warm:] if line != "editable local"] == []
    assert world.installed() == EVERYTHING
    check_sound(world)
