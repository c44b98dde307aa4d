"""A command again, for another environment that has nothing in it: the same comes out, or the normal path is taken."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from miniuv.cache.boot import UNKNOWN, boot_id
from miniuv.replay import keep, record
from tests.support.commands import World
from tests.support.crash_points import NUMBERS, watched
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files
from tests.support.pythons import make_environment
from tests.support.shims import compile_shim
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

pytestmark = pytest.mark.skipif(boot_id() == UNKNOWN, reason="the kernel gives no boot id, so nothing is replayed")

ASKED = ("pip", "install", "-r", "requirements.txt")
_LOADED = re.compile(r"^import time:.*\| *(\S+)$", re.MULTILINE)
_KILLED = -9


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a command ended, and by which path."""

    code: int
    err: str
    modules: frozenset[str]

    @property
    def is_replay(self) -> bool:
        return "miniuv.replay.perform" in self.modules and "miniuv.cli.entry" not in self.modules

    @property
    def is_confirmed(self) -> bool:
        """Whether indexes were asked, and nothing else was done by the normal path."""
        return "miniuv.replay.confirm" in self.modules and "miniuv.cli.entry" not in self.modules


def run(world: World, *arguments: str, environ: dict[str, str] | None = None) -> Ran:
    """Run a command as users do, which ``World.miniuv`` does not: the replay comes before that."""
    said = world.run(sys.executable, "-X", "importtime", "-m", "miniuv", *(arguments or ASKED), environ=environ)
    told = [line for line in said.err.splitlines() if not line.startswith("import time:")]
    return Ran(code=said.code, err="\n".join(told), modules=frozenset(_LOADED.findall(said.err)))


def fresh(world: World) -> None:
    """Make the environment anew."""
    shutil.rmtree(world.folder / ".venv")
    make_environment(world.folder / ".venv")


def remembered(world: World, *arguments: str) -> None:
    """Run the command for fresh environments until it is remembered; the first runs may be too young for that."""
    for _ in range(20):
        fresh(world)
        if run(world, *arguments).is_replay:
            return
    pytest.fail("nothing is ever replayed")


def tree(world: World) -> dict[str, tuple[int, str]]:
    """Mode and content of everything in the environment but what is of this one alone."""
    environment = world.folder / ".venv"
    found = {}
    for path in environment.rglob("*"):
        name = str(path.relative_to(environment))
        if not path.is_dir() and not name.startswith((".miniuv", ".lock")):
            data = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found[name] = (path.lstat().st_mode, hashlib.sha256(data).hexdigest())
    return found


def without_times(text: str) -> str:
    return re.sub(r"in [\d.]+m?s", "in %", text)


def linking(world: World) -> World:
    """Only what was linked is done again: not what a file system that can clone would clone."""
    world.environ["MINIUV_LINK_MODE"] = "hardlink"
    return world


