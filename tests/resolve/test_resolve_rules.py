"""What is chosen: versions, extras, constraints, places, and what is installed already."""

from pathlib import Path

import pytest
from packaging.direct_url import ArchiveInfo, DirectUrl, VcsInfo
from packaging.utils import NormalizedName

from miniuv.errors import RequirementError, ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.source import DirectorySource, IndexFile, PinnedGit
from tests.support.universe import Universe, installed, metadata

GIT = "git+https://host.invalid/one"
COMMIT = "b" * 40


@pytest.fixture
def universe(tmp_path: Path) -> Universe:
    return Universe(base=tmp_path)


def test_the_newest_version_that_fits_is_taken(universe: Universe) -> None:
    for version in ("1.0", "1.10", "1.9"):
        universe.release("one", version)
    assert universe.versions("one") == {"one": "1.10"}
    assert universe.versions("one<1.10") == {"one": "1.9"}


def test_a_pre_release_is_taken_only_where_it_is_asked_for_or_nothing_else_fits(universe: Universe) -> None:
    for version in ("1.0", "2.0b1"):
        universe.release("one", version)
    universe.release("early", "0.1a1")
    assert universe.versions("one") == {"one": "1.0"}
    assert universe.versions("one>=2.0b1") == {"one": "2.0b1"}
    assert universe.versions("one>1.0") == {"one": "2.0b1"}
    assert universe.versions("one", prereleases=True) == {"one": "2.0b1"}
    assert universe.versions("early") == {"early": "0.1a1"}


def test_an_extra_takes_the_pre_release_that_its_distribution_takes(universe: Universe) -> None:
    for version in ("1.0", "2.0b1"):
        universe.release("one", version, "extra-one ; extra == 'x'", extras=("x",))
    universe.release("extra-one", "1")
    universe.release("other", "1", "one>1.0")
    assert universe.versions("one[x]", "other")["one"] == "2.0b1"


def test_a_yanked_version_is_taken_only_where_it_is_pinned(universe: Universe) -> None:
    for version in ("1.0", "2.0"):
        universe.release("one", version, extras=("x",))
    universe.yanked.add("one-2.0-py3-none-any.whl")
    universe.release("other", "1", "one==2.0")
    assert universe.versions("one") == {"one": "1.0"}
    assert universe.versions("one==2.0") == {"one": "2.0"}
    assert universe.versions("one[x]", "other")["one"] == "2.0"
    with pytest.raises(ResolutionError, match="yanked") as caught:
        universe.versions("one>=2")
    assert caught.value.hint is not None
    assert "one==2.0" in caught.value.hint


def test_a_constraint_limits_and_requires_nothing(universe: Universe) -> None:
    for version in ("1.0", "2.0"):
        universe.release("one", version)
    universe.release("other", "1")
    assert universe.versions("one", constraints=["one<2", "other==1"]) == {"one": "1.0"}


def test_a_constraint_may_say_where_a_package_comes_from(universe: Universe) -> None:
    universe.release("one", "9.0")
    universe.release("other", "1", "one")
    universe.project(f"{GIT}@{COMMIT}", "one", "1.0")
    resolution = universe.resolve("other", constraints=[f"one @ {GIT}@{COMMIT}"])
    assert isinstance(resolution.candidates[NormalizedName("one")].source, PinnedGit)
    assert "one" not in universe.listed


def test_a_constraint_that_a_folder_does_not_meet_is_told_with_both_places(universe: Universe) -> None:
    universe.project("one", "one", "3.0")
    with pytest.raises(ResolutionError) as caught:
        universe.resolve(editables=["one"], constraints=["one<3"])
    text = str(caught.value)
    assert f"the command line requires one from {universe.base.as_uri()}/one" in text
    assert "constraints.txt:1 limits one to <3" in text
    assert "`one 3.0`" in text


def test_metadata_of_versions_that_an_extra_cannot_take_is_never_read(universe: Universe) -> None:
    for version in ("1", "2", "3"):
        universe.release("one", version, extras=("x",))
    universe.release("other", "1", "one<2")
    assert universe.versions("one[x]", "other")["one"] == "1"
    ahead = ["one-3-py3-none-any.whl"]  # fetched before it was known that another asks for less
    assert {name for name in universe.read if name.startswith("one")} <= {"one-1-py3-none-any.whl", *ahead}


def test_extras_may_name_their_own_distribution(universe: Universe) -> None:
    universe.project(
        "one",
        "one",
        "1.0",
        "one[a,b] ; extra == 'all'",
        "left ; extra == 'a'",
        "one[all] ; extra == 'b'",
        extras=("a", "b", "all"),
    )
    universe.release("left", "1")
    assert universe.versions(editables=["one[all]"]) == {"one": "1.0", "left": "1"}


def test_a_distribution_may_require_itself(universe: Universe) -> None:
    universe.release("one", "2", "one<2")
    universe.release("one", "1", "one", "one>=1")
    assert universe.versions("one") == {"one": "1"}


