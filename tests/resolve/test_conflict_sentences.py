"""A conflict names everybody: who requires what, where that stood, and what to do."""

from pathlib import Path

import pytest

from miniuv.errors import ResolutionError
from tests.support.universe import Universe


@pytest.fixture
def universe(tmp_path: Path) -> Universe:
    return Universe(base=tmp_path)


def told(universe: Universe, *texts: str, **options: object) -> list[str]:
    with pytest.raises(ResolutionError) as caught:
        universe.resolve(*texts, **options)  # type: ignore[arg-type]
    assert caught.value.hint
    return [line.strip() for line in str(caught.value).splitlines()]


def test_a_version_that_nobody_has(universe: Universe) -> None:
    universe.release("one", "1.0")
    assert told(universe, "one>2") == [
        "the command line requires one>2, but the versions that can be used here are 1.0"
    ]


def test_a_name_that_nobody_has_is_told_with_the_whole_way_to_it(universe: Universe) -> None:
    universe.release("a", "1", "b")
    universe.release("b", "1", "nosuch")
    universe.release("b", "2", "nosuch>1")
    lines = told(universe, "a")
    assert lines[0].startswith("no version of `nosuch` satisfies") or "`nosuch` is on none of the indexes" in lines[0]
    assert "b 2 requires nosuch>1" in " ".join(lines)
    assert "a 1 requires b" in lines
    assert "the command line requires a" in lines


def test_requirements_that_exclude_each_other(universe: Universe) -> None:
    for version in ("1", "2"):
        universe.release("shared", version)
    universe.project("left", "left", "1", "shared<2")
    universe.project("right", "right", "1", "shared>=2")
    assert told(universe, editables=["left", "right"]) == [
        "no version of `shared` satisfies everything that is required of it:",
        "left 1 (left/setup.py) requires shared<2",
        "right 1 (right/setup.py) requires shared>=2",
        "the versions that can be used here are 2, 1",
    ]


def test_a_constraint_is_named_with_its_line(universe: Universe) -> None:
    universe.release("one", "1")
    universe.release("one", "2")
    lines = told(universe, "one>1", constraints=["one<2"])
    assert "the command line requires one>1" in lines
    assert "constraints.txt:1 limits one to <2" in lines


def test_every_release_that_fails_for_a_reason_of_its_own_is_told(universe: Universe) -> None:
    for name in ("b", "c"):
        for version in ("1", "2"):
            universe.release(name, version)
    universe.release("a", "1", "b>=2")
    universe.release("a", "2", "c>=2")
    lines = told(universe, "a", "b<2", "c<2")
    for sentence in ("a 1 requires b>=2", "a 2 requires c>=2", "the command line requires b<2"):
        assert sentence in lines
    assert "no version of `b` satisfies everything that is required of it:" in lines
    assert "no version of `c` satisfies everything that is required of it:" in lines
    assert "the command line requires a" in lines


def test_a_release_for_another_python_and_who_wants_it(universe: Universe) -> None:
    universe.release("a", "1", "b")
    universe.release("b", "1", python=">=99")
    lines = told(universe, "a")
    assert lines[0] == "no usable candidate is left:"
    assert lines[1].startswith("`b 1` requires Python >=99, but the target is Python 3.")
    assert lines[2:] == ["a 1 requires b", "the command line requires a"]


def test_an_editable_of_another_version_than_its_sibling_asks_for(universe: Universe) -> None:
    universe.project("a", "a", "1", "b>=2")
    universe.project("b", "b", "1")
    universe.release("b", "2")
    lines = told(universe, editables=["a", "b"])
    assert lines[0] == "not all of this can hold for `b`:"
    assert set(lines[1:]) == {
        "a 1 (a/setup.py) requires b>=2",
        f"the command line requires b from {universe.base.as_uri()}/b",
        "what is there is `b 1`",
    }


def test_releases_that_require_the_same_are_told_together(universe: Universe) -> None:
    for version in ("8.0", "8.1", "8.2"):
        universe.release("a", version, "b>=1")
    universe.release("a", "9.0", "b>=2")
    universe.release("b", "0.9")
    universe.release("b", "2")
    lines = told(universe, "a>=8", "b<1")
    assert "a 8.0 to 8.2 require b>=1 (3 releases)" in lines
    assert "a 9.0 requires b>=2" in lines
    assert "the command line requires a>=8" in lines
    assert "the command line requires b<1" in lines


def test_two_lines_that_disagree_are_to_be_changed(universe: Universe) -> None:
    universe.release("one", "1")
    with pytest.raises(ResolutionError) as caught:
        universe.resolve("one>2", constraints=["one>3"])
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("change one of these requirements")


def test_indexes_that_are_switched_off_are_told(universe: Universe) -> None:
    universe.asks_indexes = False
    (line,) = told(universe, "one")
    assert "the indexes are switched off (`--no-index`)" in line


def test_the_resolution_says_who_wants_each_package(universe: Universe) -> None:
    universe.release("a", "1", "b>=1")
    universe.release("b", "1")
    assert universe.resolve("a", "b").reasons == {
        "a": ("asked for on the command line",),
        "b": ("asked for on the command line", "a 1 requires b>=1"),
    }


def test_many_versions_are_not_all_listed(universe: Universe) -> None:
    for number in range(30):
        universe.release("one", f"{number}")
    assert "and 22 more" in told(universe, "one>99")[0]
