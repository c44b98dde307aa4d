"""``miniuv doctor``: what is wrong is said with what to do about it, and nothing that is broken ends it."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.cache.owner import Owner
from miniuv.values import replace
from tests.support.commands import Said, World
from tests.support.environments import Environment
from tests.support.processes import OtherProcess
from tests.support.pythons import interpreters, program
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with one package, and a cache."""
    folder = tmp_path_factory.mktemp("doctor")
    world = World.make(folder)
    world.install(make_wheel(folder, "foo", "1.0"))
    return world


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    """A copy of it that a test may break."""
    world = World(folder=tmp_path / "world", environ=dict(template.environ))
    shutil.copytree(template.folder, world.folder, symlinks=True)
    shutil.copytree(template.folder.parent / "cache", tmp_path / "cache", symlinks=True)
    world.environ |= {"MINIUV_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path / "home")}
    return world


def wrong(said: Said) -> list[tuple[str, str]]:
    """What is wrong, and what to do."""
    assert "Traceback" not in said.out + said.err
    found = re.findall(r"^  wrong  (.*)\n         -> (.*)$", said.out, re.MULTILINE)
    assert len(found) == said.out.count("\n  wrong  "), "each has an advice"
    assert said.code == (1 if found else 0), said
    return found


def only(said: Said) -> tuple[str, str]:
    (found,) = wrong(said)
    return found


def test_where_nothing_is_wrong_it_says_so_and_what_it_has_seen(world: World) -> None:
    said = world.miniuv("doctor")

    assert wrong(said) == []
    assert said.out.endswith("Nothing is wrong\n")
    for each in (
        f"`{world.folder / '.venv'}`, the nearest `.venv`",
        "(cpython) starts; it is an environment",
        "the lock of the environment excludes a second process, and is free again afterwards",
        "1 packages are installed",
        "ok     git version 2.",
        "of the environment) has ",
        "the lock of a file in it excludes a second process, and is free again afterwards",
        "no-index = 1, by the environment",
    ):
        assert each in said.out


def test_nothing_is_changed_by_looking(world: World) -> None:
    def tree(folder: Path) -> dict[str, tuple[int, str]]:
        python = interpreters().describe(world.python)
        env = Environment(interpreter=replace(python, prefix=folder), cache=folder)
        return env.tree()

    (world.folder / ".venv" / ".miniuv" / "txn-999999999-x").mkdir(parents=True)
    before = tree(world.folder.parent)

    world.miniuv("doctor")

    assert tree(world.folder.parent) == before


def test_without_cache_and_environment_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    world = World.make(tmp_path, environment=False)

    said = world.miniuv("doctor")

    assert only(said)[0] == "no environment was found"
    assert "is not there yet; the first installation makes it" in said.out
    assert not (tmp_path / "cache").exists()


def lose_python(world: World) -> None:
    """As when the Python that it was made from is removed."""
    for name in os.listdir(world.folder / ".venv" / "bin"):
        if name.startswith("python"):
            (world.folder / ".venv" / "bin" / name).unlink()
    (world.folder / ".venv" / "bin" / "python").symlink_to("/nonexistent/python3")


def edit_settings(old: str, new: str) -> Callable[[World], None]:
    def edit(world: World) -> None:
        file = world.folder / ".venv" / "pyvenv.cfg"
        file.write_text(re.sub(old, new, file.read_text(), flags=re.MULTILINE))

    return edit


def put(name: str, text: str = "") -> Callable[[World], None]:
    """Write a file into site-packages."""

    def write(world: World) -> None:
        (world.site / name).parent.mkdir(exist_ok=True)
        (world.site / name).write_text(text)

    return write


def double(world: World) -> None:
    """As uv and pip leave it when they are killed."""
    info = world.site / "foo-1.0.dist-info"
    shutil.copytree(info, info.with_name("foo-0.9.dist-info"))
    metadata = info.with_name("foo-0.9.dist-info") / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "0.9"))


def lock_is_a_folder(world: World) -> None:
    (world.folder / ".venv" / ".lock").unlink()
    (world.folder / ".venv" / ".lock").mkdir()


def lock_is_private(world: World) -> None:
    (world.folder / ".venv").chmod(0o777)
    (world.folder / ".venv" / ".lock").chmod(0o600)


def damage_journal(world: World) -> None:
    (world.folder / ".venv" / ".miniuv").mkdir()
    (world.folder / ".venv" / ".miniuv" / "journal").write_text("junk")