def test_an_unknown_extra_is_warned_about_once_and_for_the_chosen_version_only(universe: Universe) -> None:
    universe.release("one", "2", "other>1")
    universe.release("one", "1")
    universe.release("other", "1")
    assert universe.versions("one[nosuch]", "other", "one[nosuch]>=1")["one"] == "1"
    assert universe.listener.warnings == ["`one 1` does not provide the extra `nosuch`"]


def test_siblings_need_no_index_however_they_are_found(universe: Universe) -> None:
    universe.project("a", "a", "1", "b", "deep")
    universe.project("b", "b", "1", "a>=1", "c @ git+https://host.invalid/c")
    universe.project(f"git+https://host.invalid/c@{'a' * 40}", "c", "1", f"deep @ {(universe.base / 'deep').as_uri()}")
    universe.project("deep", "deep", "1")
    answer = universe.versions(editables=["a", "b"])
    assert answer == {"a": "1", "b": "1", "c": "1", "deep": "1"}
    assert "a" not in universe.listed
    assert "b" not in universe.listed


def test_one_repository_spelled_twice_is_one_place(universe: Universe) -> None:
    universe.project(f"{GIT}.git@{'a' * 40}", "one", "1.0", extras=("x",))
    universe.project(f"git+https://HOST.invalid/one@{'a' * 40}", "one", "1.0", extras=("x",))
    first, second = f"one @ {GIT}.git@main", f"one[x] @ git+https://HOST.invalid/one@{'a' * 40}"
    assert universe.versions(first, second) == universe.versions(second, first) == {"one": "1.0"}


def test_two_commits_of_one_repository_name_both_who_ask(universe: Universe) -> None:
    universe.project("a", "a", "1", f"one @ {GIT}@{COMMIT}")
    universe.project("b", "b", "1", f"one @ {GIT}@main")
    with pytest.raises(ResolutionError, match="two places") as caught:
        universe.resolve(editables=["a", "b"])
    assert f"a 1 (a/setup.py) requires {GIT}@{COMMIT}" in str(caught.value)
    assert f"b 1 (b/setup.py) requires {GIT}@main" in str(caught.value)
    assert caught.value.hint


def test_two_subdirectories_are_two_places(universe: Universe) -> None:
    with pytest.raises(ResolutionError, match="two places"):
        universe.resolve(f"one @ {GIT}@{COMMIT}#subdirectory=a", f"one @ {GIT}@{COMMIT}#subdirectory=b")


def test_hashes_of_one_archive_must_agree(universe: Universe) -> None:
    address = "https://host.invalid/one-1.0-py3-none-any.whl"
    universe.project(address, "one", "1.0")
    resolution = universe.resolve(f"one @ {address}", f"one @ {address}#sha256={'1' * 64}")
    assert getattr(resolution.candidates[NormalizedName("one")].source, "hashes", None) == {"sha256": "1" * 64}
    with pytest.raises(ResolutionError, match="two places"):
        universe.resolve(f"one @ {address}#sha256={'2' * 64}", f"one @ {address}#sha256={'1' * 64}")


@pytest.mark.parametrize("texts", [["one[x] @ {}"], ["one @ {}", "one[x]"]])
def test_an_editable_wins_over_its_plain_folder(universe: Universe, texts: list[str]) -> None:
    universe.project("one", "one", "1.0", extras=("x",))
    folder = universe.base / "one"
    resolution = universe.resolve(*(text.format(folder.as_uri()) for text in texts), editables=["one"])
    assert resolution.candidates[NormalizedName("one")].source == DirectorySource(path=folder, editable=True)


def test_an_index_package_may_not_name_a_place_of_its_own(universe: Universe) -> None:
    universe.release("evil", "1", f"one @ {GIT}@{COMMIT}")
    with pytest.raises(RequirementError, match="evil 1"):
        universe.resolve("evil")


def test_an_index_package_may_name_the_place_that_the_user_names(universe: Universe) -> None:
    universe.release("nice", "1", f"one @ {GIT}@{COMMIT}")
    universe.project(f"{GIT}@{COMMIT}", "one", "1.0")
    assert universe.versions("nice", f"one @ {GIT}@{COMMIT}") == {"nice": "1", "one": "1.0"}


def test_a_release_for_another_python_is_passed_over(universe: Universe) -> None:
    universe.release("one", "2", python=">=99")
    universe.release("one", "1")
    assert universe.versions("one") == {"one": "1"}


def test_metadata_of_another_name_or_version_is_not_believed(universe: Universe) -> None:
    universe.release("one", "1")
    universe.release("other", "3")
    universe.releases["one"] |= {"3": universe.releases["other"]["3"], "2": universe.releases["one"]["1"]}
    assert universe.versions("one") == {"one": "1"}
    with pytest.raises(ResolutionError, match="is called `other 3` in its own metadata"):
        universe.resolve("one==3")


