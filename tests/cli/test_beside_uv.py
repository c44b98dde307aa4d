"""miniuv and uv at work on one environment: they share its lock, so neither sees what the other has half done."""

import fcntl
import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.uv import find_uv
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.index

MODULES = 40


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return find_uv(tmp_path_factory.mktemp("uv"))


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Two distributions in three versions each, that share a folder."""
    folder = tmp_path / "wheels"
    for name in ("left", "right"):
        for version in ("1.0", "2.0", "3.0"):
            files = {f"{name}/m{number}.py": f"v = {version!r}\n" for number in range(MODULES)}
            make_wheel(
                folder,
                name,
                version,
                {f"{name}/__init__.py": "def main(): pass\n", **files, f"shared/{name}.py": version},
                entry_points={"console_scripts": {name: f"{name}:main"}},
            )
    return folder


def started(uv: Path, world: World, *arguments: str) -> "subprocess.Popen[str]":
    kept = {name: world.environ[name] for name in ("PATH", "HOME")}
    return subprocess.Popen(
        [uv, "pip", *arguments],
        cwd=world.folder,
        env={**kept, "UV_CACHE_DIR": str(world.folder / "uv-cache"), "UV_NO_CONFIG": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rounds(world: World, uv: Path, wheels: Path, count: int) -> Iterator[str]:
    """Let uv change the environment again and again while miniuv does; yields what was installed after each round."""
    common = ["--no-index", "--find-links", str(wheels), "--python", str(world.python)]
    versions = ("1.0", "2.0", "3.0")
    commands = [["install", *common, f"left=={version}", f"right=={version}"] for version in versions]
    removal = ["uninstall", "--python", str(world.python), "left", "right"]
    for number in range(count):
        ours = world.start("pip", *(removal if number % 5 == 4 else commands[number % 3]))
        for theirs in itertools.cycle([*commands, removal]):
            if ours.poll() is not None:
                break
            other = started(uv, world, *theirs)
            _, err = other.communicate(timeout=120)
            assert other.returncode == 0, err
        _, err = ours.communicate()
        assert ours.returncode == 0, err
        checked = world.miniuv("pip", "check", "--files", "--python", world.python)
        assert checked.code == 0, checked.out + checked.err
        installed = world.installed()
        assert len(set(installed.values())) < 2, installed
        yield str(installed)


def test_neither_tears_what_the_other_installs(world: World, uv: Path, wheels: Path) -> None:
    assert len(list(rounds(world, uv, wheels, 10))) == 10


@pytest.mark.stress
def test_neither_tears_what_the_other_installs_a_hundred_times(world: World, uv: Path, wheels: Path) -> None:
    seen = list(rounds(world, uv, wheels, 100))

    assert len(seen) == 100
    assert len(set(seen)) > 1


def test_what_uv_has_installed_meanwhile_is_already_satisfied(world: World, uv: Path, wheels: Path) -> None:
    """miniuv has planned, and waits for the lock that another holds; then it plans again."""
    common = ["--no-index", "--find-links", str(wheels), "--python", str(world.python), "left==1.0"]
    lock = os.open(world.folder / ".venv" / ".lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiting = world.start("pip", "install", *common)
    assert waiting.stderr is not None
    while not waiting.stderr.readline().startswith("waiting for the environment"):
        assert waiting.poll() is None
    # uv would wait for the same lock: so it works on a copy, which then takes the place of the original's packages.
    installed = started(uv, world, "install", "--target", str(world.folder / "target"), *common)
    _, err = installed.communicate(timeout=60)
    assert installed.returncode == 0, err
    for entry in (world.folder / "target").iterdir():
        if entry.name not in ("bin", ".lock"):
            entry.rename(world.site / entry.name)
    os.close(lock)

    _, err = waiting.communicate(timeout=60)

    assert waiting.returncode == 0, err
    assert "Audited 1 package" in err
    assert "+ left" not in err
    assert world.installed() == {"left": "1.0"}
