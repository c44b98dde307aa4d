"""A world to run commands in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import World
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
