"""A machine that was started anew, pid namespaces, few open files, and commands that are killed over their backend."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cache.test_trouble import EVERYTHING, cache_of, check_sound, is_clear, of_every_kind, shell
from tests.support.commands import World
from tests.support.processes import until
from tests.support.projects import BACKEND, project_files
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


@pytest.fixture
def world(world: World, tmp_path: Path) -> World:
    world.environ["TINY_BUILD_LOG"] = str(tmp_path / "builds")
    return world


def built(world: World) -> list[str]:
    """What was built, editables left out."""
    lines = Path(world.environ["TINY_BUILD_LOG"]).read_text().splitlines()
    return [line for line in lines if not line.startswith("editable ")]


_ANOTHER_BOOT = """
echo 11111111-2222-3333-4444-555555555555 > boot
mount --bind boot /proc/sys/kernel/random/boot_id || exit 99
miniuv pip install --reinstall "$@" && miniuv cache verify
"""


def zero(path: Path) -> None:
    """What a power cut leaves: the name, and nothing behind it."""
    path.chmod(0o600)
    os.truncate(path, 0)


def no_damage(cache: Path) -> None:
    assert cache.is_dir()


def torn_modules(cache: Path) -> None:
    for path in (cache / "v1" / "unpacked").glob("*/tree/*/__init__.py"):
        zero(path)


def torn_packs(cache: Path) -> None:
    for path in (cache / "v1" / "git-databases").rglob("*.pack"):
        zero(path)
    shutil.rmtree(cache / "v1" / "index")


def torn_checkouts(cache: Path) -> None:
    for path in (cache / "v1" / "checkouts").rglob("project.json"):
        zero(path)
    shutil.rmtree(cache / "v1" / "index")


def torn_build_environments(cache: Path) -> None:
    for path in (cache / "v1" / "build-environments").rglob("pyvenv.cfg"):
        zero(path)
    shutil.rmtree(cache / "v1" / "index")


@pytest.mark.parametrize(
    "damage",
    [
        no_damage,
        torn_modules,
        torn_checkouts,
        pytest.param(torn_packs, marks=pytest.mark.stress),
        pytest.param(torn_build_environments, marks=pytest.mark.stress),
    ],
)
def test_after_a_restart_of_the_machine_what_is_whole_is_used_and_what_is_torn_is_made_anew(
    world: World, index: SimpleIndex, damage: Callable[[Path], None]
) -> None:
    requirements = of_every_kind(world, index)
    world.install(*requirements)
    before = built(world)
    damage(cache_of(world))
    said = shell(world, _ANOTHER_BOOT, *requirements, namespace=True)
    assert said.code == 0, said.out + said.err
    assert "Traceback" not in said.err
    assert world.installed() == EVERYTHING
    assert world.evaluate("import wheeled, sourced, pinned, local; print(wheeled.x, sourced, pinned)").startswith("1 ")
    if damage is no_damage:
        assert built(world) == before


def junk(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(b"\x00junk{[\xff" * 20)


@pytest.mark.parametrize(
    "kind",
    [
        "index",
        "unpacked",
        *(pytest.param(kind, marks=pytest.mark.stress) for kind in ("http", "blobs", "git-databases", "checkouts")),
    ],
)
def test_junk_in_the_place_of_anything_in_the_cache_never_reaches_an_environment(
    world: World, index: SimpleIndex, kind: str
) -> None:
    requirements = of_every_kind(world, index)
    world.install(*requirements)
    for path in sorted((cache_of(world) / "v1" / kind).rglob("*")):
        if path.is_file() and not path.is_symlink():
            junk(path)
    said = world.install("--reinstall", *requirements)
    assert "Traceback" not in said.err
    assert world.installed() == EVERYTHING
    assert world.evaluate("import wheeled, sourced, pinned, local; print(wheeled.x)") == "1"


def test_whoever_asks_for_it_has_everything_on_the_disk_before_it_is_published(
    world: World, index: SimpleIndex
) -> None:
    world.environ["MINIUV_FSYNC"] = "1"
    world.install(*of_every_kind(world, index))
    assert world.installed() == EVERYTHING
    check_sound(world)


_IN_A_NAMESPACE = """
unshare --pid --fork --mount-proc true || exit 99
for name in one two three; do
    if [ $name != three ]; then apart="unshare --pid --fork --mount-proc"; else apart=; fi
    $apart "$PYTHON" -m miniuv pip install --python "$name" "$@" 2>"$name.err" &
    pids="$pids $!"
