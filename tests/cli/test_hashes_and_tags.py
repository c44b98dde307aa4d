import hashlib
import sys
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


def line(wheel: Path, name: str, version: str = "1.0") -> str:
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def refused(world: World, *arguments: str) -> str:
    said = world.miniuv("pip", "install", *arguments)
    assert said.code == 1
    assert world.installed() == {}
    return said.err


def test_with_required_hashes_everything_named_and_needed_has_one(indexed: World, index: SimpleIndex) -> None:
    needed = make_wheel(index.folder, "needed", "1.0")
    one = make_wheel(index.folder, "one", "1.0", requires=["needed"])
    (indexed.folder / "all.txt").write_text("--require-hashes\n" + line(one, "one") + line(needed, "needed"))
    indexed.install("-r", "all.txt")
    assert sorted(indexed.installed()) == ["needed", "one"]


def test_with_required_hashes_a_dependency_without_one_is_refused(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "needed", "1.0")
    one = make_wheel(index.folder, "one", "1.0", requires=["needed"])
    (indexed.folder / "some.txt").write_text(line(one, "one"))
    assert "needed 1.0, required by one" in refused(indexed, "--require-hashes", "-r", "some.txt")


@pytest.mark.parametrize("variable", ["MINIUV_REQUIRE_HASHES", "PIP_REQUIRE_HASHES", "UV_REQUIRE_HASHES"])
def test_hashes_are_required_by_the_settings_too(indexed: World, index: SimpleIndex, variable: str) -> None:
    make_wheel(index.folder, "one", "1.0")
    indexed.environ.pop("MINIUV_NO_CONFIG")
    indexed.environ[variable] = "1"
    assert "one 1.0" in refused(indexed, "one==1.0")


def test_with_required_hashes_an_unpinned_requirement_is_refused(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "one", "1.0")
    assert "one>=1" in refused(indexed, "--require-hashes", "one>=1")


def test_a_full_commit_counts_as_a_hash_and_a_branch_does_not(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    commit = repository.commit(project_files("one"))
    assert "full commit" in refused(world, "--require-hashes", f"one @ git+{repository.url}@main")
    world.install("--require-hashes", f"one @ git+{repository.url}@{commit}")
    assert world.installed() == {"one": "1.0"}


def test_a_folder_has_no_hash(world: World) -> None:
    write_project(world.folder, "one")
    assert "one 1.0" in refused(world, "--require-hashes", "-e", "one")


@pytest.mark.parametrize("tag", ["py3-none-win_amd64", f"cp{sys.version_info[0]}{sys.version_info[1] + 1}-none-any"])
def test_a_wheel_for_another_platform_or_python_is_refused_by_its_path(world: World, tag: str) -> None:
    wheel = make_wheel(world.folder, "one", "1.0", tag=tag)
    for text in (f"./{wheel.name}", f"one @ {wheel.as_uri()}"):
        said = refused(world, text)
        assert tag in said
        assert "does not fit" in said
