from pathlib import Path

from packaging.direct_url import ArchiveInfo, DirectUrl, DirInfo, VcsInfo
from packaging.utils import canonicalize_name
from packaging.version import Version

from miniuv.models.installed import InstalledDistribution
from miniuv.models.metadata import CoreMetadata
from miniuv.models.outcome import Outcome
from miniuv.models.plan import Plan, PlannedInstall, PlannedRemoval
from miniuv.models.resolution import Candidate, Resolution
from miniuv.models.source import CommitId, DirectorySource, IndexFile, PinnedGit
from miniuv.models.url import Url
from miniuv.report.outcome import change_lines, direct_url_text, place_lines, reason_lines, summary_lines
from miniuv.report.style import Style

PLAIN = Style(False)
COMMIT = CommitId("1" * 40)


def there(name: str, version: str = "1.0", direct_url: DirectUrl | None = None) -> InstalledDistribution:
    info = Path(f"/env/{name}-{version}.dist-info")
    metadata = CoreMetadata(display_name=name, version=Version(version))
    return InstalledDistribution(metadata=metadata, info=info, location=info.parent, direct_url=direct_url)


def wanted(
    name: str, version: str, source: IndexFile | PinnedGit | DirectorySource | None = None, *old: InstalledDistribution
) -> PlannedInstall:
    file = IndexFile(filename=f"{name}.whl", url=Url.parse(f"https://host/{name}.whl"), index="https://host/simple")
    candidate = Candidate(name=canonicalize_name(name), version=Version(version), source=source or file)
    return PlannedInstall(candidate=candidate, replaces=old, requested=True, reason="because")


def lines(*installs: PlannedInstall, removals: tuple[PlannedRemoval, ...] = ()) -> list[str]:
    return list(change_lines(Outcome(plan=Plan(installs=installs, removals=removals)), style=PLAIN))


def test_changes_are_sorted_by_name_with_the_old_version_first() -> None:
    removal = PlannedRemoval(installed=there("middle"), reason="asked for")
    assert lines(wanted("Zeta", "2.0", None, there("zeta")), wanted("alpha", "1.0"), removals=(removal,)) == [
        " + alpha==1.0",
        " - middle==1.0",
        " - zeta==1.0",
        " + zeta==2.0",
    ]


def test_the_same_once_more_is_one_line() -> None:
    assert lines(wanted("one", "1.0", None, there("one"))) == [" ~ one==1.0"]


def test_another_commit_of_the_same_version_is_two_lines() -> None:
    was = DirectUrl(url="https://host/one.git", vcs_info=VcsInfo(vcs="git", commit_id="0" * 40))
    source = PinnedGit(repository=Url.parse("https://host/one.git"), commit=COMMIT, requested=None, subdirectory="sub")
    assert lines(wanted("one", "1.0", source, there("one", "1.0", was))) == [
        f" - one==1.0 (from git+https://host/one.git@{'0' * 40})",
        f" + one==1.0 (from git+https://host/one.git@{COMMIT}#subdirectory=sub)",
    ]


def test_an_editable_is_told_with_its_folder() -> None:
    source = DirectorySource(path=Path("/work/my project"), editable=True)
    was = DirectUrl(url="file:///work/my%20project", dir_info=DirInfo(editable=True))
    assert lines(wanted("one", "1.0", source, there("one", "1.0", was))) == [
        " ~ one==1.0 (from file:///work/my%20project)"
    ]


def test_a_dry_run_counts_what_it_would_do() -> None:
    outcome = Outcome(plan=Plan(installs=(wanted("one", "2", None, there("one")), wanted("two", "1"))), dry_run=True)
    assert list(summary_lines(outcome, style=PLAIN)) == [
        "Would download or build 2 packages",
        "Would uninstall 1 package",
        "Would install 2 packages",
    ]
    assert list(summary_lines(Outcome(plan=Plan(), dry_run=True), style=PLAIN)) == ["Would make no changes"]


def test_reasons_are_told_one_a_line() -> None:
    removal = PlannedRemoval(installed=there("two"), reason="asked for")
    plan = Plan(installs=(wanted("one", "1.0", None, there("one")),), removals=(removal,))
    assert list(reason_lines(Outcome(plan=plan))) == ["reinstall one 1.0: because", "remove two 1.0: asked for"]


def test_who_wants_a_package_is_told_with_why_it_changes() -> None:
    plan = Plan(installs=(wanted("one", "2.0", None, there("one", "1.0")), wanted("two", "1")))
    resolution = Resolution(
        candidates={each.candidate.name: each.candidate for each in plan.installs},
        metadata={},
        requested=frozenset(),
        reasons={
            canonicalize_name("one"): ("asked for on the command line",),
            canonicalize_name("two"): tuple(f"{letter} 1 requires two" for letter in "abcde"),
        },
    )
    outcome = Outcome(plan=plan, resolution=resolution)
    assert list(reason_lines(outcome)) == [
        "upgrade one 2.0: because; asked for on the command line",
        "install two 1: a 1 requires two; b 1 requires two; c 1 requires two; and 2 more",
    ]
    assert list(place_lines(outcome)) == [
        "one 2.0 is one.whl from https://host/simple",
        "two 1 is two.whl from https://host/simple",
    ]


def test_an_older_version_is_a_downgrade() -> None:
    plan = Plan(installs=(wanted("one", "1.0", None, there("one", "2.0")),))
    assert list(reason_lines(Outcome(plan=plan))) == ["downgrade one 1.0: because"]


def test_a_direct_url_is_written_as_pip_reads_it() -> None:
    archive = DirectUrl(
        url="https://host/one.tar.gz", archive_info=ArchiveInfo(hashes={"sha256": "a" * 64}), subdirectory="sub"
    )
    assert direct_url_text(archive) == "https://host/one.tar.gz#subdirectory=sub"
    assert direct_url_text(archive, hashed=True) == f"https://host/one.tar.gz#sha256={'a' * 64}&subdirectory=sub"