done
for pid in $pids; do wait $pid || code=1; done
cat one.err two.err three.err >&2
exit ${code:-0}
"""


def test_commands_in_pid_namespaces_of_their_own_share_a_cache(world: World, index: SimpleIndex) -> None:
    requirements = of_every_kind(world, index)
    world.environ["PYTHON"] = sys.executable
    for name in ("one", "two", "three"):
        assert world.miniuv("venv", name, "--python", sys.executable).code == 0
    said = shell(world, _IN_A_NAMESPACE, *requirements, namespace=True)
    if said.code == 99:
        pytest.skip("this machine does not let us have a pid namespace (needs root)")
    assert said.code == 0, said.err
    assert sorted(built(world)) == ["wheel pinned", "wheel sourced"], "each once, whoever built it"
    for name in ("one", "two", "three"):
        listed = world.miniuv("pip", "list", "--python", name, "--format", "freeze")
        assert len(listed.out.splitlines()) == len(EVERYTHING), listed.out + listed.err
    check_sound(world)


@pytest.mark.parametrize("limit", [40, pytest.param(20, marks=pytest.mark.stress)])
def test_with_few_files_to_open_every_kind_is_installed_or_the_limit_is_named(
    world: World, index: SimpleIndex, limit: int
) -> None:
    requirements = of_every_kind(world, index)
    said = shell(world, f'ulimit -n {limit} && miniuv pip install "$@"', *requirements)
    if said.code != 0:
        assert is_clear(said), said.err
        assert "too many open files" in said.err.lower(), said.err
        assert world.installed() == {}
        world.install(*requirements)
    assert world.installed() == EVERYTHING
    check_sound(world)


_STUBBORN = """
import fcntl, os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)

def build_editable(folder, config_settings=None, metadata_directory=None):
    import real_backend
    tree = os.open(".", os.O_RDONLY)
    try:
        fcntl.flock(tree, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with open(os.environ["TINY_BUILD_LOG"], "a") as log:
            log.write("two writers\\n")
    if not os.path.exists("seen"):
        os.fork()  # it has the folder open, and its lock, for as long as it lives
        with open(os.environ["TINY_BUILD_LOG"], "a") as log:
            log.write("writing\\n")
        while True:
            time.sleep(60)
    return real_backend.build_editable(folder, config_settings, metadata_directory)
"""


def test_when_a_command_is_killed_over_its_backend_the_next_one_never_meets_that_in_the_tree(
    world: World, index: SimpleIndex
) -> None:
    make_wheel(index.folder, "unused", "1.0")
    files = project_files("local", dynamic=True)
    (name,) = [name for name, text in files.items() if text == BACKEND]
    files[name], files[str(Path(name).with_name("real_backend.py"))] = _STUBBORN, BACKEND
    for path, text in files.items():
        (world.folder / "local" / path).parent.mkdir(parents=True, exist_ok=True)
        (world.folder / "local" / path).write_text(text)
    log = Path(world.environ["TINY_BUILD_LOG"])
    log.touch()
    first = world.start("pip", "install", "-e", "local")
    until(lambda: "writing\nwriting\n" in log.read_text())
    (world.folder / "local" / "seen").touch()
    second = world.start("pip", "install", "-e", "local")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    _, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "two writers" not in log.read_text()
    assert world.installed() == {"local": "1.0"}
    left = subprocess.run(["pgrep", "-f", str(world.folder)], capture_output=True, text=True, check=False).stdout
    assert left == "", "nothing of the killed one lives on"
    check_sound(world)
