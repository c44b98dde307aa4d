"""The corpus of hostile wheels, through the command line: each is refused before anything is touched."""

from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.hostile_wheels import CORPUS, Hostile
from tests.support.refusals import refused


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One world for all: what is refused leaves nothing in it."""
    return World.make(tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.id)
def test_a_hostile_wheel_is_refused_before_anything_is_touched(shared: World, hostile: Hostile, tmp_path: Path) -> None:
    wheel = hostile.write(tmp_path)
    refused(shared, "pip", "install", wheel, says=(wheel.name, *hostile.says))
    assert not Path("/tmp/miniuv-hostile-X").exists()  # what W2 is after
