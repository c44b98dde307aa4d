from pathlib import Path

import pytest

from miniuv.cache.jobs import Job
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import open_room


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """Two tags on the way to `main`, one beside it, one after it."""
    repository = GitRepository.create(tmp_path / "lib.git")
    repository.commit({"a": "1"})
    repository.tag("v1.0", annotated=True)
    repository.commit({"a": "2"})
    repository.tag("light-1.1")
    repository.commit({"a": "3", "sub/run.sh": "x"}, executable=["sub/run.sh"], links={"link": "a"})
    repository.commit({"a": "side"}, branch="side")
    repository.tag("v9.0-side", "side", annotated=True)
    return repository


@pytest.mark.parametrize("revision", ["main", "main~1", "main~2", "side"])
def test_describe_answers_as_in_a_full_clone(tmp_path: Path, repository: GitRepository, revision: str) -> None:
    commit = git("rev-parse", revision, at=repository.path)
    clone = tmp_path / "clone"
    git("clone", "--quiet", repository.url, str(clone), at=tmp_path)
    git("checkout", "--quiet", "--detach", commit, at=clone)
    with open_room(tmp_path / "cache") as room:
        room.checkout(repository.url, "main")
        copy = room.build_copy(repository.url, commit, tmp_path / "copy")
        for options in ([], ["--tags"], ["--tags", "--long", "--dirty", "--always"]):
            assert git("describe", *options, at=copy) == git("describe", *options, at=clone)


def test_the_copy_is_clean_detached_and_has_the_whole_history(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        copy = room.build_copy(repository.url, "main", tmp_path / "copy")
        assert git("status", "--porcelain", at=copy) == ""
        assert git("rev-parse", "HEAD", at=copy) == repository.head()
        assert git("branch", "--show-current", at=copy) == ""
        assert git("rev-list", "--count", "HEAD", at=copy) == "3"
        assert git("ls-files", at=copy).split() == ["a", "link", "sub/run.sh"]
        assert git("tag", at=copy).split() == ["light-1.1", "v1.0"]
        git("fsck", "--strict", at=copy)


def test_two_copies_and_the_cache_do_not_touch_each_other(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        first = room.build_copy(repository.url, "main", tmp_path / "first")
        second = room.build_copy(repository.url, "main", tmp_path / "second")
        (first / "a").write_text("changed by a backend")
        git("tag", "v7", at=first)
        git("commit", "--all", "--quiet", "--message", "by a backend", at=first)
        git("gc", "--quiet", "--prune=now", at=first)
        assert git("status", "--porcelain", at=second) == ""
        assert git("describe", "--tags", at=second).startswith("light-1.1-1-g")
        assert (room.checkout(repository.url, "main") / "a").read_text() == "3"
        database = next(path for path in (tmp_path / "cache").rglob("packed-refs"))
        assert "v7" not in database.read_text()
        assert not list(database.parent.glob("objects/??"))


def test_a_tag_that_was_put_on_a_known_commit_later_is_seen(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        room.build_copy(repository.url, "main", tmp_path / "before")
    repository.tag("v2.0", annotated=True)
    with open_room(tmp_path / "cache") as room:
        copy = room.build_copy(repository.url, "v2.0", tmp_path / "after")
        assert git("describe", "--tags", at=copy) == "v2.0"


def test_after_a_fetch_a_copy_can_be_made_within_a_job(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        pinned = room.pin(repository.url, "main")
        room.repositories.fetch(pinned)

        def copy() -> str:
            room.repositories.build_copy(pinned, tmp_path / "copy")
            return (tmp_path / "copy" / "a").read_text()

        job = Job(kind="wheel", subject="lib", title="lib", permit="build", lookup=lambda: None, run=copy)
        assert room.jobs.obtain(job) == "3"


def test_a_copy_in_a_folder_with_leftovers_has_none_of_them(tmp_path: Path, repository: GitRepository) -> None:
    (tmp_path / "copy" / ".git").mkdir(parents=True)
    (tmp_path / "copy" / "leftover").write_text("x")
    with open_room(tmp_path / "cache") as room:
        copy = room.build_copy(repository.url, "main", tmp_path / "copy")
        assert git("status", "--porcelain", at=copy) == ""


def test_a_cache_path_with_blanks_and_quotes_works(tmp_path: Path, repository: GitRepository) -> None:
    folder = tmp_path / 'a "quoted" \\ place\nof two lines'
    folder.mkdir()
    with open_room(folder / "cache") as room:
        copy = room.build_copy(repository.url, "main", tmp_path / "copy")
        assert git("describe", "--tags", at=copy).startswith("light-1.1")
