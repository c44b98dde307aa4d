import hashlib
from pathlib import Path

import pytest

from miniuv.errors import GitError
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import open_room


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = GitRepository.create(tmp_path / "served" / "lib.git")
    repository.commit({"a": "1"})
    repository.tag("v1.0", annotated=True)
    repository.commit({"a": "2"})
    repository.commit({"a": "side"}, branch="feature/x")
    return repository


def test_a_full_commit_is_taken_at_its_word_without_any_git(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        pinned = room.pin("https://nowhere.invalid/lib.git", "A" * 40, "sub")
        assert (pinned.commit, pinned.requested, pinned.subdirectory) == ("a" * 40, "A" * 40, "sub")
        assert room.runner.commands == []


def test_branches_tags_and_the_default_branch_are_pinned_with_one_question(
    tmp_path: Path, repository: GitRepository
) -> None:
    with open_room(tmp_path / "cache") as room:
        assert room.pin(repository.url).commit == repository.head()
        assert room.pin(repository.url, "main").commit == repository.head()
        assert room.pin(repository.url, "feature/x").commit == repository.head("feature/x")
        tagged = room.pin(repository.url, "v1.0").commit
        assert (room.checkout(repository.url, tagged) / "a").read_text() == "1"
        assert room.pin(repository.url, "refs/heads/feature/x").requested == "refs/heads/feature/x"
        assert room.runner.count("ls-remote") == 1


def test_a_branch_that_moves_is_one_commit_within_a_run_and_asked_anew_in_the_next(
    tmp_path: Path, repository: GitRepository
) -> None:
    with open_room(tmp_path / "cache") as room:
        before = room.pin(repository.url, "main").commit
        repository.commit({"a": "3"})
        assert room.pin(repository.url, "main").commit == before
    with open_room(tmp_path / "cache") as room:
        assert room.pin(repository.url, "main").commit == repository.head() != before


def test_the_beginning_of_a_commit_is_enough_when_it_is_unique(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        assert room.pin(repository.url, repository.head("feature/x")[:9]).commit == repository.head("feature/x")
    with open_room(tmp_path / "cache") as room:
        assert room.pin(repository.url, repository.head("feature/x")[:9].upper()).commit == repository.head("feature/x")
        assert room.runner.count("fetch") == 0


def test_a_beginning_of_several_commits_is_refused_with_all_of_them(tmp_path: Path, repository: GitRepository) -> None:
    commits = two_alike(git("cat-file", "commit", "main", at=repository.path))
    for number, content in enumerate(commits):
        made = git("hash-object", "-t", "commit", "-w", "--stdin", at=repository.path, stdin=content)
        git("update-ref", f"refs/heads/alike-{number}", made, at=repository.path)
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match="could be several commits") as caught:
        room.pin(repository.url, made[:5])
    assert all(repository.head(f"alike-{number}") in caught.value.message for number in range(2))


def two_alike(commit: str) -> tuple[bytes, bytes]:
    """Return two commits whose ids begin with the same five digits."""
    seen: dict[str, bytes] = {}
    for number in range(1_000_000):
        content = f"{commit}\n{number}\n".encode()
        beginning = hashlib.sha1(b"commit %d\0%s" % (len(content), content)).hexdigest()[:5]
        if beginning in seen:
            return seen[beginning], content
        seen[beginning] = content
    raise AssertionError("a million commits and no two alike")


def test_an_unknown_ref_names_what_is_close(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        with pytest.raises(GitError, match=r"has no branch, tag or commit `1\.0`") as caught:
            room.pin(repository.url, "1.0")
        assert caught.value.hint == "did you mean `v1.0`?"
        with pytest.raises(GitError) as caught:
            room.pin(repository.url, "zzzzzz")
        assert caught.value.hint == "its branches are `feature/x`, `main`"


@pytest.mark.parametrize("ref", ["-x", "--upload-pack=touch x", "main~1", "@{u}", "main:a", "../x", "a..b", "ma in"])
def test_a_ref_is_never_an_option_or_an_expression(tmp_path: Path, repository: GitRepository, ref: str) -> None:
    with open_room(tmp_path / "cache") as room:
        with pytest.raises(GitError, match="no branch, tag or commit"):
            room.pin(repository.url, ref)
        assert not any(ref in argv for argv in room.runner.commands)


def test_an_empty_repository_is_said_to_be_empty(tmp_path: Path) -> None:
    repository = GitRepository.create(tmp_path / "lib.git")
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match="is empty"):
        room.pin(repository.url)


def test_a_repository_without_default_branch_is_still_used_by_ref(tmp_path: Path) -> None:
    repository = GitRepository.create(tmp_path / "lib.git")
    repository.commit({"a": "1"}, branch="other")
    with open_room(tmp_path / "cache") as room:
        assert (room.checkout(repository.url, "other") / "a").read_text() == "1"
        with pytest.raises(GitError, match="no default branch") as caught:
            room.pin(repository.url)
        assert caught.value.hint


def test_offline_answers_from_the_last_run_and_says_what_is_missing(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache", offline=True) as room:
        with pytest.raises(GitError, match="not in the cache"):
            room.pin(repository.url, "main")
        with pytest.raises(GitError, match="not in the cache"):
            room.checkout(repository.url, repository.head())
    with open_room(tmp_path / "cache") as room:
        online = room.checkout(repository.url, "main")
    with open_room(tmp_path / "cache", offline=True) as room:
        assert room.checkout(repository.url, "main") == online
        assert room.runner.commands == []


def test_two_repositories_that_differ_by_the_suffix_only_are_told_apart(
    tmp_path: Path, repository: GitRepository
) -> None:
    other = GitRepository.create(tmp_path / "served" / "lib")
    other.commit({"b": "other"})
    with open_room(tmp_path / "cache") as room:
        assert room.pin(repository.url).commit == repository.head()
        assert room.pin(other.url).commit == other.head()
        assert (room.checkout(other.url) / "b").read_text() == "other"
