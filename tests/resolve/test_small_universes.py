"""Random small universes: the answer satisfies everything, and there is one exactly where there can be one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from miniuv.models.installed import InstalledDistribution
from tests.support.universe import Universe, outcome

NAMES = ("a", "b", "c", "d", "e")
VERSIONS = ("1", "2", "3")
SPECIFIERS = ("", "", ">=2", "<2", "<3", "==1", "==3", "!=2", ">3")


@dataclass(frozen=True)
class Need:
    """One requirement; ``under`` is the extra that it belongs to."""

    name: str
    specifier: str
    extra: str = ""
    under: str = ""

    def __str__(self) -> str:
        extra = f"[{self.extra}]" if self.extra else ""
        return f"{self.name}{extra}{self.specifier}" + (f' ; extra == "{self.under}"' if self.under else "")


World = Mapping[tuple[str, str], tuple[Need, ...]]
"""Name and version to what that release needs."""

extras = st.sampled_from(["", "", "x", "y"])
needs = st.builds(Need, st.sampled_from(NAMES), st.sampled_from(SPECIFIERS), extras, extras)
roots = st.lists(
    st.builds(Need, st.sampled_from(NAMES), st.sampled_from(SPECIFIERS), extras), min_size=1, max_size=3, unique=True
)
releases = st.lists(st.sampled_from([*product(NAMES, VERSIONS)]), unique=True, min_size=4)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    return {release: tuple(draw(st.lists(needs, max_size=2))) for release in sorted(draw(releases))}


def universe_of(world: World) -> Universe:
    universe = Universe()
    for (name, version), wants in world.items():
        universe.release(name, version, *map(str, wants), extras=("x", "y"))
    return universe


def reached(world: World, chosen: Mapping[str, str], wanted: list[Need]) -> dict[str, str] | None:
    """What of ``chosen`` is needed for ``wanted``; ``None`` where something of it does not fit."""
    queue, seen = list(wanted), set[tuple[str, str]]()
    while queue:
        need = queue.pop()
        version = chosen.get(need.name)
        if version is None or not SpecifierSet(need.specifier).contains(version):
            return None
        for extra in {"", need.extra}:
            if (need.name, extra) not in seen:
                seen.add((need.name, extra))
                queue += [each for each in world[need.name, version] if each.under == extra]
    return {name: chosen[name] for name, _ in seen}


def choices(world: World) -> Iterator[dict[str, str]]:
    offered: list[list[tuple[str, str] | None]] = [
        [(name, version) for version in VERSIONS if (name, version) in world] or [None] for name in NAMES
    ]
    for choice in product(*offered):
        yield dict(pair for pair in choice if pair is not None)


@given(world=worlds(), wanted=roots)
@settings(max_examples=150)
def test_an_answer_satisfies_everything_and_is_found_where_there_is_one(world: World, wanted: list[Need]) -> None:
    universe = universe_of(world)
    answer = outcome(lambda: universe.versions(*map(str, wanted)))
    if answer is None:
        assert not any(reached(world, choice, wanted) is not None for choice in choices(world))
    else:
        assert reached(world, answer, wanted) == answer  # satisfied, and nothing that nobody needs
    assert universe.listener.warnings == []


@given(world=worlds(), wanted=roots, shuffled=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_answer_depends_neither_on_the_order_nor_on_the_threads(
    world: World, wanted: list[Need], shuffled: "st.DataObject"
) -> None:
    other = list(wanted)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    answers = []
    for order, workers in ((wanted, 32), (other, 1), (other, 32)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("miniuv.resolve.prefetch._WORKERS", workers)
            answers.append(outcome(lambda: universe_of(world).versions(*map(str, order))))  # noqa: B023
    assert answers[0] == answers[1] == answers[2]


@given(world=worlds(), wanted=roots, places=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VERSIONS)))
@settings(max_examples=80)
def test_what_comes_from_a_place_is_never_looked_for_on_the_index(
    world: World, wanted: list[Need], places: dict[str, str]
) -> None:
    universe = universe_of(world)
    address = f"git+https://host.invalid/{{}}@{'a' * 40}"
    for name, version in places.items():
        needs = world.get((name, version), ())
        universe.project(address.format(name), name, version, *map(str, needs), extras=("x", "y"))
    texts = [*map(str, wanted), *(f"{name} @ {address.format(name)}" for name in places)]
    answer = outcome(lambda: universe.versions(*texts))
    there = {release: needs for release, needs in world.items() if places.get(release[0], release[1]) == release[1]}
    there |= {(name, version): world.get((name, version), ()) for name, version in places.items()}
    everything = [*wanted, *(Need(name, "") for name in places)]
    if answer is None:
        assert not any(reached(there, choice, everything) is not None for choice in choices(there))
    else:
        assert reached(there, answer, everything) == answer
        assert not set(universe.listed) & set(places)


@given(world=worlds(), wanted=roots)
@settings(max_examples=60)
def test_what_is_installed_and_fits_stays_and_the_index_is_not_asked(world: World, wanted: list[Need]) -> None:
    answer = outcome(lambda: universe_of(world).versions(*map(str, wanted)))
    if answer is None:
        return
    universe = universe_of(world)
    there = [
        InstalledDistribution(metadata=universe.releases[name][version], info=Path(f"/{name}"), location=Path("/"))
        for name, version in answer.items()
    ]
    assert universe.versions(*map(str, wanted), installed=there) == answer
    assert universe.listed == []
    assert universe.versions(*map(str, wanted), installed=there, upgrade=True) == answer
