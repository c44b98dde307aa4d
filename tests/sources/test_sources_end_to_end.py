"""Each kind of source: the cheapest metadata, and one build for everybody."""

import shutil
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_files, write_project
from tests.support.pythons import make_environment
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.make(tmp_path)
    world.environ["TINY_BUILD_LOG"] = str(world.folder / "builds")
    return world


def builds(world: World) -> list[str]:
    log = world.folder / "builds"
    return log.read_text().splitlines() if log.exists() else []


def sdist(folder: Path, name: str, *, info: str = "Metadata-Version: 2.1", inside: str = "", **facts: object) -> Path:
    """An sdist of a little project, below ``inside`` where that is given; ``info`` is how its PKG-INFO begins."""
    tree = folder / "trees" / f"{name}-1.0"
    write_files(tree / inside, project_files(name, dynamic=True, **facts))  # type: ignore[arg-type]
    (tree / "PKG-INFO").write_text(f"{info}\nName: {name}\nVersion: 1.0\n")
    made = shutil.make_archive(str(folder / f"{name}-1.0"), "gztar", tree.parent, tree.name)
    shutil.rmtree(folder / "trees")
    return Path(made)


def test_a_git_requirement_with_static_metadata_is_not_built_to_be_resolved(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    repository.commit(project_files("one"))
    world.install("--dry-run", f"git+{repository.url}")
    assert builds(world) == []


def test_what_is_built_is_read_in_its_private_copy_and_what_is_not_in_a_checkout_that_is_kept(
    world: World, tmp_path: Path
) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    commit = repository.commit(project_files("one"))
    asked = f"one @ git+{repository.url}@{commit}"
    world.install(asked)
    assert not list(tmp_path.glob("cache/v1/checkouts/*"))
    repository = GitRepository.create(world.folder / "two.git")
    repository.commit(project_files("two"))
    world.install("--dry-run", f"two @ git+{repository.url}")
    assert len(list(tmp_path.glob("cache/v1/checkouts/*"))) == 1


def test_a_git_wheel_is_built_once_for_every_environment(world: World, tmp_path: Path) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    commit = repository.commit(project_files("one", dynamic=True))
    asked = f"one @ git+{repository.url}@{commit}"
    world.install(asked)
    make_environment(world.folder / "other")
    tools = tmp_path / "no-tools"
    tools.mkdir()
    said = world.miniuv("pip", "install", asked, "--python", "other", environ={"PATH": str(tools)})
    assert said.code == 0, said.err  # neither git nor a backend was started
    assert builds(world) == ["wheel one"]


def test_an_sdist_with_static_metadata_is_not_built_to_be_resolved(world: World) -> None:
    path = sdist(world.folder, "one", info="Metadata-Version: 2.2")
    world.install("--dry-run", path)
    assert builds(world) == []
    world.install(path)
    world.install("--reinstall", path)
    assert builds(world) == ["wheel one"]
    assert world.installed() == {"one": "1.0"}


def test_an_sdist_with_dynamic_metadata_is_built_once(world: World) -> None:
    path = sdist(world.folder, "one", info="Metadata-Version: 2.2\nDynamic: Requires-Dist")
    world.install("--dry-run", path)
    world.install(path)
    assert builds(world) == ["wheel one"]


def test_a_subdirectory_of_an_archive_is_another_project(world: World) -> None:
    path = sdist(world.folder, "one", inside="packages/one", info="Metadata-Version: 2.2\nProvides-Extra: wrong")
    world.install(f"one[wrong] @ {path.as_uri()}#subdirectory=packages/one")
    assert world.installed() == {"one": "1.0"}
    said = world.miniuv("pip", "install", "--reinstall", f"one @ {path.as_uri()}#subdirectory=nowhere")
    assert said.code == 1
    assert "has no folder `nowhere`" in said.err
    assert "`packages`" in said.err


def test_metadata_files_spare_the_download(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    make_wheel(folder, "one", "1", requires=["two"])
    make_wheel(folder, "two", "1")
    with SimpleIndex(folder, metadata="advertised") as index:
        world = World.make(tmp_path, index=index.url)
        world.install("--dry-run", "one")
        assert [path for path in index.paths("/files/") if not path.endswith(".metadata")] == []
        world.install("one")
        assert world.installed() == {"one": "1", "two": "1"}


def test_an_sdist_of_another_version_than_its_name_says_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    lying = sdist(folder, "one", info="Metadata-Version: 2.2")
    lying.rename(folder / "one-2.0.tar.gz")
    make_wheel(folder, "one", "1")
    with SimpleIndex(folder) as index:
        world = World.make(tmp_path, index=index.url)
        world.install("one")
        assert world.installed() == {"one": "1"}
        said = world.miniuv("pip", "install", "one>1")
    assert said.code == 1
    assert "is called `one 1.0` in its own metadata (one-2.0.tar.gz)" in said.err


def test_an_edited_folder_is_built_anew_and_an_editable_always(world: World) -> None:
    write_project(world.folder, "one")
    world.install("./one")
    world.install("./one")
    world.install("-e", "one")
    world.install("-e", "one")
    assert builds(world) == ["wheel one", "wheel one", "editable one", "editable one"]


def test_local_pre_releases_do_not_hide_what_an_index_has(tmp_path: Path) -> None:
    """Where nothing but pre-releases is found in one place, the next place is looked at first."""
    folder = tmp_path / "index"
    make_wheel(folder, "one", "1.0")
    local = make_wheel(tmp_path / "wheels", "one", "2.0b1")
    with SimpleIndex(folder) as index:
        world = World.make(tmp_path, index=index.url)
        world.install("--find-links", local.parent, "one")
        assert world.installed() == {"one": "1.0"}
        world.install("--find-links", local.parent, "--upgrade", "--pre", "one")
        assert world.installed() == {"one": "2.0b1"}