def make_world(folder: Path) -> World:
    """Wheels with programs, data and a script of their own, from a folder of wheels, and a git commit."""
    world = linking(World.make(folder))
    repository = GitRepository.create(folder / "gamma.git")
    commit = repository.commit(project_files("gamma"))
    files = {
        "alpha/__init__.py": "def main(): print('alpha runs')\n",
        "alpha-1.0.data/scripts/hello": "#!python\nprint('hello')\n",
        "alpha-1.0.data/data/share/alpha/words": "words\n",
        "alpha-1.0.dist-info/entry_points.txt": "[console_scripts]\nalpha = alpha:main\nalpha2 = alpha:main\n",
    }
    make_wheel(world.folder / "links", "alpha", "1.0", files)
    make_wheel(world.folder / "links", "beta", "1.0", {"beta.py": ""})
    (world.folder / "requirements.txt").write_text(
        f"--find-links links\nalpha\nbeta\ngamma @ git+{repository.url}@{commit}\n"
    )
    return world


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which the command has been run until it is remembered; the first runs may be too young for that."""
    world = make_world(tmp_path_factory.mktemp("recorded"))
    remembered(world)
    return world


@pytest.fixture
def world(recorded: World) -> World:
    """The recorded world with a fresh environment; a test puts back what it changes."""
    fresh(recorded)
    return recorded


def record_of(world: World) -> Path:
    name = record.action(ASKED, world.environ, str(world.folder))
    return Path(record.place(world.environ["MINIUV_CACHE_DIR"], name))


def test_another_environment_gets_the_very_same_and_is_told_the_same(world: World) -> None:
    normal = world.miniuv(*ASKED)
    wanted = tree(world)
    fresh(world)

    ran = run(world)

    assert ran.is_replay
    assert (ran.code, without_times(ran.err)) == (0, without_times(normal.err).rstrip())
    assert tree(world) == wanted
    assert world.run(world.folder / ".venv" / "bin" / "alpha2").out == "alpha runs\n"
    assert world.miniuv("pip", "check", "--files").code == 0
    assert [*Path(world.environ["MINIUV_CACHE_DIR"]).glob("v1/leases/*")] == []


def test_next_to_nothing_is_imported(world: World) -> None:
    bare = world.run(sys.executable, "-X", "importtime", "-c", "import runpy")

    modules = run(world).modules - set(_LOADED.findall(bare.err))

    small = {"__future__", "_blake2", "_json", "_sha2", "_sha256", "binascii", "encodings.ascii", "errno", "fcntl"}
    assert {name for name in modules if not name.startswith("miniuv")} <= small


def test_the_fast_exit_knows_the_new_environment(world: World) -> None:
    assert run(world).is_replay

    again = run(world)

    assert "Audited 3 packages" in again.err
    assert "miniuv.replay.perform" not in again.modules


def test_an_environment_by_any_path_is_filled(world: World, tmp_path: Path) -> None:
    """One that is named with ``--python`` has a record of its own kind, whatever it is called."""
    for name in ("one", "two", "three"):
        make_environment(tmp_path / name)
        asked = ("pip", "install", "--python", str(tmp_path / name), *ASKED[2:])
        last = run(world, *asked)
        assert last.code == 0, last.err
    assert last.is_replay
    program = (tmp_path / "three" / "bin" / "alpha").read_text()
    assert program.startswith(f"#!{tmp_path}/three/bin/python")
    assert world.miniuv("pip", "check", "--files", "--python", str(tmp_path / "three")).code == 0


def test_what_environments_have_from_the_start_does_not_matter(world: World) -> None:
    make_wheel(world.folder / "usual", "pip", "99.0", {"pip/__init__.py": ""})
    assert world.miniuv("pip", "install", "--find-links", "usual", "pip").code == 0

    assert run(world).is_replay
    assert world.installed() == {"alpha": "1.0", "beta": "1.0", "gamma": "1.0", "pip": "99.0"}


def _something_is_installed(world: World) -> Callable[[], object]:
    make_wheel(world.folder / "other", "delta", "1.0")
    assert world.miniuv("pip", "install", "--find-links", "other", "delta").code == 0
    return lambda: None


def _a_file_of_the_cache_is_edited(world: World) -> Callable[[], object]:
    cache = Path(world.environ["MINIUV_CACHE_DIR"])
    (path,) = (path for path in cache.rglob("beta.py") if "unpacked" in str(path))
    path.write_text("edited = True\n")
    return lambda: None


def _an_entry_of_the_cache_is_gone(world: World) -> Callable[[], object]:
    cache = Path(world.environ["MINIUV_CACHE_DIR"])
    (path,) = (path for path in cache.rglob("beta.py") if "unpacked" in str(path))
    entry = next(parent for parent in path.parents if parent.parent.name == "unpacked")
    shutil.rmtree(entry)
    return lambda: None


def _a_requirement_is_added(world: World) -> Callable[[], object]:
    path = world.folder / "requirements.txt"
    before = path.read_text()
    path.write_text(before + "# more\n")
    return lambda: path.write_text(before)


def _a_newer_wheel_appears(world: World) -> Callable[[], object]:
    path = make_wheel(world.folder / "links", "beta", "0.9")
    return path.unlink


def _the_record_is_damaged(world: World) -> Callable[[], object]:
    path = record_of(world)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return lambda: None


def _the_record_is_cut_short(world: World) -> Callable[[], object]:
    os.truncate(record_of(world), 1000)
    return lambda: None


def _rewritten(change: Callable[[str], str]) -> Callable[[World], Callable[[], object]]:
    """A record that is whole and says something else."""

    def rewrite(world: World) -> Callable[[], object]:
        path = record_of(world)
        told = json.loads(path.read_bytes().partition(b"\n")[2])
        changed = change(told["record"]["replay"])
        assert changed != told["record"]["replay"]
        told["record"]["replay"] = changed
        data = json.dumps(told, separators=(",", ":")).encode()
        path.write_bytes(b"%08x\n%s" % (zlib.crc32(data), data))
        return lambda: None

    return rewrite


def _another_boot(text: str) -> str:
    return re.sub(r"^valid\0[^\0]*", "valid\0another", text, flags=re.MULTILINE)


def _stale(text: str) -> str:
    return re.sub(r"^(valid\0[^\0]*\0[^\0]*\0).*$", r"\g<1>1.0", text, flags=re.MULTILINE)


def _of_the_future(text: str) -> str:
    return re.sub(r"^(valid\0[^\0]*\0)[^\0]*", r"\g<1>1e12", text, flags=re.MULTILINE)


def _another_installation(text: str) -> str:
    return re.sub(r"^(family\0.*)$", r"\1\0more", text, flags=re.MULTILINE)


def _others_may_write_to_the_cache(world: World) -> Callable[[], object]:
    cache = Path(world.environ["MINIUV_CACHE_DIR"])
    os.chmod(cache, 0o777)
    return lambda: os.chmod(cache, 0o700)


def _a_change_was_cut_short(world: World) -> Callable[[], object]:
    (world.folder / ".venv" / ".miniuv").mkdir()
    return lambda: None


def _a_path_is_taken(world: World) -> Callable[[], object]:
    (world.folder / ".venv" / "bin" / "alpha").write_text("mine")
    return lambda: None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_something_is_installed, 0),
        (_a_file_of_the_cache_is_edited, 0),
        (_an_entry_of_the_cache_is_gone, 0),
        (_a_requirement_is_added, 0),
        (_a_newer_wheel_appears, 0),
        (_the_record_is_damaged, 0),
        (_the_record_is_cut_short, 0),
        (_rewritten(_another_boot), 0),
        (_rewritten(_stale), 0),
        (_rewritten(_of_the_future), 0),
        (_rewritten(_another_installation), 0),
        (_others_may_write_to_the_cache, 1),
        (_a_change_was_cut_short, 0),
        (_a_path_is_taken, 1),
    ],
)
def test_what_is_not_as_it_was_is_left_to_the_normal_path(
    world: World, change: Callable[[World], Callable[[], object]], code: int
) -> None:
    undo = change(world)
    try:
        ran = run(world)
    finally:
        undo()

    assert not ran.is_replay
    assert ran.code == code, ran.err
    assert not (world.folder / ".venv" / ".miniuv").exists()
    remembered(world)  # again


@pytest.mark.parametrize("option", ["--reinstall", "--no-reuse", "--refresh"])
def test_whoever_asks_for_new_things_is_never_given_what_is_remembered(world: World, option: str) -> None:
    asked = (*ASKED, option)
    for _ in range(3):
        fresh(world)
        ran = run(world, *asked)
        assert (ran.code, ran.is_replay) == (0, False), ran.err


def test_another_option_or_variable_is_another_command(world: World) -> None:
    assert not run(world, *ASKED, "--no-deps").is_replay
    fresh(world)
    assert not run(world, environ={"ELSE": "1"}).is_replay


def test_quiet_is_quiet(world: World) -> None:
    for _ in range(3):
        fresh(world)
        ran = run(world, *ASKED, "-q")
    assert (ran.code, ran.err, ran.is_replay) == (0, "", True)


def test_an_environment_that_is_locked_is_waited_for_as_ever(world: World) -> None:
    lock = world.folder / ".venv" / ".lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = world.start(*ASKED)
        assert process.stderr is not None
        said = ""
        while "waiting" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
    _, rest = process.communicate(timeout=60)

    assert process.returncode == 0, rest
    assert f"pid {os.getpid()}" in said
    assert world.miniuv("pip", "check", "--files").code == 0


def test_many_at_once_fill_one_environment_once(world: World) -> None:
    processes = [world.start(*ASKED) for _ in range(6)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]

    assert [code for _, code in ends] == [0] * 6, ends
    assert sum("Installed 3 packages" in err for err, _ in ends) == 1
    assert world.miniuv("pip", "check", "--files").code == 0


def test_killed_before_any_change_it_leaves_all_or_nothing(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    environment, numbers = world.folder / ".venv", tmp_path / "numbers"
    library = compile_shim("crash_points", tmp_path)
    world.environ |= watched(library, numbers=numbers, below=environment)
    empty = tree(world)

    def attempt(chosen: int) -> Ran:
        numbers.write_bytes(NUMBERS.pack(0, chosen, 0, 1, 0))
        return run(world)

    whole = attempt(0)
    for _ in range(20):
        if whole.is_replay:
            break
        fresh(world)
        whole = attempt(0)
    assert whole.is_replay
    count, full = NUMBERS.unpack(numbers.read_bytes())[0], tree(world)
    assert count > 30
    outcomes = set()
    for chosen in range(1, count + 1):
        fresh(world)
        killed = attempt(chosen)
        assert killed.code == _KILLED, f"{chosen}: {killed.err}"
        assert world.miniuv("pip", "check").code == 0, chosen
        found = tree(world)
        assert found in (empty, full), f"{chosen}: {sorted(dict(found.items() ^ full.items()))[:5]}"
        outcomes.add(found == full)
        assert world.miniuv(*ASKED).code == 0, chosen
        assert tree(world) == full, chosen
        assert not [*environment.rglob(".miniuv")], chosen
    assert outcomes == {False, True}


def with_index(folder: Path, index: SimpleIndex) -> World:
    world = linking(World.make(folder, index=index.url))
    make_wheel(folder / "index", "alpha", "1.0", {"alpha.py": ""}, requires=["beta"])
    make_wheel(folder / "index", "beta", "1.0", {"beta.py": ""})
    return world


UPGRADE = ("pip", "install", "-U", "alpha")


def test_an_upgrade_asks_for_every_page_and_does_the_same_again(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        remembered(world, *UPGRADE)
        fresh(world)
        index.asked.clear()

        ran = run(world, *UPGRADE)

        assert ran.is_confirmed
        assert (ran.code, world.installed()) == (0, {"alpha": "1.0", "beta": "1.0"}), ran.err
        assert sorted(index.paths()) == ["/simple/alpha/", "/simple/beta/"]
        index.asked.clear()
        again = run(world, *UPGRADE)
        assert (again.code, again.is_confirmed, "Audited 2 packages" in again.err) == (0, True, True)
        assert sorted(index.paths()) == ["/simple/alpha/", "/simple/beta/"]


@pytest.mark.parametrize("environment", ["fresh", "filled"])
def test_an_upgrade_gets_what_is_new_on_the_index(tmp_path: Path, environment: str) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        remembered(world, *UPGRADE)
        run(world, *UPGRADE)
        if environment == "fresh":
            fresh(world)
        make_wheel(tmp_path / "index", "beta", "2.0", {"beta.py": ""})

        ran = run(world, *UPGRADE)

        assert (ran.code, world.installed()) == (0, {"alpha": "1.0", "beta": "2.0"}), ran.err


def test_an_upgrade_says_that_the_index_is_gone(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        remembered(world, *UPGRADE)
    fresh(world)

    ran = run(world, *UPGRADE, environ={"MINIUV_RETRIES": "0"})

    assert ran.code == 1
    assert "error:" in ran.err
    assert world.installed() == {}


def test_an_upgrade_asks_the_index_of_the_command_line(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        command = (*UPGRADE, "--index-url", index.url)
        remembered(world, *command)
        fresh(world)
        index.asked.clear()

        ran = run(world, *command)

        assert (ran.code, ran.is_confirmed) == (0, True), ran.err
        assert sorted(index.paths()) == ["/simple/alpha/", "/simple/beta/"]


def test_an_upgrade_through_a_proxy_asks_as_the_settings_say(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        proxied = {"HTTPS_PROXY": "http://127.0.0.1:9"}  # no page is behind it, but that takes the settings to tell
        world = with_index(tmp_path, index)
        world.environ.update(proxied)
        remembered(world, *UPGRADE)
        fresh(world)

        ran = run(world, *UPGRADE)

        assert (ran.code, ran.is_confirmed, "httpx" in ran.modules) == (0, True, True), ran.err


def test_an_upgrade_that_asks_directly_imports_no_client(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        remembered(world, *UPGRADE)
        fresh(world)

        for _ in range(2):  # for the fresh environment, and then where nothing is to be done
            ran = run(world, *UPGRADE)
            heavy = {"httpx", "urllib.request", "json", "pathlib", "concurrent.futures", "miniuv.settings"}
            assert (ran.code, ran.is_confirmed, sorted(ran.modules & heavy)) == (0, True, []), ran.err


def test_passwords_that_appear_are_taken_to_the_index(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        remembered(world, *UPGRADE)
        home = Path(world.environ["HOME"])
        home.mkdir(exist_ok=True)
        (home / ".netrc").write_text("machine 127.0.0.1 login me password word")
        index.asked.clear()

        ran = run(world, *UPGRADE)

        assert (ran.code, ran.is_confirmed) == (0, False), ran.err
        assert run(world, *UPGRADE).code == 0
        assert {each.headers.get("authorization", "") for each in index.asked} == {"Basic bWU6d29yZA=="}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> World:
    """As ``recorded``, with so many files that two processes link them."""
    world = linking(World.make(tmp_path_factory.mktemp("crowded")))
    files = {f"many/part{number // 100}/module{number}.py": f"N = {number}\n" for number in range(2000)}
    make_wheel(world.folder / "links", "many", "1.0", files)
    (world.folder / "requirements.txt").write_text("--find-links links\nmany\n")
    remembered(world)
    return world


def test_many_files_are_all_there(crowded: World) -> None:
    fresh(crowded)

    assert run(crowded).is_replay
    assert len([*crowded.site.glob("many/*/module*.py")]) == 2000
    assert crowded.miniuv("pip", "check", "--files").code == 0


@pytest.mark.parametrize("number", [0, 1999])
def test_whichever_process_finds_the_cache_edited_nothing_has_happened(crowded: World, number: int) -> None:
    fresh(crowded)
    cache = Path(crowded.environ["MINIUV_CACHE_DIR"])
    (path,) = (path for path in cache.rglob(f"module{number}.py") if "unpacked" in str(path))
    path.write_text("edited = True\n")

    ran = run(crowded)

    assert (ran.code, ran.is_replay) == (0, False), ran.err
    assert crowded.miniuv("pip", "check", "--files").code == 0
    remembered(crowded)  # again


def test_ctrl_c_ends_the_question_to_an_index(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path / "index") as index:
        world = with_index(tmp_path, index)
        remembered(world, *UPGRADE)
    fresh(world)
    port = int(world.environ["MINIUV_INDEX_URL"].rpartition(":")[2].partition("/")[0])
    with socket.create_server(("127.0.0.1", port)) as silent:
        process = world.start(*UPGRADE)
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:  # it has asked, and waits for an answer
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (130, "")
    assert "interrupted" in err
    assert "Traceback" not in err
    assert world.installed() == {}


def test_records_that_nobody_finds_again_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "_KEPT", 3)
    records = Path(world.environ["MINIUV_CACHE_DIR"]) / "v1" / "index"

    for number in range(6):
        fresh(world)
        assert world.miniuv(*ASKED, environ={"JOB": str(number)}).code == 0

    assert sum(b'"action":"replay ' in path.read_bytes() for path in records.iterdir()) == 3
