"""What a change breaks is told; what the resolver has seen to is not looked at again."""

from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

from miniuv.environment.consistency import new_problems
from miniuv.models.installed import InstalledDistribution
from miniuv.models.metadata import CoreMetadata
from tests.support.pythons import here


def installed(name: str, version: str, *requires: str) -> InstalledDistribution:
    metadata = CoreMetadata(display_name=name, version=Version(version), requires_dist=requires)
    return InstalledDistribution(metadata=metadata, info=Path(f"/site/{name}"), location=Path("/site"))


def test_what_nobody_resolved_is_looked_at() -> None:
    before = [installed("one", "1", "leaf>=2"), installed("leaf", "2")]
    after = [before[0], installed("leaf", "1")]

    told = ["one 1 has requirement leaf>=2, but you have leaf 1."]
    assert new_problems(before, after, here()) == told
    assert new_problems(before, after, here(), resolved=frozenset({canonicalize_name("leaf")})) == told


def test_the_requirements_of_what_was_resolved_are_not_read_again() -> None:
    after = [installed("one", "1", "leaf>=2", "no requirement at all"), installed("leaf", "1")]

    assert len(new_problems([], after, here())) == 2
    assert new_problems([], after, here(), resolved=frozenset({canonicalize_name("one")})) == []


def test_one_that_is_there_twice_is_told_resolved_or_not() -> None:
    after = [installed("one", "1"), installed("one", "2")]

    assert new_problems([], after, here(), resolved=frozenset({canonicalize_name("one")})) == [
        "one is installed 2 times."
    ]
