"""list, freeze, show, check and uninstall, and the real pip on the same environment."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.pythons import make_environment
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


def _fill(world: World, index: Path) -> World:
    """One of each kind: from the index, an editable, a git folder, a wheel, and a project by its path."""
    make_wheel(
        index,
        "Flask.Like",
        "2.0",
        requires=["leaf>=1", "gone; python_version < '3'"],
        entry_points={"console_scripts": {"flask-like": "flask_like:main"}},
    )
    make_wheel(index, "leaf", "1.5", {"leaf/__init__.py": "", "leaf/data/text.txt": "x"})
    write_project(world.folder, "edited", dependencies=["leaf"])
    write_project(world.folder, "plain-project")
    wheel = make_wheel(world.folder / "wheels", "wheely", "0.1")
    repository = GitRepository.create(world.folder / "one.git")
    repository.commit({f"sub/{path}": text for path, text in project_files("gitty").items()})
    world.install(
        "Flask.Like", "-e", "edited", "./plain-project", wheel.as_uri(), f"git+{repository.url}#subdirectory=sub"
    )
    return world


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A filled environment that no test changes."""
    folder = tmp_path_factory.mktemp("seen")
    (folder / "index").mkdir()
    with SimpleIndex(folder / "index") as index:
        yield _fill(World.make(folder, index=index.url), index.folder)


@pytest.fixture
def filled(indexed: World, index: SimpleIndex) -> World:
    """A filled environment of the test's own."""
    return _fill(indexed, index.folder)


def test_list_agrees_with_pip(seen: World) -> None:
    assert seen.miniuv("pip", "list").out == seen.pip("list").out
    ours = json.loads(seen.miniuv("pip", "list", "--format", "json").out)
    theirs = json.loads(seen.pip("list", "--format", "json").out)
    assert ours == theirs
    assert seen.miniuv("pip", "list", "--format=freeze").out == seen.pip("list", "--format=freeze").out


def test_list_takes_pips_filters(seen: World) -> None:
    for options in (["-e"], ["--exclude-editable"], ["--exclude", "leaf", "--exclude", "flask_like"]):
        assert seen.miniuv("pip", "list", *options).out == seen.pip("list", *options).out


def test_an_empty_environment_lists_nothing(world: World) -> None:
    assert world.miniuv("pip", "list").out == ""
    assert world.miniuv("pip", "freeze").out == ""
    assert world.miniuv("pip", "list", "--format", "json").out == "[]\n"


def test_freeze_agrees_with_pip(seen: World) -> None:
    theirs = [line for line in seen.pip("freeze").out.splitlines() if not line.startswith("#")]
    assert seen.miniuv("pip", "freeze").out.splitlines() == theirs


def test_freeze_leaves_out_what_is_asked(seen: World) -> None:
    out = seen.miniuv("pip", "freeze", "--exclude-editable", "--exclude", "Leaf").out
    assert "edited" not in out
    assert "leaf" not in out
    assert "gitty" in out


def test_what_freeze_says_installs_the_same_again(filled: World) -> None:
    frozen = filled.miniuv("pip", "freeze").out
    (filled.folder / "frozen.txt").write_text(frozen)
    make_environment(filled.folder / "other")
    filled.install("-r", "frozen.txt", "--python", "other")
    assert filled.miniuv("pip", "freeze", "--python", "other").out == frozen


def test_what_freeze_says_is_what_is_there(seen: World) -> None:
    (seen.folder / "frozen.txt").write_text(seen.miniuv("pip", "freeze", "--exclude-editable").out)
    said = seen.install("-r", "frozen.txt", "--dry-run")
    assert "flask" not in said.err
    assert "gitty" not in said.err


def test_pip_installs_what_freeze_says(seen: World) -> None:
    frozen = seen.miniuv("pip", "freeze", "--exclude", "flask-like", "--exclude", "leaf").out
    (seen.folder / "frozen.txt").write_text(frozen)
    said = seen.pip("install", "--no-deps", "--no-index", "--dry-run", "-r", str(seen.folder / "frozen.txt"))
    assert said.code == 0, said.err


@pytest.mark.parametrize("name", ["Flask.Like", "flask_like", "leaf", "edited", "plain-project", "gitty"])
def test_show_agrees_with_pip(seen: World, name: str) -> None:
    assert seen.miniuv("pip", "show", "-f", name).out == seen.pip("show", "-f", name).out


