"""Metadata as a record of the cache, and what PEP 610 wants recorded."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import ArchiveSource, CommitId, DirectorySource, IndexFile, PinnedGit, Sha256
from miniuv.models.url import Url
from miniuv.sources.direct_url import direct_url_of
from miniuv.sources.metadata_record import metadata_from_record, metadata_to_record

names = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}[a-z0-9]", fullmatch=True)
versions = st.builds("{}.{}{}".format, st.integers(0, 99), st.integers(0, 99), st.sampled_from(["", "rc1", ".post2"]))


@given(
    name=names,
    version=versions,
    requires=st.lists(names).map(tuple),
    python=st.none() | st.sampled_from(["", ">=3.9", ">=3.9,<4", "!=3.10.*"]),
    extras=st.frozensets(names),
)
def test_metadata_survives_its_record(
    name: str, version: str, requires: tuple[str, ...], python: str | None, extras: frozenset[str]
) -> None:
    metadata = CoreMetadata(
        display_name=name,
        version=Version(version),
        requires_dist=requires,
        requires_python=None if python is None else SpecifierSet(python),
        provides_extra=extras,
    )
    assert metadata_from_record(json.loads(json.dumps(metadata_to_record(metadata)))) == metadata


@pytest.mark.parametrize(
    "change",
    [{"name": 1}, {"version": "new"}, {"requires_dist": None}, {"requires_python": "3"}, {"provides_extra": "x"}],
)
def test_a_record_of_another_form_is_no_record(change: dict[str, object]) -> None:
    record = metadata_to_record(CoreMetadata(display_name="one", version=Version("1")))
    assert metadata_from_record({**record, **change}) is None
    assert metadata_from_record({}) is None


def test_a_file_of_an_index_has_no_direct_url() -> None:
    url = Url.parse("https://host.invalid/one-1-py3-none-any.whl")
    assert direct_url_of(IndexFile(filename="one-1-py3-none-any.whl", url=url, index="index")) is None


@pytest.mark.parametrize("editable", [False, True])
def test_a_folder_is_recorded_with_its_mode(editable: bool) -> None:
    recorded = direct_url_of(DirectorySource(path=Path("/a b"), editable=editable))
    assert recorded is not None
    assert recorded.to_dict() == {"url": "file:///a%20b", "dir_info": {"editable": True} if editable else {}}


def test_a_repository_is_recorded_without_credentials() -> None:
    pinned = PinnedGit(
        repository=Url.parse("https://me:secret@host.invalid/one.git"),
        commit=CommitId("a" * 40),
        requested="main",
        subdirectory="sub",
    )
    recorded = direct_url_of(pinned)
    assert recorded is not None
    assert recorded.to_dict() == {
        "url": "https://host.invalid/one.git",
        "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "a" * 40},
        "subdirectory": "sub",
    }


def test_an_archive_is_recorded_with_the_digest_of_what_came() -> None:
    source = ArchiveSource(url=Url.parse("https://host.invalid/one.tar.gz"), hashes={"sha512": "5"})
    recorded = direct_url_of(source, digest=Sha256("2" * 64))
    assert recorded is not None
    assert recorded.to_dict() == {
        "url": "https://host.invalid/one.tar.gz",
        "archive_info": {"hashes": {"sha512": "5", "sha256": "2" * 64}},
    }
