"""What is done before the resolver asks for it; never a condition of the answer."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from packaging.utils import NormalizedName

from miniuv.index.select import Selection, select
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import IndexFile, PinnedSource
from tests.support.universe import Universe, installed

_PATIENCE = 20.0


@dataclass(kw_only=True)
class Slow(Universe):
    """A universe whose page of one name comes only after something else has happened."""

    held: str = ""
    """The name."""
    until: threading.Event = field(default_factory=threading.Event)
    came_in_time: bool = False
    awaited: str = ""
    """The file whose metadata is waited for."""
    awaited_wheel: str = ""
    size: int = 1000
    """Of every file."""
    fetched: list[str] = field(default_factory=list)
    """The wheels."""

    def selection(
        self, name: NormalizedName, *, interpreter: Interpreter, no_build: bool = False, position: int = 0
    ) -> Selection:
        if name == self.held and position == 0:
            self.came_in_time = self.until.wait(_PATIENCE)
        found = super().selection(name, interpreter=interpreter, no_build=no_build, position=position)
        files = [replace(file, size=self.size) for files in found.versions.values() for file in files]
        return select(files, name=name, interpreter=interpreter, no_build=no_build)

    def metadata(self, pinned: PinnedSource) -> CoreMetadata:
        if str(pinned) == self.awaited:
            self.until.set()
        return super().metadata(pinned)

    def wheel(self, pinned: PinnedSource) -> object:
        name = pinned.filename if isinstance(pinned, IndexFile) else str(pinned)
        self.fetched.append(name)
        if name.endswith(self.awaited_wheel or "\0"):
            self.until.set()
        return object()


@pytest.fixture
def universe(tmp_path: Path) -> Slow:
    return Slow(base=tmp_path)


def test_what_is_needed_further_down_is_read_while_the_resolver_waits(universe: Slow) -> None:
    universe.release("a-slow", "1")
    universe.release("top", "1", "middle[x]")
    universe.release("middle", "1", "bottom ; extra == 'x'", extras=("x",))
    universe.release("bottom", "1")
    universe.held, universe.awaited = "a-slow", "bottom-1-py3-none-any.whl"
    assert set(universe.versions("a-slow", "top")) == {"a-slow", "top", "middle", "bottom"}
    assert universe.came_in_time


def test_another_version_is_read_ahead_where_a_further_requirement_needs_one(universe: Slow) -> None:
    universe.release("a-slow", "1")
    for version in ("1", "2"):
        universe.release("one", version)
    universe.release("top", "1", "one<2")
    universe.held, universe.awaited = "a-slow", "one-1-py3-none-any.whl"
    assert universe.versions("a-slow", "one", "top")["one"] == "1"
    assert universe.came_in_time


def test_the_wheel_of_what_is_chosen_is_fetched_while_the_resolver_goes_on(universe: Slow) -> None:
    universe.release("one", "1", "two")
    universe.release("two", "1")
    universe.held, universe.awaited_wheel = "two", "one-1-py3-none-any.whl"
    universe.versions("one")
    assert universe.came_in_time


def test_what_is_named_by_its_place_is_built_while_the_resolver_goes_on(universe: Slow) -> None:
    universe.project("one", "one", "1", "two")
    universe.release("two", "1")
    universe.held, universe.awaited_wheel = "two", "/one"
    universe.versions(editables=["one"])
    assert universe.came_in_time


def test_what_is_installed_already_is_not_built_ahead(universe: Slow) -> None:
    universe.project("one", "one", "1")
    universe.versions(editables=["one"], installed=[installed("one", "1")])
    universe.versions(editables=["one"], dry_run=True)
    assert universe.fetched == []


@pytest.mark.parametrize(("size", "options"), [(1000, {"dry_run": True}), (1 << 30, {})], ids=["dry run", "huge"])
def test_no_wheel_is_fetched_that_may_not_be_wanted(universe: Slow, size: int, options: dict[str, object]) -> None:
    universe.release("one", "1", "two")
    universe.release("two", "1")
    universe.size = size
    universe.versions("one", **options)
    assert universe.fetched == []


def test_an_error_read_ahead_is_none_where_the_resolver_never_gets_there(universe: Slow) -> None:
    universe.release("one", "2", "other @ https://elsewhere.invalid/other-1.tar.gz")
    universe.release("one", "1")
    universe.release("top", "1", "one<2")
    assert universe.versions("top")["one"] == "1"
