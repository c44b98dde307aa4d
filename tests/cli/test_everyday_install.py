"""Requirement files, constraints, --no-deps, --reinstall, --dry-run and venv, as they are used every day."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.simple_index import Reply, SimpleIndex
from tests.support.wheels import make_wheel


@pytest.fixture
def stocked(indexed: World, index: SimpleIndex) -> World:
    """An index with two versions of `one`, which needs `leaf`."""
    for version in ("1.0", "2.0"):
        make_wheel(index.folder, "one", version, requires=["leaf"])
        make_wheel(index.folder, "leaf", version)
    return indexed


def test_a_requirement_file_with_comments_continuations_and_nested_files(stocked: World) -> None:
    folder = stocked.folder / "requirements"
    write_project(folder, "edited")
    (folder / "base.txt").write_text("\ufeffleaf==1.0 ; python_version >= '3'\n")
    (folder / "dev.txt").write_text(
        "# for developers\n-r base.txt\none \\\n  >=1.0  # newest\n-e requirements/edited\n"
    )
    stocked.install("-r", "requirements/dev.txt")
    assert stocked.installed() == {"edited": "1.0", "leaf": "1.0", "one": "2.0"}


def test_a_requirement_file_brings_its_constraints_and_index_options(world: World) -> None:
    make_wheel(world.folder / "wheels", "one", "1.0")
    make_wheel(world.folder / "wheels", "one", "2.0")
    (world.folder / "limits.txt").write_text("one<2\n")
    (world.folder / "r.txt").write_text("--no-index\n--find-links wheels\n-c limits.txt\none\n")
    world.install("-r", "r.txt")
    assert world.installed() == {"one": "1.0"}


def test_constraints_limit_versions_and_install_nothing(stocked: World) -> None:
    (stocked.folder / "limits.txt").write_text("leaf==1.0\nabsent==3\none<2\n")
    stocked.install("-c", "limits.txt", "one")
    assert stocked.installed() == {"leaf": "1.0", "one": "1.0"}


def test_a_constraint_that_cannot_be_met_is_named_with_its_line(stocked: World) -> None:
    (stocked.folder / "limits.txt").write_text("\nleaf==9\n")
    said = stocked.miniuv("pip", "install", "-c", "limits.txt", "one")
    assert said.code == 1
    assert "limits.txt:2" in said.err
    assert stocked.installed() == {}


def test_a_constraint_pins_a_git_requirement_by_its_address(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    first = repository.commit(project_files("one", "1.0"))
    repository.commit(project_files("one", "2.0"))
    (world.folder / "limits.txt").write_text(f"one @ git+{repository.url}@{first}\n")
    world.install("-c", "limits.txt", "one")
    assert world.installed() == {"one": "1.0"}


def test_requirement_files_come_from_the_web_with_what_they_include(stocked: World, index: SimpleIndex) -> None:
    index.canned["/lists/r.txt"] = [Reply(body=b"-c limits.txt\none\n")]
    index.canned["/lists/limits.txt"] = [Reply(body=b"one<2\n")]
    stocked.install("-r", f"{index.root}/lists/r.txt")
    assert stocked.installed() == {"leaf": "2.0", "one": "1.0"}
    said = stocked.miniuv("pip", "install", "-r", f"{index.root}/lists/gone.txt")
    assert said.code == 1
    assert f"{index.root}/lists/gone.txt: the server answered with status 404" in said.err
    said = stocked.miniuv("pip", "install", "--offline", "-c", f"{index.root}/lists/gone.txt", "one")
    assert "the network is switched off" in said.err


def test_a_variable_that_names_no_file_is_told(world: World) -> None:
    said = world.miniuv("pip", "install", "x", environ={"PIP_CONSTRAINT": "nosuch.txt", "MINIUV_NO_CONFIG": ""})
    assert said.code == 1
    assert "`PIP_CONSTRAINT`: `nosuch.txt` does not exist" in said.err


def test_an_upgrade_of_what_nobody_needs_is_warned_of(stocked: World) -> None:
    said = stocked.install("one", "-P", "nosuch", "--reinstall-package", "Other.Name")
    assert "warning: `--upgrade-package nosuch` has no effect" in said.err
    assert "warning: `--reinstall-package other-name` has no effect" in said.err


def test_what_a_change_breaks_is_warned_of_once(indexed: World, index: SimpleIndex) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index.folder, "leaf", version)
    make_wheel(index.folder, "one", "1.0", requires=["leaf>=2"])
    indexed.install("one")
    said = indexed.install("leaf==1.0")
    assert said.err.count("warning: ") == 1
    assert "warning: one 1.0 has requirement leaf>=2, but you have leaf 1.0\n" in said.err
    make_wheel(index.folder, "other", "1.0")
    assert "warning" not in indexed.install("other").err
    said = indexed.miniuv("pip", "uninstall", "leaf")
    assert "warning: one 1.0 requires leaf, which is not installed\n" in said.err


@pytest.mark.parametrize("option", ["-r", "-c"])
def test_a_file_that_is_not_there_is_told_once_and_clearly(world: World, option: str) -> None:
    said = world.miniuv("pip", "install", option, "nosuch.txt", "x")
    assert said.code == 1
    assert said.err.startswith("error: the command line: `nosuch.txt` does not exist\n\nhint: check the path")


def test_no_deps_leaves_dependencies_out_and_check_says_so(stocked: World) -> None:
    stocked.install("--no-deps", "one")
    assert stocked.installed() == {"one": "2.0"}
    assert stocked.miniuv("pip", "check").out == "one 2.0 requires leaf, which is not installed.\n"


def test_an_installed_version_is_kept_until_an_upgrade_is_asked_for(stocked: World) -> None:
    stocked.install("one==1.0", "leaf==1.0")
    assert "Audited" in stocked.install("one").err
    said = stocked.install("-U", "one")
    assert " - one==1.0" in said.err.splitlines()
    assert " + one==2.0" in said.err.splitlines()


def test_reinstall_installs_what_is_there_once_more(stocked: World) -> None:
    stocked.install("one")
    (module,) = (stocked.folder / ".venv").rglob("one.py")
    module.write_text("broken")
    said = stocked.install("--reinstall", "one")
    assert [line for line in said.err.splitlines() if line.startswith(" ")] == [" ~ leaf==2.0", " ~ one==2.0"]
    assert stocked.evaluate("import one; print(one.__version__)") == "2.0"
    assert " ~ leaf" not in stocked.install("--reinstall-package", "one", "one").err


def test_a_dry_run_of_an_upgrade_names_both_versions_and_changes_nothing(stocked: World) -> None:
    stocked.install("one==1.0")
    said = stocked.install("--dry-run", "-U", "one")
    lines = said.err.splitlines()
    assert lines[1:] == [
        "Would download or build 1 package",
        "Would uninstall 1 package",
        "Would install 1 package",
        " - one==1.0",
        " + one==2.0",
    ]
    assert stocked.installed()["one"] == "1.0"
    assert "Would make no changes" in stocked.install("--dry-run", "one").err


def test_a_dry_run_fails_as_the_real_one_would(stocked: World) -> None:
    assert stocked.miniuv("pip", "install", "--dry-run", "one>=3").code == 1


def test_compile_leaves_bytecode_that_pip_removes_too(stocked: World) -> None:
    stocked.install("--compile", "one")
    assert [path.name for path in (stocked.folder / ".venv").rglob("one.*.pyc")] != []
    assert stocked.pip("uninstall", "-y", "one").code == 0
    assert [path.name for path in (stocked.folder / ".venv").rglob("one.*")] == []


def test_venv_makes_an_environment_that_the_next_commands_find(tmp_path: Path) -> None:
    world = World.make(tmp_path, environment=False)
    said = world.miniuv("venv")
    assert said.code == 0, said.err
    assert said.out == ""
    assert re.fullmatch(
        r"Using Python 3\.\S+ interpreter at: \S+\n"
        r"Creating virtual environment at: \.venv\nActivate with: source \.venv/bin/activate\n",
        said.err,
    )
    write_project(world.folder, "one")
    world.install("-e", "one")
    assert world.evaluate("import one; print(one.__version__)") == "1.0"
    done = subprocess.run([world.python, "-m", "pip"], capture_output=True, text=True, check=False)
    assert "No module named pip" in done.stderr


def test_venv_refuses_what_is_there_and_clears_it_only_when_told(world: World) -> None:
    write_project(world.folder, "one")
    world.install("-e", "one")
    said = world.miniuv("venv")
    assert said.code == 1
    assert "--clear" in said.err.partition("\nhint: ")[2]
    assert world.installed() == {"one": "1.0"}
    assert world.miniuv("venv", "--clear").code == 0
    assert world.installed() == {}
    assert world.miniuv("venv", "one", "--clear").code == 1
    assert (world.folder / "one" / "pyproject.toml").exists()


def test_a_path_with_blanks_is_quoted_where_it_is_to_be_typed(world: World) -> None:
    said = world.miniuv("venv", "my env", "-p", world.python)
    assert said.code == 0, said.err
    assert said.err.endswith("Activate with: source 'my env/bin/activate'\n")


def test_without_a_cache_nothing_is_left_of_it(stocked: World) -> None:
    stocked.install("--no-cache", "one")
    assert not Path(stocked.environ["MINIUV_CACHE_DIR"]).exists()


def test_cache_dir_prints_the_folder(world: World) -> None:
    assert world.miniuv("cache", "dir").out == f"{world.environ['MINIUV_CACHE_DIR']}\n"
    assert world.miniuv("--cache-dir", "/elsewhere", "cache", "dir").out == "/elsewhere\n"
