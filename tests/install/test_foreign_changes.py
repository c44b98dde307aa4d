"""A change that was cut short, and what others do before it is finished: other tools, other users, full disks."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.environment.places import is_change_pending
from miniuv.errors import InstallError, Interrupted
from miniuv.install import transaction
from miniuv.install.journal import Journal
from miniuv.install.layout import Layout
from miniuv.install.moves import do_moves
from miniuv.install.recovery import recover
from miniuv.install.verification import verify
from tests.support.commands import World
from tests.support.environments import Environment
from tests.support.processes import OtherProcess
from tests.support.wheels import make_wheel

OLD = {
    "foo/__init__.py": "1",
    "foo/inner/x.py": "1",
    "foo_b.py": "1",
    "shared/foo.py": "1",
    "foo-1.0.data/data/share/foo": "1",
}
NEW = {
    "foo/__init__.py": "2",
    "foo/inner/x.py": "2",
    "foo_c.py": "2",
    "shared/foo.py": "2",
    "foo-2.0.data/data/share/foo": "2",
}


class Cut(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("template")
    env = Environment.make(folder)
    env.install(make_wheel(folder, "foo", "1.0", OLD), make_wheel(folder, "other", "1.0", {"shared/other.py": "1"}))
    return env


@pytest.fixture
def env(template: Environment, tmp_path: Path) -> Environment:
    return template.copy(tmp_path / "env")


def cut_short(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, done: int, undone: bool = False
) -> Journal:
    """Upgrade foo, and end after ``done`` moves (negative: before so many of the last), as a killed process does."""
    journals: list[Journal] = []

    def carry_out(journal: Journal, **_: object) -> None:
        journals.append(journal)
        do_moves(journal.moves[:done])
        if undone:
            journal.turn()
        raise Cut

    prepared = env.prepare(make_wheel(tmp_path, "foo", "2.0", NEW))
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "carry_out", carry_out)
        with pytest.raises(Cut):
            env.apply([prepared])
    assert is_change_pending(env.prefix)
    return journals[0]


def failure_of_recovery(env: Environment) -> InstallError | None:
    """Recover; what that raised."""
    try:
        recover(env.interpreter, reporter=env.reporter)
    except InstallError as error:
        return error
    return None


def is_whole(env: Environment, version: str) -> bool:
    """Whether foo is there in this version, and everything is as its RECORD says."""
    installed = env.installed()
    verified = verify(tuple(installed.values()), layout=Layout.of(env.interpreter))
    return str(installed["foo"].metadata.version) == version and not any(each.differences for each in verified)


def pip(env: Environment, *arguments: str) -> int:
    """Run the real pip on it; its exit code."""
    command = [sys.executable, "-m", "pip", "--python", str(env.interpreter.executable), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("name", ["foo/plugin.py", "foo/inner/deep/plugin.py"])
def test_what_was_added_to_a_folder_that_would_go_is_not_lost(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, undone: bool
) -> None:
    """As when pip has installed a plugin that lives in the package."""
    cut_short(env, tmp_path, monkeypatch, done=100 if undone else 0, undone=undone)
    plugin = env.site / name
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text("of somebody else")

    with pytest.raises(InstallError, match=r"another tool has changed `.*/foo`"):
        recover(env.interpreter, reporter=env.reporter)

    assert plugin.read_text() == "of somebody else"
    plugin.unlink()
    if plugin.parent.name == "deep":
        plugin.parent.rmdir()
    recover(env.interpreter, reporter=env.reporter)
    assert is_whole(env, "1.0" if undone else "2.0")


def test_what_was_added_to_a_folder_that_has_come_already_is_no_trouble(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=-1)
    (env.site / "foo" / "plugin.py").write_text("of somebody else")

    recover(env.interpreter, reporter=env.reporter)

    assert is_whole(env, "2.0")
    assert (env.site / "foo" / "plugin.py").read_text() == "of somebody else"


@pytest.mark.parametrize("done", [0, 4])
def test_what_pip_installs_beside_it_is_kept(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=done)
    beside = make_wheel(tmp_path, "beside", "1.0", {"beside.py": "1", "shared/beside.py": "1"})
    assert pip(env, "install", "--no-index", str(beside)) == 0

    recover(env.interpreter, reporter=env.reporter)

    assert is_whole(env, "2.0")
    assert (env.site / "shared" / "beside.py").is_file()


@pytest.mark.parametrize(("command", "done"), [("uninstall", 0), ("reinstall", 4), ("reinstall", -1)])
def test_what_pip_did_to_the_same_package_is_not_guessed_at(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, done: int
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=done)
    wheel = make_wheel(tmp_path / "third", "foo", "3.0", {"foo/__init__.py": "3"})
    words = ["uninstall", "-y", "foo"] if command == "uninstall" else ["install", "--no-index", str(wheel)]
    pip(env, *words)  # it may fail half-way itself
    before = env.tree()

    with pytest.raises(InstallError, match="another tool has changed") as caught:
        recover(env.interpreter, reporter=env.reporter)

    assert env.tree() == before
    assert "miniuv venv --clear" in str(caught.value.hint)


@pytest.mark.parametrize("number", [1, 3, 6, 9])
@pytest.mark.parametrize("undone", [False, True])
def test_a_recovery_on_a_full_disk_ends_old_or_new_or_goes_on_later(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, undone: bool
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=5, undone=undone)
    rename, counted = os.rename, iter(range(1, 1000))

    def full(source: str, target: str) -> None:
        if next(counted) >= number and "journal" not in str(source):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source)
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        failure = failure_of_recovery(env)
    assert failure is not None or number > 5
    assert "No space left" in str(failure or "No space left")
    assert "unchanged" not in str(failure)

    recover(env.interpreter, reporter=env.reporter)
    assert is_whole(env, "1.0") or is_whole(env, "2.0")
    assert not (env.prefix / ".miniuv").exists()


def test_ctrl_c_while_recovering_waits_for_its_end(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=3)
    rename = os.rename

    def interrupted(source: str, target: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            recover(env.interpreter, reporter=env.reporter)

    assert is_whole(env, "2.0")
    recover(env.interpreter, reporter=env.reporter)
    assert not (env.prefix / ".miniuv").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_right_after_the_decision_takes_it_back(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Between the journal and its first move, also where the terminal is closed."""

    def ends(*_: object) -> None:
        raise Cut

    write = Journal.write

    def write_and_end(journal: Journal) -> None:
        write(journal)
        os.kill(os.getpid(), number)

    before = env.tree()
    old = signal.signal(number, ends)
    try:
        prepared = env.prepare(make_wheel(tmp_path, "foo", "2.0", NEW))
        with monkeypatch.context() as patch:
            patch.setattr(Journal, "write", write_and_end)
            with pytest.raises(Interrupted):
                env.apply([prepared])
    finally:
        signal.signal(number, old)

    assert env.tree() == before


