import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.direct_url import DirectUrl
from packaging.utils import NormalizedName
from packaging.version import Version

from miniuv.models.installed import InstalledDistribution
from miniuv.models.metadata import CoreMetadata
from miniuv.models.plan import Plan
from miniuv.models.request import InstallOptions
from miniuv.models.resolution import Candidate, Resolution
from miniuv.models.source import (
    ArchiveSource,
    CommitId,
    DirectorySource,
    IndexFile,
    PinnedGit,
    PinnedSource,
)
from miniuv.models.url import Url
from miniuv.plan import make_plan

FIRST, SECOND = "1" * 40, "2" * 40
SITE = Path("/env/site-packages")


def present(name: str = "a", version: str = "1.0", url: Mapping[str, Any] | None = None) -> InstalledDistribution:
    return InstalledDistribution(
        metadata=CoreMetadata(display_name=name, version=Version(version)),
        info=SITE / f"{name}-{version}.dist-info",
        location=SITE,
        direct_url=None if url is None else DirectUrl.from_dict(url),
    )


def candidate(source: PinnedSource | InstalledDistribution, name: str = "a", version: str = "1.0") -> Candidate:
    return Candidate(name=NormalizedName(name), version=Version(version), source=source)


def resolution(*candidates: Candidate, requested: str = "") -> Resolution:
    return Resolution(
        candidates={one.name: one for one in candidates},
        metadata={one.name: CoreMetadata(display_name=one.name, version=one.version) for one in candidates},
        requested=frozenset(NormalizedName(name) for name in requested.split()),
    )


def plan(*candidates: Candidate, installed: tuple[InstalledDistribution, ...] = (), **options: Any) -> Plan:
    return make_plan(resolution(*candidates), installed, InstallOptions(**options))


def reason(source: PinnedSource, url: Mapping[str, Any] | None = None, version: str = "1.0") -> str | None:
    """Why `a` 1.0, installed from `url`, is installed again from `source`; `None` where it is kept."""
    done = plan(candidate(source, version=version), installed=(present(url=url),))
    if done.is_empty:
        assert done.kept == (present(),)
        return None
    (install,) = done.installs
    assert install.kind == ("reinstall" if version == "1.0" else "upgrade")
    return install.reason


def index(filename: str = "a-1.0-py3-none-any.whl") -> IndexFile:
    return IndexFile(filename=filename, url=Url.parse(f"https://host/{filename}"), index="https://host/simple")


def git(url: str = "https://host/a.git", commit: str = FIRST, **more: Any) -> PinnedGit:
    more.setdefault("requested", None)
    return PinnedGit(repository=Url.parse(url), commit=CommitId(commit), **more)


def archive(url: str = "https://host/a-1.0.tar.gz", **more: Any) -> ArchiveSource:
    return ArchiveSource(url=Url.parse(url), **more)


def git_url(url: str = "https://host/a.git", commit: str = FIRST, **more: Any) -> dict[str, Any]:
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": commit}, **more}


def archive_url(url: str = "https://host/a-1.0.tar.gz", *, hashes: Mapping[str, str] | None = None) -> dict[str, Any]:
    return {"url": url, "archive_info": {} if hashes is None else {"hashes": dict(hashes)}}


def folder_url(*, editable: bool) -> dict[str, Any]:
    return {"url": "file:///src/a", "dir_info": {"editable": editable}}


def test_what_is_not_there_is_installed() -> None:
    (install,) = plan(candidate(index())).installs
    assert (install.kind, install.reason, install.replaces) == ("install", "not installed", ())


def test_what_the_resolver_took_from_the_environment_is_kept() -> None:
    assert plan(candidate(present()), installed=(present(),), reinstall=True).is_empty


def test_names_that_were_not_resolved_are_not_touched() -> None:
    done = plan(candidate(index()), installed=(present("b"),))
    assert [install.candidate.name for install in done.installs] == ["a"]
    assert (done.removals, done.kept) == ((), ())


@pytest.mark.parametrize(
    ("source", "url"),
    [
        pytest.param(index(), None, id="index"),
        pytest.param(git(), git_url(), id="git"),
        pytest.param(git(requested="v1"), git_url(), id="git, another ref of the same commit"),
        pytest.param(git("https://HOST/a/"), git_url(), id="git, spelled otherwise"),
        pytest.param(git("https://me:secret@host/a.git"), git_url(), id="git, with credentials"),
        pytest.param(git("ssh://git@host/a"), git_url("ssh://git@host/a.git"), id="git, ssh"),
        pytest.param(git(subdirectory="sub"), git_url(subdirectory="sub"), id="git, subdirectory"),
        pytest.param(archive(), archive_url(), id="archive"),
        pytest.param(archive("https://me:secret@host/a-1.0.tar.gz"), archive_url(), id="archive, with credentials"),
        pytest.param(archive(hashes={"sha256": "AB"}), archive_url(hashes={"sha256": "ab"}), id="archive, same hash"),
        pytest.param(
            archive("file:///a-1.0.tar.gz", hashes={"sha256": "ab"}),
            archive_url("file:///a-1.0.tar.gz", hashes={"sha256": "ab"}),
            id="local archive, same hash",
        ),
    ],
)
def test_the_same_from_the_same_place_is_kept(source: PinnedSource, url: Mapping[str, Any] | None) -> None:
    assert reason(source, url) is None