ENVIRONMENTS: dict[str, tuple[Callable[[World], object], str, str]] = {
    "pyvenv.cfg without home": (edit_settings("^home.*$", ""), "does not say which Python", "venv --clear"),
    "another version": (edit_settings(r"^(version\S* = )\S*", r"\g<1>2.7.1"), "says Python 2.7, and", "venv --clear"),
    "a ghost": (put("bar-1.0.dist-info/INSTALLER", "uv"), "it has no `METADATA`", "--reinstall bar"),
    "no RECORD": (
        lambda world: (world.site / "foo-1.0.dist-info" / "RECORD").unlink(),
        "foo 1.0 has no RECORD",
        "--reinstall foo",
    ),
    "two of one name": (double, "foo is installed 2 times", "--reinstall foo"),
    "what pip moved aside": (put("~oo/__init__.py"), "has left what it moved aside: `", "remove these"),
    "a dist-info that pip moved aside": (put("~oo-1.0.dist-info/METADATA"), "what pip left", "it can be removed"),
    "a lock that is a folder": (lock_is_a_folder, "is no file, so the environment cannot be locked", "remove it"),
    "a lock that others cannot take": (
        lock_is_private,
        "has fewer permissions than the environment",
        "`chmod 666 ",
    ),
    "a journal that is damaged": (
        damage_journal,
        "cannot be made sense of",
        "miniuv venv --clear",
    ),
}


@pytest.mark.parametrize("trouble", ENVIRONMENTS)
def test_what_is_wrong_with_an_environment_is_told_with_what_to_do(world: World, trouble: str) -> None:
    damage, told, advice = ENVIRONMENTS[trouble]
    damage(world)

    text, what_to_do = only(world.miniuv("doctor"))

    assert told in text
    assert advice in what_to_do


def test_an_interpreter_that_is_gone_is_told_along_with_what_was_left_half_done(world: World) -> None:
    lose_python(world)
    edit_settings("^home.*$", "home = /nonexistent")(world)
    work = world.folder / ".venv" / ".miniuv"
    work.mkdir()
    (work / "journal").write_text("")

    found = wrong(world.miniuv("doctor"))

    assert [text for text, _ in found if "which is gone" in text]
    assert [text for text, _ in found if "cannot be finished while the interpreter does not start" in text]
    assert [text for text, _ in found if "does not start: No such file" in text]


def test_a_variable_that_names_no_environment_is_told(world: World) -> None:
    world.environ["VIRTUAL_ENV"] = "/nonexistent"

    assert only(world.miniuv("doctor")) == (
        "VIRTUAL_ENV: `/nonexistent` is no environment",
        "make it with `miniuv venv /nonexistent`, or unset VIRTUAL_ENV",
    )