def test_show_separates_several_and_warns_of_those_that_are_missing(seen: World) -> None:
    said = seen.miniuv("pip", "show", "leaf", "nosuch", "edited")
    assert said.out == seen.pip("show", "leaf", "nosuch", "edited").out
    assert said.out.count("---") == 1
    assert "nosuch" in said.err
    assert said.code == 0


def test_show_of_nothing_that_is_there_fails(world: World) -> None:
    said = world.miniuv("pip", "show", "nosuch")
    assert (said.code, said.out) == (1, "")
    assert "`nosuch`" in said.err


def test_check_agrees_with_pip_that_all_is_well(seen: World) -> None:
    said = seen.miniuv("pip", "check")
    assert (said.code, said.out) == (0, seen.pip("check").out)


def test_check_agrees_with_pip_on_what_is_missing_or_does_not_fit(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "one", "1.0", requires=["leaf>=2", "absent"])
    indexed.install("--no-deps", "one", "leaf")
    said, theirs = indexed.miniuv("pip", "check"), indexed.pip("check")
    assert said.code == theirs.code == 1
    assert sorted(said.out.splitlines()) == sorted(theirs.out.splitlines())


def test_check_tells_of_another_python_and_of_duplicates(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    indexed.install("leaf")
    (info,) = (indexed.folder / ".venv").rglob("leaf-1.0.dist-info")
    shutil.copytree(info, info.with_name("leaf-2.0.dist-info"))
    metadata = info / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 1.0", "Version: 1.0\nRequires-Python: >=99"))
    said = indexed.miniuv("pip", "check")
    assert said.code == 1
    assert "leaf is installed 2 times." in said.out
    assert "leaf 1.0 requires Python >=99, but this is Python 3." in said.out


@pytest.mark.parametrize("command", [("list",), ("freeze",), ("show", "leaf"), ("check",)])
def test_commands_that_only_look_need_no_cache(seen: World, command: tuple[str, ...]) -> None:
    usual = seen.miniuv("pip", *command)
    without = seen.miniuv("pip", *command, environ={"MINIUV_CACHE_DIR": "/proc/nowhere"})
    assert (without.code, without.out, without.err) == (0, usual.out, "")


def test_uninstall_removes_every_file_of_what_is_named(filled: World) -> None:
    said = filled.miniuv("pip", "uninstall", "-y", "flask-like", "Edited", "gitty", "wheely", "plain_project", "leaf")
    assert said.code == 0, said.err
    assert "Uninstalled 6 packages in " in said.err
    assert " - leaf==1.5" in said.err
    assert filled.installed() == {}
    assert not (filled.folder / ".venv" / "bin" / "flask-like").exists()
    assert [path.name for path in filled.site.iterdir() if path.name not in ("_virtualenv.py", "_virtualenv.pth")] == []
    assert (filled.folder / "edited" / "edited" / "__init__.py").exists()


def test_pip_uninstalls_what_miniuv_installed(filled: World) -> None:
    said = filled.pip("uninstall", "-y", "flask-like", "edited", "gitty", "leaf", "wheely", "plain-project")
    assert said.code == 0, said.err
    assert filled.installed() == {}


def test_uninstall_of_what_is_not_there_warns_and_succeeds(world: World) -> None:
    said = world.miniuv("pip", "uninstall", "nosuch")
    assert said.code == 0
    assert said.err.splitlines() == ["warning: `nosuch` is not installed, so it is not removed", "Nothing to uninstall"]


def test_uninstall_reads_requirement_files_and_can_try_dry(filled: World) -> None:
    (filled.folder / "r.txt").write_text("leaf>=1  # a comment\nwheely\n")
    dry = filled.miniuv("pip", "uninstall", "-r", "r.txt", "--dry-run")
    assert [line for line in dry.err.splitlines() if line[1] == "-"] == [
        " - leaf==1.5",
        f" - wheely==0.1 (from {next((filled.folder / 'wheels').iterdir()).as_uri()})",
    ]
    assert "Would uninstall 2 packages" in dry.err
    assert "leaf" in filled.installed()
    filled.miniuv("pip", "uninstall", "-r", "r.txt")
    assert not {"leaf", "wheely"} & set(filled.installed())


def test_the_target_is_told_unless_it_is_to_be_expected(world: World, tmp_path: Path) -> None:
    assert world.miniuv("pip", "list").err == ""
    make_environment(world.folder / "other")
    assert world.miniuv("pip", "list", "-p", "other").err.endswith(" environment at: other\n")
    assert world.miniuv("pip", "list", environ={"VIRTUAL_ENV": str(world.folder / "other")}).err == ""