def test_whatever_ends_a_change_that_was_decided_leaves_what_its_journal_speaks_of(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = cut_short(env, tmp_path, monkeypatch, done=3)

    assert Path(journal.folders[0]).is_dir()
    recover(env.interpreter, reporter=env.reporter)
    assert is_whole(env, "2.0")


def test_two_that_recover_at_once_do_it_once(env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(env, tmp_path, monkeypatch, done=3)
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(env.prefix)
    code = """
        import fcntl, os
        descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        say("held")
        hear()
    """
    with OtherProcess(code, env.prefix / ".lock") as other:
        other.expect("held")
        both = [world.start("pip", "check") for _ in range(2)]
        for each in both:
            assert each.stderr is not None
            assert each.stderr.readline().startswith("waiting")
        other.tell()
        said = [each.communicate(timeout=60)[1] for each in both]

    assert [each.returncode for each in both] == [0, 0]
    assert sum("is now finished: foo 2.0" in each for each in said) == 1
    assert is_whole(env, "2.0")


def test_an_environment_that_was_moved_is_recovered_where_it_is(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=4)
    env.prefix.rename(tmp_path / "elsewhere")
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(tmp_path / "elsewhere")

    said = world.miniuv("pip", "check", "--files")

    assert said.code == 0, said
    assert "is now finished: foo 2.0" in said.err


def test_a_copy_that_kept_no_times_is_not_guessed_at(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(env, tmp_path, monkeypatch, done=4)
    copy = tmp_path / "copy"
    shutil.copytree(env.prefix, copy, symlinks=True, copy_function=shutil.copyfile)
    for folder, _, names in os.walk(copy):  # what `cp -r` gives
        for name in names:
            os.utime(Path(folder, name), follow_symlinks=False)
    (copy / "bin").chmod(0o755)
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(copy)

    said = world.miniuv("pip", "check")

    assert said.code == 1
    assert "another tool has changed" in said.err
    assert "hint:" in said.err


JUNK: dict[str, Callable[[Path], object]] = {
    "a file called as a work folder": lambda work: (work / "txn-999999999-x").write_text("junk"),
    "a link called as a work folder": lambda work: (work / "txn-999999999-x").symlink_to(work.parent / "bin"),
    "a link to nothing": lambda work: (work / "txn-x").symlink_to("gone"),
    "a folder that is not empty": lambda work: (work / "txn-").mkdir(),
    "names without a number": lambda work: (work / "txn-99999999999999999999999-x" / "new").mkdir(parents=True),
}


@pytest.mark.parametrize("junk", JUNK)
def test_junk_among_the_work_folders_disturbs_nobody(env: Environment, tmp_path: Path, junk: str) -> None:
    work = env.prefix / ".miniuv"
    work.mkdir()
    JUNK[junk](work)

    recover(env.interpreter, reporter=env.reporter)
    env.install(make_wheel(tmp_path, "foo", "2.0", NEW))

    assert is_whole(env, "2.0")
    assert (env.prefix / "bin" / "python").exists()


@pytest.mark.parametrize("kind", ["a file", "a link to nothing", "a link to itself"])
def test_something_else_in_the_place_of_the_work_folder_is_one_clear_error(
    env: Environment, tmp_path: Path, kind: str
) -> None:
    work = env.prefix / ".miniuv"
    if kind == "a file":
        work.write_text("junk")
    else:
        work.symlink_to("gone" if kind == "a link to nothing" else work)
    world = World.make(tmp_path, environment=False)
    world.environ["VIRTUAL_ENV"] = str(env.prefix)

    said = world.miniuv("pip", "install", make_wheel(tmp_path, "foo", "2.0", NEW))

    assert said.code == 1
    assert "Traceback" not in said.err
    assert str(work) in said.err
    assert is_whole(env, "1.0")


@pytest.mark.parametrize("undone", [False, True])
def test_the_work_folder_of_another_user_is_told_as_that(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undone: bool
) -> None:
    """What cannot be seen must not be taken for something that is not there."""
    journal = cut_short(env, tmp_path, monkeypatch, done=4, undone=undone)
    before = env.tree()

    monkeypatch.setattr(os, "lstat", _as_somebody_else(journal.folders[0]))
    with pytest.raises(InstallError, match="could not be finished: Permission denied") as caught:
        recover(env.interpreter, reporter=env.reporter)

    monkeypatch.undo()
    assert "must be writable by you" in str(caught.value.hint)
    assert env.tree() == before
    recover(env.interpreter, reporter=env.reporter)
    assert is_whole(env, "1.0" if undone else "2.0")


def _as_somebody_else(folder: str) -> Callable[..., os.stat_result]:
    lstat = os.lstat

    def refused(path: str, **options: int) -> os.stat_result:
        if str(path).startswith(f"{folder}/"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return lstat(path, **options)

    return refused
