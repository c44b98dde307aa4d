"""An index, and a world that uses it, for tests of the cache by whole commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.simple_index import SimpleIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SimpleIndex]:
    folder = tmp_path / "index"
    folder.mkdir()
    with SimpleIndex(folder, metadata="advertised") as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, index: SimpleIndex) -> World:
    return World.make(tmp_path, index=index.url)
