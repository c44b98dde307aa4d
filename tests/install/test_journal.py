"""The journal of a change, and what the next command does about one that was left."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.environment.places import is_change_pending
from miniuv.errors import InstallError
from miniuv.install import recovery, transaction
from miniuv.install.journal import Journal
from miniuv.install.layout import Layout
from miniuv.install.moves import do_moves
from miniuv.install.recovery import recover
from miniuv.install.staging import open_staging
from tests.support.commands import World
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


class Cut(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    env = Environment.make(tmp_path)
    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo.py": "1", "foo_b.py": "1", "pkg/x.py": "1"}))
    return env


def cut_short(env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, done: int) -> None:
    """Upgrade foo, and end after the first ``done`` moves, the staging folder left as a killed process leaves it."""

    def carry_out(journal: Journal, **_: object) -> None:
        do_moves(journal.moves[:done])
        raise Cut

    new = make_wheel(tmp_path, "foo", "2.0", {"foo.py": "2", "foo_c.py": "2", "pkg/x.py": "2"})
    prepared = env.prepare(new)
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "carry_out", carry_out)
        patch.setattr("miniuv.install.staging.discard", lambda _: None)
        with pytest.raises(Cut):
            env.apply([prepared])
    assert is_change_pending(env.prefix)


def versions(env: Environment) -> dict[str, str]:
    return {name: str(one.metadata.version) for name, one in env.installed().items()}


@pytest.mark.parametrize("done", range(0, 8, 2))
def test_what_was_decided_is_finished(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=done)

    recover(env.interpreter, reporter=env.reporter)

    assert versions(env) == {"foo": "2.0"}
    assert env.run("-c", "import foo_c, pkg.x") == ""
    assert not (env.site / "foo_b.py").exists()
    assert not (env.prefix / ".miniuv").exists()
    assert env.reporter.warnings == [
        "a change of this environment that was cut short is now finished: foo 2.0, foo 1.0"
    ]


def test_what_was_turned_is_taken_back(env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = env.tree()
    cut_short(env, tmp_path, monkeypatch, done=5)
    journal = env.prefix / ".miniuv" / "journal"
    journal.rename(journal.with_suffix(".undo"))

    recover(env.interpreter, reporter=env.reporter)

    assert env.tree() == before
    assert "taken back" in env.reporter.warnings[0]


def test_a_copied_environment_is_recovered_like_its_original(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its inodes are others, and times are what ``cp -a`` keeps."""
    cut_short(env, tmp_path, monkeypatch, done=3)
    kept = tmp_path / "kept"
    shutil.copytree(env.prefix, kept, symlinks=True)
    shutil.rmtree(env.prefix)
    shutil.copytree(kept, env.prefix, symlinks=True)

    recover(env.interpreter, reporter=env.reporter)

    assert versions(env) == {"foo": "2.0"}


