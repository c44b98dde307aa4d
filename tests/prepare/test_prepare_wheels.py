"""Everything is fetched, built and unpacked before anything is changed."""

import threading
from pathlib import Path
from typing import cast

import pytest
from packaging.utils import NormalizedName
from packaging.version import Version

from miniuv.errors import BuildError, HashMismatchError
from miniuv.models.plan import Plan, PlannedInstall
from miniuv.models.resolution import Candidate
from miniuv.models.source import ArchiveSource, PinnedSource, Sha256
from miniuv.models.url import Url
from miniuv.models.wheel import UnpackedWheel
from miniuv.prepare.wheels import prepare
from miniuv.sources.catalog import Catalog

_PATIENCE = 20.0


class Shelf:
    """Has a wheel of everything, and fails for what is called so."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.hashes: list[frozenset[str]] = []

    def check_hashes(self, pinned: PinnedSource, hashes: frozenset[str]) -> None:
        self.hashes.append(hashes)
        if "sha256:wrong" in hashes:
            raise HashMismatchError("another hash")

    def wheel(self, pinned: ArchiveSource) -> UnpackedWheel:
        if "fails" in pinned.filename:
            raise BuildError("the reason")
        if "waits" in pinned.filename:
            assert self.cancelled.wait(_PATIENCE)
            raise BuildError("killed")
        return UnpackedWheel(
            filename=pinned.filename, digest=Sha256("1" * 64), root=Path("/"), files=(), dist_info="one.dist-info"
        )

    def archive_digest(self, pinned: PinnedSource) -> Sha256:
        return Sha256("1" * 64)


def planned(name: str, hashes: frozenset[str] = frozenset()) -> PlannedInstall:
    source = ArchiveSource(url=Url.parse(f"https://host.invalid/{name}-1-py3-none-any.whl"))
    candidate = Candidate(name=NormalizedName(name), version=Version("1"), source=source, hashes=hashes)
    return PlannedInstall(candidate=candidate, replaces=(), requested=True, reason="not installed")


def test_what_is_prepared_comes_in_the_order_of_the_plan() -> None:
    plan = Plan(installs=tuple(planned(name) for name in "abcdefgh"))
    prepared = prepare(plan, catalog=cast(Catalog, Shelf()))
    assert [each.planned for each in prepared] == list(plan.installs)
    (first, *_) = prepared
    assert first.direct_url is not None
    assert first.direct_url.url == "https://host.invalid/a-1-py3-none-any.whl"
    assert first.direct_url.archive_info is not None
    assert first.direct_url.archive_info.hashes == {"sha256": "1" * 64}


def test_nothing_planned_is_nothing_to_do() -> None:
    assert prepare(Plan(), catalog=cast(Catalog, Shelf())) == ()


def test_the_failure_that_came_first_is_told_and_ends_the_others() -> None:
    shelf = Shelf()
    plan = Plan(installs=tuple(planned(name) for name in ("a-waits", "b-fails", "c-waits")))
    with pytest.raises(BuildError, match="the reason"):
        prepare(plan, catalog=cast(Catalog, shelf), cancel=shelf.cancelled.set)
    assert shelf.cancelled.is_set()


def test_the_hash_is_checked_before_anything_is_built() -> None:
    shelf = Shelf()
    with pytest.raises(HashMismatchError):
        prepare(Plan(installs=(planned("fails", frozenset({"sha256:wrong"})),)), catalog=cast(Catalog, shelf))
    assert shelf.hashes == [frozenset({"sha256:wrong"})]
