"""A world to run commands in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives import write_tar
from tests.support.commands import World
from tests.support.projects import sdist_members
from tests.support.simple_index import SimpleIndex


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An environment, a cache, and no index."""
    return World.make(tmp_path)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SimpleIndex]:
    """An index on loopback that serves what a test puts into its folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    with SimpleIndex(folder) as server:
        yield server


@pytest.fixture
def indexed(tmp_path: Path, index: SimpleIndex) -> World:
    """An environment, a cache, and ``index``."""
    return World.make(tmp_path, index=index.url)


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that has built something, so that the build environment for no requirements is in the cache."""
    world = World.make(tmp_path_factory.mktemp("shared"))
    world.install(write_tar(world.folder / "first-1.0.tar.gz", sdist_members("first")))
    return world


@pytest.fixture
def builds(shared_world: World) -> Iterator[World]:
    """A folder of its own in ``shared_world``, which nothing that is refused changes."""
    folder = shared_world.folder / "here"
    folder.mkdir()
    yield World(folder=folder, environ=shared_world.environ)
    folder.rename(shared_world.folder.parent / f"done-{len(list(shared_world.folder.parent.iterdir()))}")