@pytest.mark.parametrize(
    ("source", "url", "expected"),
    [
        pytest.param(git(commit=SECOND), git_url(), "commit changed from 1111111 to 2222222", id="git, another commit"),
        pytest.param(
            git("https://host/b"),
            git_url(),
            "repository changed from https://host/a.git to https://host/b",
            id="git, another repository",
        ),
        pytest.param(
            git(subdirectory="sub"), git_url(), "subdirectory changed from `.` to `sub`", id="git, another subdirectory"
        ),
        pytest.param(
            git(), None, f"installed from an index, now from git+https://host/a.git@{FIRST}", id="index to git"
        ),
        pytest.param(
            git(),
            folder_url(editable=True),
            f"installed from file:///src/a, now from git+https://host/a.git@{FIRST}",
            id="editable to git",
        ),
        pytest.param(
            git(),
            {"url": "https://host/a", "vcs_info": {"vcs": "hg", "commit_id": FIRST}},
            f"installed from https://host/a, now from git+https://host/a.git@{FIRST}",
            id="hg to git",
        ),
        pytest.param(
            git(),
            git_url("git@host:a.git"),
            "repository changed from git@host:a.git to https://host/a.git",
            id="scp form",
        ),
        pytest.param(
            index(), git_url(), "installed from https://host/a.git, now from https://host/simple", id="git to index"
        ),
        pytest.param(
            index(),
            git_url("https://me:secret@host/a.git"),
            "installed from https://****@host/a.git, now from https://host/simple",
            id="recorded credentials are not shown",
        ),
        pytest.param(
            archive("https://other/a-1.0.tar.gz"),
            archive_url(),
            "address changed from https://host/a-1.0.tar.gz to https://other/a-1.0.tar.gz",
            id="archive, another address",
        ),
        pytest.param(
            archive(hashes={"sha256": "ab"}),
            archive_url(hashes={"sha256": "cd"}),
            "the archive's hash changed",
            id="archive, another hash",
        ),
        pytest.param(
            archive("file:///a-1.0.tar.gz"),
            archive_url("file:///a-1.0.tar.gz", hashes={"sha256": "ab"}),
            "a local archive may have changed",
            id="local archive without a hash",
        ),
        pytest.param(
            archive(), None, "installed from an index, now from https://host/a-1.0.tar.gz", id="index to archive"
        ),
        pytest.param(
            DirectorySource(path=Path("/src/a"), editable=True), folder_url(editable=True), "editable", id="editable"
        ),
        pytest.param(DirectorySource(path=Path("/src/a"), editable=True), None, "editable", id="index to editable"),
        pytest.param(
            DirectorySource(path=Path("/src/a"), editable=False),
            folder_url(editable=True),
            "a local folder may have changed",
            id="editable to plain",
        ),
    ],
)
def test_a_change_of_source_is_told_in_words(
    source: PinnedSource, url: Mapping[str, Any] | None, expected: str
) -> None:
    assert reason(source, url) == expected


def test_a_change_of_version_is_told_in_words() -> None:
    assert reason(index(), version="2.0") == "version changed from 1.0 to 2.0"
    assert reason(git(), git_url(), version="1.0+local") == "version changed from 1.0 to 1.0+local"


def test_the_same_version_spelled_otherwise_is_kept() -> None:
    assert reason(index(), version="1.0.0") is None


def test_reinstall_is_for_all_or_for_the_named() -> None:
    both = (candidate(index()), candidate(index(), "b"))
    installed = (present(), present("b"))
    everything = plan(*both, installed=installed, reinstall=True)
    assert [install.reason for install in everything.installs] == ["reinstall asked for"] * 2
    named = plan(*both, installed=installed, reinstall_packages=frozenset({"b"}))
    assert [install.candidate.name for install in named.installs] == ["b"]
    assert named.kept == (present(),)


def test_duplicates_of_an_earlier_tool_are_replaced_together() -> None:
    twice = (present(), present(version="0.9"))
    (install,) = plan(candidate(index()), installed=twice).installs
    assert install.replaces == twice
    assert install.reason == "installed 2 times: 1.0 and 0.9"


def test_a_broken_one_is_replaced() -> None:
    broken = dataclasses.replace(present(), problem="it has no `METADATA`")
    (install,) = plan(candidate(index()), installed=(broken,)).installs
    assert install.reason == "broken: it has no `METADATA`"


def test_requested_is_what_the_user_named_now_or_before() -> None:
    before = dataclasses.replace(present("b", "0.9"), requested=True)
    wanted = resolution(*(candidate(index(), name) for name in "abc"), requested="a")
    done = make_plan(wanted, (before,), InstallOptions())
    assert [install.requested for install in done.installs] == [True, True, False]


@given(st.permutations("abcdef"), st.permutations("abcdef"))
def test_the_plan_is_sorted_whatever_order_it_is_made_from(names: list[str], installed: list[str]) -> None:
    ordered = [candidate(index(), name, "1.0" if name < "d" else "2.0") for name in names]
    done = plan(*ordered, installed=tuple(present(name) for name in installed))
    assert [install.candidate.name for install in done.installs] == ["d", "e", "f"]
    assert [kept.name for kept in done.kept] == ["a", "b", "c"]