def test_what_is_installed_stays_unless_it_is_to_be_upgraded(universe: Universe) -> None:
    for version in ("1", "2"):
        universe.release("one", version)
    there = [installed("one", "1")]
    assert universe.versions("one", installed=there) == {"one": "1"}
    assert universe.listed == []
    assert universe.versions("one", installed=there, upgrade=True) == {"one": "2"}
    assert universe.versions("one", installed=there, upgrade_packages=frozenset({"one"})) == {"one": "2"}
    assert universe.versions("one", installed=there, upgrade_packages=frozenset({"other"})) == {"one": "1"}
    assert universe.versions("one>1", installed=there) == {"one": "2"}
    assert universe.versions("one", installed=there, constraints=["one>1"]) == {"one": "2"}


def test_what_is_installed_twice_or_broken_does_not_stay(universe: Universe) -> None:
    universe.release("one", "2")
    assert universe.versions("one", installed=[installed("one", "1", problem="no METADATA")]) == {"one": "2"}
    assert universe.versions("one", installed=[installed("one", "1"), installed("one", "0")]) == {"one": "2"}


def test_what_is_installed_and_unfit_for_the_target_is_replaced(universe: Universe) -> None:
    universe.release("one", "2")
    unfit = metadata("one", "1", python="<3")
    there = InstalledDistribution(metadata=unfit, info=Path("/x"), location=Path("/"))
    assert universe.versions("one", installed=[there]) == {"one": "2"}


@pytest.mark.parametrize("upgrade", [False, True])
def test_the_same_commit_that_is_installed_is_not_looked_at(universe: Universe, upgrade: bool) -> None:
    record = DirectUrl(url="https://host.invalid/one.git", vcs_info=VcsInfo(vcs="git", commit_id=COMMIT))
    there = installed("one", "1.0", direct_url=record)
    resolution = universe.resolve(f"one @ {GIT}@{COMMIT}", installed=[there], upgrade=upgrade)
    assert resolution.candidates[NormalizedName("one")].source == there
    assert universe.read == []
    moved = universe.projects.setdefault(f"{GIT}@{'c' * 40}", there.metadata)
    resolution = universe.resolve(f"one @ {GIT}@{'c' * 40}", installed=[there])
    assert isinstance(resolution.candidates[NormalizedName("one")].source, PinnedGit)
    assert resolution.metadata[NormalizedName("one")] == moved


def test_an_archive_that_is_installed_stays_while_its_address_and_hash_do(universe: Universe) -> None:
    address = "https://host.invalid/one-1.0-py3-none-any.whl"
    universe.project(address, "one", "1.0")
    record = DirectUrl(url=address, archive_info=ArchiveInfo(hashes={"sha256": "1" * 64}))
    there = installed("one", "1.0", direct_url=record)
    for fragment, stays in (("", True), (f"#sha256={'1' * 64}", True), (f"#sha256={'2' * 64}", False)):
        source = (
            universe.resolve(f"one @ {address}{fragment}", installed=[there]).candidates[NormalizedName("one")].source
        )
        assert (source == there) is stays


def test_without_dependencies_only_what_is_named_is_taken(universe: Universe) -> None:
    universe.release("one", "1", "other", "other ; extra == 'x'", extras=("x",))
    assert universe.versions("one[x]", no_deps=True) == {"one": "1"}


def test_builds_that_are_switched_off_spare_editables_alone(universe: Universe) -> None:
    universe.project("one", "one", "1.0")
    assert universe.versions(editables=["one"], no_build=True) == {"one": "1.0"}
    for place in ((universe.base / "one").as_uri(), f"{GIT}@{COMMIT}", "https://host.invalid/one-1.0.tar.gz"):
        with pytest.raises(ResolutionError, match="builds are switched off"):
            universe.resolve(f"one @ {place}", no_build=True)


def test_a_place_that_holds_another_package_is_refused(universe: Universe) -> None:
    universe.project(f"{GIT}@{COMMIT}", "two", "1.0")
    with pytest.raises(ResolutionError, match=r"`one` was asked for, but .* is `two`") as caught:
        universe.resolve(f"one @ {GIT}@{COMMIT}")
    assert caught.value.where == "the command line"


def test_the_resolution_knows_who_needs_whom_and_who_was_asked_for(universe: Universe) -> None:
    universe.release("a", "1", "b", "c ; extra == 'x'", "a[x] ; extra == 'y'", extras=("x", "y"))
    universe.release("b", "1", "c")
    universe.release("c", "1", "a")
    resolution = universe.resolve("a[y]")
    assert resolution.requested == {"a"}
    assert resolution.dependencies == {"a": {"b", "c"}, "b": {"c"}, "c": {"a"}}
    assert isinstance(resolution.candidates[NormalizedName("a")].source, IndexFile)