def test_a_change_that_was_cut_short_is_told_with_what_the_next_command_does(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = Environment(interpreter=interpreters().describe(world.python), cache=tmp_path / "unpacked")
    prepared = env.prepare(make_wheel(tmp_path, "foo", "2.0"))

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("miniuv.install.transaction.carry_out", cut)
        with pytest.raises(KeyboardInterrupt):
            env.apply([prepared])

    text, advice = only(world.miniuv("doctor"))
    assert text == "a change was cut short: foo 2.0, foo 1.0"
    assert "`miniuv pip check` finishes it" in advice

    (world.site / "foo.py").unlink()
    text, advice = only(world.miniuv("doctor"))
    assert f"another tool has changed `{world.site / 'foo.py'}` since, so the next command stops" in text
    assert "--reinstall --force foo" in advice


def test_what_killed_commands_left_is_noted(world: World, tmp_path: Path) -> None:
    (world.folder / ".venv" / ".miniuv" / "txn-999999999-x").mkdir(parents=True)
    gone = replace(Owner.this_process(step="x"), pid=999999999, ticks=1)
    lease = tmp_path / "cache" / "v1" / "leases" / "host-999999999-0123456789abcdef"
    lease.write_bytes(gone.encode())

    said = world.miniuv("doctor")

    assert wrong(said) == []
    assert "note   killed commands have left work behind" in said.out
    assert "note   1 command was killed, and left 0 B unfinished" in said.out


def test_who_holds_the_environment_is_named_also_where_it_leaves_no_record(world: World) -> None:
    code = """
        import fcntl, os
        descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        say("held")
        hear()
    """
    with OtherProcess(code, world.folder / ".venv" / ".lock") as uv:
        uv.expect("held")
        said = world.miniuv("doctor")

    assert wrong(said) == []
    assert f"somebody is changing it: pid {uv.pid} " in said.out


@pytest.mark.parametrize("git", ["none", "old", "broken"])
def test_a_git_that_cannot_be_used_is_told(world: World, tmp_path: Path, git: str) -> None:
    if git != "none":
        program(tmp_path / "bin" / "git", "echo git version 2.20.1" if git == "old" else "exit 3")
    world.environ["PATH"] = str(tmp_path / "bin")

    text, advice = only(world.miniuv("doctor"))

    told = {
        "none": "there is no `git` on PATH",
        "old": "git 2.20 is too old",
        "broken": "does not answer with a version",
    }
    assert told[git] in text
    assert "git" in advice


def cache_is_a_file(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.write_text("")


def staging_is_a_file(cache: Path) -> None:
    shutil.rmtree(cache / "v1" / "tmp", ignore_errors=True)
    (cache / "v1" / "tmp").write_text("")


CACHES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a file": (cache_is_a_file, "is no folder", "--cache-dir"),
    "anybody's": (lambda cache: cache.chmod(0o777), "can be written by everybody", "--allow-shared-cache"),
    "staging is a file": (
        staging_is_a_file,
        "tmp",
        "check that it is there",
    ),
}


@pytest.mark.parametrize("trouble", CACHES)
def test_a_cache_that_cannot_be_used_is_told_and_the_rest_is_looked_at(
    world: World, tmp_path: Path, trouble: str
) -> None:
    damage, told, advice = CACHES[trouble]
    damage(tmp_path / "cache")

    said = world.miniuv("doctor")

    text, what_to_do = only(said)
    assert told in text
    assert advice in what_to_do
    assert "\nIndexes\n" in said.out


def test_locks_that_exclude_nobody_are_found_by_a_second_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may say yes to everybody."""
    monkeypatch.setattr("miniuv.cache.lock_file._lock", lambda _: True)

    found = wrong(world.miniuv("doctor"))

    assert [text for text, _ in found if "excludes nobody: a second process got it too" in text]


def test_a_file_system_without_locks_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: int) -> bool:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("miniuv.cache.lock_file._lock", none)

    assert [text for text, _ in wrong(world.miniuv("doctor")) if "there are no locks for" in text]


def test_settings_that_cannot_be_read_are_told_and_the_rest_is_looked_at(world: World) -> None:
    world.environ["MINIUV_TIMEOUT"] = "soon"

    said = world.miniuv("doctor")

    assert "`MINIUV_TIMEOUT` cannot be `soon`" in only(said)[0]
    assert "ok     git version" in said.out


def test_no_secret_is_shown(world: World) -> None:
    del world.environ["MINIUV_NO_INDEX"]
    world.environ |= {
        "MINIUV_INDEX_URL": "https://user:s3cret@host.invalid/simple",
        "MINIUV_EXTRA_INDEX_URL": "https://s3cret@other.invalid/simple https://third.invalid/?private_token=s3cret",
        "MINIUV_PROXY": "user:s3cret@proxy.invalid:1",
        "HTTPS_PROXY": "http://user:s3cret@proxy.invalid:1",
        "http_proxy": "user:s3cret@proxy.invalid:1",
    }

    said = world.miniuv("doctor")

    assert "host.invalid/simple, by the environment" in said.out
    assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize("setting", ["MINIUV_CERT", "MINIUV_FIND_LINKS", "MINIUV_CONSTRAINT", "SSL_CERT_FILE"])
def test_a_setting_that_names_what_is_not_there_is_told(world: World, setting: str) -> None:
    world.environ[setting] = "/nonexistent/thing"

    assert "names `/nonexistent/thing`" in only(world.miniuv("doctor"))[0].replace("the certificates", "names")


def test_no_index_is_asked_unless_that_is_wanted(indexed: World, index: SimpleIndex) -> None:
    indexed.miniuv("doctor")
    assert index.asked == []

    assert "answers (status 404)" in indexed.miniuv("doctor", "--online").out
    assert len(index.asked) == 1


def test_an_index_that_does_not_answer_is_told(world: World) -> None:
    del world.environ["MINIUV_NO_INDEX"]

    text, _ = only(world.miniuv("doctor", "--online", "-i", "http://127.0.0.1:9/simple", "--timeout", "1"))

    assert "127.0.0.1:9" in text
