import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniuv.cache import runtime
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.store import Store
from miniuv.cli import quantities
from miniuv.errors import UsageError
from miniuv.report import amounts
from miniuv.reporter import Reporter
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.processes import OtherProcess
from tests.support.projects import project_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

USER = """
from pathlib import Path
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
with Store.open(Path(sys.argv[1]), reporter=Reporter()) as store:
    for kind in ("unpacked", "git-databases"):
        for entry in sorted((store.root / "v1" / kind).iterdir()):
            assert store.find(kind, entry.name)
    say("ready")
    hear()
"""


COMMANDS = ("dir", "size", "list", "locks", "prune", "clean", "verify")


def cache_of(world: World) -> Path:
    return Path(world.environ["MINIUV_CACHE_DIR"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cache with a wheel of an index, one of a repository, and one of a folder; all of it installed.

    What would be installed was asked before, which leaves a plain checkout.
    """
    folder = tmp_path_factory.mktemp("cache-commands")
    (folder / "index").mkdir()
    with SimpleIndex(folder / "index") as server:
        world = World.make(folder, index=server.url)
        make_wheel(server.folder, "from-index", "1.0", {"from_index.py": "x = 1\n"})
        repository = GitRepository.create(folder / "from-git.git")
        commit = repository.commit(project_files("from-git", dynamic=True))
        dependencies = ["from-index", f"from-git @ git+{repository.url}@{commit}"]
        arguments = ("-e", write_project(world.folder, "local", dependencies=dependencies))
        world.install("--dry-run", *arguments)
        world.install(*arguments)
        yield world


@pytest.fixture
def filled(made: World, tmp_path: Path) -> World:
    """The same world with a copy of its cache."""
    cache = tmp_path / "cache"
    shutil.copytree(cache_of(made), cache, symlinks=True)
    return World(folder=made.folder, environ={**made.environ, "MINIUV_CACHE_DIR": str(cache)})


def kinds(world: World) -> list[tuple[str, str]]:
    said = world.miniuv("cache", "list", "--json")
    assert said.code == 0, said.err
    return sorted((row["kind"], row["name"]) for row in json.loads(said.out))


def test_list_names_what_is_there_with_size_and_age_and_last_use(filled: World) -> None:
    rows = json.loads(filled.miniuv("cache", "list", "--json").out)
    names = {(row["kind"], row["name"].partition(" at ")[0]) for row in rows}
    assert names >= {
        ("blobs", "from-index 1.0"),
        ("unpacked", "from-index 1.0"),
        ("unpacked", "from-git 1.0"),
        ("unpacked", "local 1.0"),
        ("git-databases", "from-git"),
        ("checkouts", "from-git"),
    }
    for row in rows:
        assert row["size"] > 0
        assert 0 <= time.time() - row["used"] < 3600
        assert 0 <= time.time() - row["made"] < 3600

    table = filled.miniuv("cache", "list").out.splitlines()
    assert table[0].split() == ["Kind", "Name", "Size", "Age", "Last", "used"]
    assert len(table) == len(rows) + 2


def test_size_adds_up_and_tells_bytes_to_programs(filled: World) -> None:
    cache = cache_of(filled)
    files = [path for path in cache.rglob("*") if path.is_file() and not path.is_symlink()]
    links = [path for path in cache.rglob("*") if path.is_symlink()]
    expected = sum(path.lstat().st_size for path in (*files, *links))
    assert filled.miniuv("cache", "size", "--bytes").out == f"{expected}\n"
    table = filled.miniuv("cache", "size").out.splitlines()
    assert table[-1].split()[0] == "everything"
    assert any(line.split()[:2] == ["git-databases", "1"] for line in table)


def test_prune_removes_the_wheels_of_folders_at_once_and_everything_else_when_it_is_old(filled: World) -> None:
    said = filled.miniuv("cache", "prune")
    assert said.code == 0
    assert said.out == ""
    assert said.err.startswith("Removed 1 entry and 0 records: ")
    assert ("unpacked", "local 1.0") not in kinds(filled)
    assert len(kinds(filled)) > 4

    then = time.time() - 31 * 24 * 3600
    for path in cache_of(filled).glob("v1/*/*"):
        os.utime(path, (then, then))
    filled.miniuv("cache", "prune")
    assert kinds(filled) == []
    assert filled.installed() == {"from-git": "1.0", "from-index": "1.0", "local": "1.0"}
    assert filled.evaluate("import from_index, from_git, local; print(from_index.x)") == "1"


def test_prune_to_a_size_leaves_a_cache_of_that_size(filled: World) -> None:
    filled.miniuv("cache", "prune", "--older-than", "90d")
    before = kinds(filled)
    limit = sum(row["size"] for row in json.loads(filled.miniuv("cache", "list", "--json").out)) // 2
    said = filled.miniuv("cache", "prune", "--older-than", "90d", "--max-size", str(limit))
    assert "Removed 0 entries" not in said.err
    assert 0 < len(kinds(filled)) < len(before)
    assert int(filled.miniuv("cache", "size", "--bytes").out) <= limit


def test_what_another_process_uses_is_kept_and_named_with_its_user(filled: World) -> None:
    with OtherProcess(USER, cache_of(filled)) as user:
        user.expect("ready")
        said = filled.miniuv("cache", "clean")
        assert said.code == 0
        assert "Kept 4 entries (" in said.err
        assert f"in use by pid {user.pid} on " in said.err
        assert {kind for kind, _ in kinds(filled)} == {"unpacked", "git-databases"}
        user.tell()
        user.end()
    assert "Kept" not in filled.miniuv("cache", "clean").err
    assert kinds(filled) == []


def test_prune_says_why_the_cache_is_larger_than_asked_for_and_nothing_where_it_is_not(filled: World) -> None:
    with OtherProcess(USER, cache_of(filled)) as user:
        user.expect("ready")
        said = filled.miniuv("cache", "prune", "--max-size", "1kB")
        (line,) = [line for line in said.err.splitlines() if line.startswith("The cache has ")]
        assert ", more than 1000 B: " in line
        assert f" in use by pid {user.pid} on " in line
        assert line.endswith(" records and logs of what is in use")
        user.tell()
        user.end()
    assert "The cache has " not in filled.miniuv("cache", "prune", "--max-size", "1kB").err


def test_clean_removes_logs_but_not_what_a_running_build_writes_to(filled: World) -> None:
    old = [path.name for path in (cache_of(filled) / "v1" / "logs").iterdir()]
    assert old != []
    with Store.open(cache_of(filled), reporter=Reporter()) as store:
        log = store.log_path("running")
        log.write_text("so far")
        filled.miniuv("cache", "clean")
        assert list(log.parent.iterdir()) == [log]
    filled.miniuv("cache", "clean")
    assert list(log.parent.iterdir()) == []


def test_clean_with_a_name_removes_what_belongs_to_it_and_nothing_else(filled: World) -> None:
    before = set(kinds(filled))
    said = filled.miniuv("cache", "clean", "From_Index", "no-such-thing")
    assert "nothing in the cache is known to belong to `no-such-thing`" in said.err
    gone = before - set(kinds(filled))
    assert {(kind, name) for kind, name in gone if kind != "http"} == {
        ("blobs", "from-index 1.0"),
        ("unpacked", "from-index 1.0"),
    }
    filled.miniuv("cache", "clean", "from-git")
    assert [row for row in kinds(filled) if "from-git" in row[1]] == []


def test_a_second_prune_says_so_and_removes_nothing(filled: World) -> None:
    before = kinds(filled)
    with Store.open(cache_of(filled), reporter=Reporter()) as store:
        held = store.locks.try_acquire([LockKey.garbage_collection()], step="collect")
        assert held is not None
        with held:
            said = filled.miniuv("cache", "clean")
    assert (said.code, said.err) == (0, "Another prune is running; nothing was removed by this one\n")
    assert kinds(filled) == before


def test_where_there_is_no_cache_nothing_is_made(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_PLACES", (tmp_path / "run",))
    (tmp_path / "run").mkdir()
    before = sorted(tmp_path.rglob("*"))
    for command in COMMANDS:
        assert world.miniuv("cache", command).code == 0
    for command in ("list", "freeze", "check"):
        assert world.miniuv("pip", command).code == 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("looking", [("cache", "dir"), ("cache", "size"), ("cache", "list"), ("cache", "locks")])
def test_looking_changes_nothing_in_the_cache(
    filled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looking: tuple[str, ...]
) -> None:
    monkeypatch.setattr(runtime, "_PLACES", (tmp_path / "run",))
    (tmp_path / "run").mkdir()

    def state() -> list[tuple[str, int]]:
        return sorted((str(path), path.lstat().st_mtime_ns) for path in tmp_path.rglob("*"))

    before = state()
    assert filled.miniuv(*looking).code == 0
    assert state() == before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["cache", "cache/v1", "cache/v1/below"])
def test_a_file_in_the_caches_place_is_the_same_error_for_every_command(
    world: World, tmp_path: Path, command: str, place: str
) -> None:
    file = (tmp_path / place.removesuffix("/below")).absolute()
    file.parent.mkdir(exist_ok=True)
    file.write_text("precious")
    cache = tmp_path / place if place.endswith("below") else tmp_path / "cache"
    said = world.miniuv("cache", command, environ={"MINIUV_CACHE_DIR": str(cache)})
    assert (said.code, said.out) == (1, "")
    assert f"`{file}` is no folder" in said.err.replace("\n", " ")
    assert "hint: choose another folder with `--cache-dir`" in said.err
    assert file.read_text() == "precious"


class TestVerify:
    def test_a_cache_that_is_well_is_left_alone(self, filled: World) -> None:
        before = kinds(filled)
        said = filled.miniuv("cache", "verify")
        assert (said.code, said.out) == (0, "")
        assert "all is well" in said.err
        assert kinds(filled) == before

    def test_every_kind_of_damage_is_told_and_dropped_and_the_next_install_makes_it_anew(self, filled: World) -> None:
        folder = cache_of(filled) / "v1"

        def change(pattern: str) -> None:
            for path in folder.glob(pattern):
                data = path.read_bytes()
                path.unlink()  # environments have links to it
                path.write_bytes(data[:-1] + b"#")

        change("blobs/*")
        change("http/*")
        change("unpacked/*/tree/from_index.py")
        change("checkouts/*/tree/pyproject.toml")
        change("git-databases/*/objects/pack/*.pack")
        change("build-environments/*/pyvenv.cfg")
        (next((folder / "index").iterdir())).write_text("{")
        entries = len(kinds(filled))
        said = filled.miniuv("cache", "verify")
        assert said.code == 1
        told = {line.partition("/")[0] for line in said.out.splitlines()}
        assert told == {"blobs", "http", "unpacked", "checkouts", "git-databases", "build-environments", "index"}
        assert len(kinds(filled)) == entries - len([line for line in said.out.splitlines() if line[:5] != "index"])
        assert filled.miniuv("cache", "verify").code == 0

        filled.install("--refresh", "--reinstall", "-e", filled.folder / "local")
        assert filled.evaluate("import from_index, from_git; print(from_index.x)") == "1"
        assert filled.miniuv("cache", "verify").code == 0

    @pytest.mark.parametrize("damaged", [False, True])
    def test_on_a_read_only_disk_damage_is_told_and_nothing_is_changed(self, filled: World, damaged: bool) -> None:
        cache = cache_of(filled)
        if damaged:
            for blob in (cache / "v1" / "blobs").iterdir():
                blob.write_text("junk")
        script = """
            mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99
            if touch "$1/v1/probe" 2>/dev/null; then exit 98; fi
            exec "$2" -m miniuv cache verify
        """
        command = ["unshare", "--mount", "--", "sh", "-c", script, "sh", str(cache), sys.executable]
        try:
            done = subprocess.run(
                command,
                env={**filled.environ, "TMPDIR": str(cache.parent)},
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError:
            pytest.skip("this machine has no namespaces")
        if done.returncode == 99 or "unshare" in done.stderr:
            pytest.skip("this machine does not let us mount a file system of our own (needs root)")
        assert done.returncode == damaged, done.stderr
        assert ("its content does not have the hash" in done.stdout) is damaged
        assert ("the cache cannot be written: damaged entries are left" in done.stderr) is damaged
        assert ("all is well" in done.stderr) is not damaged
        assert all(blob.exists() for blob in (cache / "v1" / "blobs").iterdir())
        assert [path.name for path in cache.parent.iterdir()] == ["cache"], "nor is a private cache made for it"

    def test_what_is_damaged_and_in_use_stays_and_that_is_told(self, filled: World) -> None:
        (manifest, *_) = cache_of(filled).glob("v1/unpacked/*/MANIFEST")
        manifest.write_text("junk")
        with OtherProcess(USER, cache_of(filled)) as user:
            user.expect("ready")
            said = filled.miniuv("cache", "verify")
            user.tell()
            user.end()
        assert said.code == 1
        assert "Kept 1 entry (" in said.err
        assert "damaged entries are left" in said.err
        assert manifest.exists()
        assert filled.miniuv("cache", "verify").code == 1
        assert not manifest.exists()


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("30d", 30 * 86400), ("1.5h", 5400), ("2 w", 14 * 86400), ("10S", 10)]
)
def test_a_time_reads_as_people_write_it(text: str, expected: float) -> None:
    assert quantities.seconds(text, option="--older-than") == expected


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1y", "1e9d", "inf"])
def test_what_is_no_time_is_an_error_that_shows_how(text: str) -> None:
    with pytest.raises(UsageError, match="--older-than") as caught:
        quantities.seconds(text, option="--older-than")
    assert "`30d`" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("123", 123), ("10GB", 10**10), ("1.5 KiB", 1536), ("2g", 2 * 10**9)]
)
def test_a_size_reads_as_people_write_it(text: str, expected: float) -> None:
    assert quantities.size(text, option="--max-size") == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_550, "1.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (3 << 50, "3072.0 TiB"),
    ],
)
def test_a_size_is_told_in_the_largest_unit_that_it_fills(count: int, expected: str) -> None:
    assert amounts.size(count) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "now"), (59, "now"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day")]
)
def test_an_age_is_told_in_the_largest_unit(seconds: float, expected: str) -> None:
    assert amounts.ago(seconds) == expected