def test_an_import_between_a_kill_and_the_recovery_leaves_no_stale_code(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python compiles the old module again, with the size and the time of the new one."""
    cut_short(env, tmp_path, monkeypatch, done=0)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    env.run("-c", "import foo")
    assert list((env.site / "__pycache__").glob("foo.*.pyc"))

    recover(env.interpreter, reporter=env.reporter)

    assert not list((env.site / "__pycache__").glob("foo.*.pyc"))


@pytest.mark.parametrize("place", ["foo-1.0.dist-info", "foo.py", "foo_c.py"])
def test_what_another_tool_has_changed_since_is_not_guessed_at(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=0)
    there = env.site / place
    if there.is_dir():
        shutil.rmtree(there)
    else:
        other = env.site / "other"
        other.write_text("longer than what was here")
        other.rename(there)
    before = env.tree()

    with pytest.raises(InstallError, match="another tool has changed") as caught:
        recover(env.interpreter, reporter=env.reporter)

    assert str(there) in caught.value.message
    assert "--reinstall --force foo" in str(caught.value.hint)
    assert env.tree() == before


def test_the_way_out_that_is_told_works(env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(env, tmp_path, monkeypatch, done=3)
    (env.prefix / ".miniuv" / "journal").write_text("garbage")
    world = World(folder=tmp_path)
    world.environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "VIRTUAL_ENV": str(env.prefix),
        "MINIUV_CACHE_DIR": str(tmp_path / "c"),
        "MINIUV_NO_INDEX": "1",
        "MINIUV_NO_CONFIG": "1",
    }
    said = world.miniuv("pip", "install", "foo")
    assert said.code == 1
    assert "cannot be made sense of" in said.err
    assert "--reinstall --force NAMES" in said.err

    shutil.rmtree(env.prefix / ".miniuv")
    said = world.miniuv("pip", "install", "--find-links", tmp_path, "--reinstall", "--force", "foo")
    assert said.code == 0, said.err
    assert versions(env) == {"foo": "2.0"}


def test_looking_tells_of_a_pending_change_and_check_finishes_it(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=3)
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(env.prefix)

    for command in (["list"], ["freeze"], ["uninstall", "--dry-run", "foo"], ["install", "--dry-run", "foo"]):
        said = world.miniuv("pip", *command)
        assert "was cut short" in said.err
        assert is_change_pending(env.prefix)
    said = world.miniuv("pip", "check")
    assert said.code == 0
    assert "is now finished: foo 2.0" in said.err
    assert not is_change_pending(env.prefix)
    assert "cut short" not in world.miniuv("pip", "list").err


@pytest.mark.parametrize("command", [["install", "foo"], ["uninstall", "nosuch"]])
def test_the_next_command_finishes_a_pending_change_first(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=3)
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(env.prefix)

    said = world.miniuv("pip", *command)

    assert said.code == 0, said.err
    assert "is now finished: foo 2.0" in said.err
    assert versions(env) == {"foo": "2.0"}


def test_what_a_killed_process_made_ready_is_swept_away_but_not_what_another_makes_ready(env: Environment) -> None:
    layout = Layout.of(env.interpreter)
    with open_staging(layout, "copy") as staging:
        dead = staging.folder.parent / "txn-999999999-dead"
        (dead / "new").mkdir(parents=True)
        recover(env.interpreter, reporter=env.reporter)
        assert not dead.exists()
        assert staging.folder.is_dir()
    assert not layout.work_folder.exists()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Environment, bytes]:
    """A change that waits, and its journal."""
    folder = tmp_path_factory.mktemp("journal")
    env = Environment.make(folder)
    with pytest.MonkeyPatch.context() as patch:
        cut_short(env, folder, patch, done=0)
    return env, (env.prefix / ".miniuv" / "journal").read_bytes()


@settings(max_examples=200)
@given(data=st.data())
def test_a_journal_that_is_not_whole_is_refused(written: tuple[Environment, bytes], data: st.DataObject) -> None:
    env, whole = written
    cut = data.draw(st.integers(0, len(whole) - 2))
    flipped = bytearray(whole)
    flipped[cut] ^= data.draw(st.integers(1, 255))
    mutant = data.draw(st.sampled_from([whole[:cut], bytes(flipped), whole[cut:] + whole[:cut] if cut else b""]))
    before = env.tree()
    path = env.prefix / ".miniuv" / "journal"
    path.write_bytes(mutant)
    with pytest.raises(InstallError, match="cannot be made sense of"):
        recovery.recover(env.interpreter, reporter=env.reporter)
    path.write_bytes(whole)
    assert env.tree() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"place":"lib/', b'"place":"../lib/'),
        (b'"place":"lib/', b'"place":"/etc/'),
        (b'"aside":".miniuv/', b'"aside":"lib/'),
        (b'"folders":[".miniuv/', b'"folders":["lib/'),
        (b'"kind":"comes"', b'"kind":"steals"'),
        (b'"kind":"comes"', b'"kind":"made"'),
    ],
)
def test_a_journal_cannot_reach_out_of_its_environment(
    written: tuple[Environment, bytes], old: bytes, new: bytes
) -> None:
    """Also one whose checksum is right."""
    import hashlib

    env, whole = written
    text = whole.partition(b"\n")[2].removesuffix(b"\n")
    assert old in text
    text = text.replace(old, new)
    path = env.prefix / ".miniuv" / "journal"
    path.write_bytes(b"miniuv journal 1 %s\n%s\n" % (hashlib.sha256(text).hexdigest().encode(), text))
    with pytest.raises(InstallError, match="cannot be made sense of"):
        recover(env.interpreter, reporter=env.reporter)
    path.write_bytes(whole)
