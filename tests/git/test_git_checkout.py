import os
from pathlib import Path

import pytest

from miniuv.errors import GitError
from miniuv.git.project_root import project_root
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import open_room


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = GitRepository.create(tmp_path / "lib.git")
    repository.commit({"a": "1", "docs/ignored": "x", ".gitattributes": "docs export-ignore\n*.txt eol=crlf\n"})
    repository.commit(
        {"a": "2", "run.sh": "#!/bin/sh\n", "with blank/ä": "x"},
        executable=["run.sh"],
        links={"link": "a", "out": "/etc"},
    )
    return repository


def test_a_checkout_is_the_plain_tree_of_the_commit(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(repository.url, repository.head())
        assert sorted(path.name for path in tree.iterdir()) == ["a", "link", "out", "run.sh", "with blank"]
        assert (tree / "a").read_text() == "2"
        assert (tree / "with blank" / "ä").is_file()
        assert os.access(tree / "run.sh", os.X_OK)
        assert (tree / "link").readlink() == Path("a")


def test_export_ignore_does_not_count(tmp_path: Path, repository: GitRepository) -> None:
    first = git("rev-parse", "main~1", at=repository.path)
    with open_room(tmp_path / "cache") as room:
        assert (room.checkout(repository.url, first) / "docs" / "ignored").is_file()


def test_a_second_run_needs_no_git_at_all(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(repository.url, repository.head())
    with open_room(tmp_path / "cache") as room:
        assert room.checkout(repository.url, repository.head()) == tree
        assert room.runner.commands == []


def test_a_commit_of_a_known_history_is_not_fetched_again(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        room.checkout(repository.url, "main")
    with open_room(tmp_path / "cache") as room:
        first = git("rev-parse", "main~1", at=repository.path)
        assert (room.checkout(repository.url, first) / "a").read_text() == "1"
        assert room.runner.count("fetch") == 0


def test_an_older_commit_brings_the_default_branch_along(tmp_path: Path, repository: GitRepository) -> None:
    first = git("rev-parse", "main~1", at=repository.path)
    with open_room(tmp_path / "cache") as room:
        room.checkout(repository.url, first)
        room.checkout(repository.url, "main")
        assert room.runner.count("fetch") == 1


def test_filters_and_line_ends_of_the_user_change_nothing(tmp_path: Path) -> None:
    repository = GitRepository.create(tmp_path / "lib.git")
    repository.commit({".gitattributes": "*.bin filter=lfs\n*.sh filter=evil\n", "x.bin": "pointer\n", "y.sh": "z\n"})
    home = tmp_path / "home"
    home.mkdir()
    marker = tmp_path / "filter-was-run"
    (home / ".gitconfig").write_text(
        f'[core]\n\tautocrlf = true\n[filter "evil"]\n\tsmudge = touch {marker}\n\trequired = true\n'
        f'[filter "lfs"]\n\tsmudge = touch {marker}\n\tprocess = touch {marker}\n\trequired = true\n'
    )
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(repository.url)
        assert (tree / "x.bin").read_bytes() == b"pointer\n"
        assert (tree / "y.sh").read_bytes() == b"z\n"
        room.build_copy(repository.url, None, tmp_path / "copy")
        assert (tmp_path / "copy" / "x.bin").read_bytes() == b"pointer\n"
        assert not marker.exists()


def test_hooks_of_a_template_are_not_run(tmp_path: Path, repository: GitRepository) -> None:
    template = tmp_path / "template" / "hooks"
    template.mkdir(parents=True)
    marker = tmp_path / "hook-was-run"
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        (template / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (template / name).chmod(0o755)
    (tmp_path / "home").mkdir()
    config = f"[init]\n\ttemplateDir = {template.parent}\n[core]\n\thooksPath = {template}\n"
    (tmp_path / "home" / ".gitconfig").write_text(config)
    with open_room(tmp_path / "cache") as room:
        room.checkout(repository.url)
        room.build_copy(repository.url, None, tmp_path / "copy")
    assert not marker.exists()


def test_a_commit_that_the_repository_lacks_is_named(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        with pytest.raises(GitError, match=f"has no commit `{'1' * 40}`") as caught:
            room.checkout(repository.url, "1" * 40)
        assert caught.value.hint
        assert (room.checkout(repository.url) / "a").read_text() == "2"


def test_what_was_missing_is_asked_for_again_in_the_next_run(tmp_path: Path, repository: GitRepository) -> None:
    elsewhere = GitRepository.create(tmp_path / "elsewhere.git")
    git("fetch", "--quiet", str(repository.path), "main:main", at=elsewhere.path)
    commit = elsewhere.commit({"a": "not pushed yet"})
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError):
        room.checkout(repository.url, commit)
    git("fetch", "--quiet", str(elsewhere.path), "main:main", at=repository.path)
    with open_room(tmp_path / "cache") as room:
        assert (room.checkout(repository.url, commit) / "a").read_text() == "not pushed yet"


@pytest.mark.parametrize(("what", "kind"), [("main^{tree}", "tree"), ("main:a", "blob"), ("v1", "tag")])
def test_an_object_that_is_no_commit_is_refused_by_its_kind(
    tmp_path: Path, repository: GitRepository, what: str, kind: str
) -> None:
    repository.tag("v1", annotated=True)
    identifier = git("rev-parse", what, at=repository.path)
    for _ in range(2):
        with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match=f"is a {kind}, not a commit"):
            room.checkout(repository.url, identifier)


def test_a_tag_of_a_file_is_refused(tmp_path: Path, repository: GitRepository) -> None:
    repository.tag("licence", "main:a")
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match="is a blob, not a commit"):
        room.checkout(repository.url, "licence")


def test_sha256_repositories_work(tmp_path: Path) -> None:
    repository = GitRepository.create(tmp_path / "lib.git", object_format="sha256")
    commit = repository.commit({"a": "1"})
    repository.tag("v1", annotated=True)
    with open_room(tmp_path / "cache") as room:
        assert len(commit) == 64
        assert (room.checkout(repository.url, commit) / "a").read_text() == "1"
        assert room.checkout(repository.url, "v1") == room.checkout(repository.url, commit)
        room.build_copy(repository.url, commit, tmp_path / "copy")
        assert git("describe", "--tags", at=tmp_path / "copy") == "v1"


def test_refresh_asks_the_host_once_more(tmp_path: Path, repository: GitRepository) -> None:
    with open_room(tmp_path / "cache") as room:
        room.checkout(repository.url, repository.head())
    with open_room(tmp_path / "cache", refresh=True) as room:
        for name in ("copy", "copy2"):
            room.build_copy(repository.url, repository.head(), tmp_path / name)
        assert room.runner.count("fetch") == 1


def test_a_subdirectory_is_found_or_the_projects_are_listed(tmp_path: Path) -> None:
    (tmp_path / "packages" / "one").mkdir(parents=True)
    (tmp_path / "packages" / "one" / "pyproject.toml").touch()
    (tmp_path / "out").symlink_to("/")
    with pytest.raises(GitError, match=r"^repo: there is neither `pyproject.toml` nor `setup.py` at the top"):
        project_root(tmp_path, None, where="repo")
    with pytest.raises(GitError, match="in `packages`"):
        project_root(tmp_path, "packages")
    assert project_root(tmp_path, "packages/one") == tmp_path / "packages" / "one"
    with pytest.raises(GitError, match="no folder `packages/two`") as caught:
        project_root(tmp_path, "packages/two")
    assert caught.value.hint == "projects are in `packages/one`: name one with `#subdirectory=`"
    with pytest.raises(GitError, match="leads out"):
        project_root(tmp_path, "out")
    with pytest.raises(GitError, match="leads out"):
        project_root(tmp_path, "../")
