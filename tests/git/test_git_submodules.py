from pathlib import Path

import pytest

from miniuv.errors import GitError
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import open_room


def modules(**submodules: str) -> str:
    """Return a `.gitmodules`: folder to address."""
    return "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, url in submodules.items())


def make_family(folder: Path) -> tuple[GitRepository, GitRepository, GitRepository]:
    """A repository with a submodule by relative address that itself has one."""
    inner, middle, outer = (GitRepository.create(folder / f"{name}.git") for name in ("inner", "middle", "outer"))
    inner.commit({"i": "old"})
    pinned = inner.commit({"i": "pinned"})
    inner.commit({"i": "newer"})
    commit = middle.commit({"m": "m", ".gitmodules": modules(deep="../inner.git")}, submodules={"deep": pinned})
    outer.commit({"o": "o", ".gitmodules": modules(vendored="../middle.git")}, submodules={"vendored": commit})
    outer.tag("v1")
    return inner, middle, outer


def test_submodules_are_checked_out_recursively_at_their_commit(tmp_path: Path) -> None:
    _, _, outer = make_family(tmp_path)
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(outer.url)
        assert (tree / "vendored" / "deep" / "i").read_text() == "pinned"
        assert not list(tree.rglob(".git"))
        assert room.runner.count("fetch") == 3


def test_a_build_copy_has_them_too_each_with_its_own_history(tmp_path: Path) -> None:
    inner, _, outer = make_family(tmp_path)
    inner.tag("i1", "main~1", annotated=True)
    with open_room(tmp_path / "cache") as room:
        copy = room.build_copy(outer.url, None, tmp_path / "copy")
        assert git("status", "--porcelain", at=copy) == ""
        assert git("describe", at=copy / "vendored" / "deep") == "i1"
        assert git("describe", "--tags", at=copy) == "v1"
        listed = git("ls-files", "--recurse-submodules", at=copy).split()
        assert {"o", "vendored/m", "vendored/deep/i"} <= set(listed)


def test_one_repository_twice_is_fetched_once(tmp_path: Path) -> None:
    inner, outer = (GitRepository.create(tmp_path / f"{name}.git") for name in ("inner", "outer"))
    old = inner.commit({"i": "old"})
    new = inner.commit({"i": "new"})
    outer.commit({".gitmodules": modules(a="../inner.git", b="../inner")}, submodules={"a": old, "b": new})
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(outer.url)
        assert [(tree / name / "i").read_text() for name in ("a", "b")] == ["old", "new"]
        assert room.runner.count("fetch") == 2


def test_a_submodule_that_is_not_updated_is_an_empty_folder(tmp_path: Path) -> None:
    inner, _, _ = make_family(tmp_path)
    other = GitRepository.create(tmp_path / "other.git")
    text = modules(skipped="https://nowhere.invalid/x") + "\tupdate = none\n"
    other.commit({".gitmodules": text}, submodules={"skipped": inner.head(), "undeclared": inner.head()})
    with open_room(tmp_path / "cache") as room:
        tree = room.checkout(other.url)
        assert [list((tree / name).iterdir()) for name in ("skipped", "undeclared")] == [[], []]


def test_a_declared_submodule_without_a_place_in_the_tree_is_ignored(tmp_path: Path) -> None:
    other = GitRepository.create(tmp_path / "other.git")
    other.commit({".gitmodules": modules(gone="https://nowhere.invalid/x"), "a": "1"})
    with open_room(tmp_path / "cache") as room:
        assert (room.checkout(other.url) / "a").is_file()


@pytest.mark.parametrize("url", ["ext::sh -c 'touch hacked'", "-uhacked", "ssh://-oProxyCommand=touch%20hacked/x"])
def test_a_hostile_submodule_address_never_reaches_git(tmp_path: Path, url: str) -> None:
    outer = GitRepository.create(tmp_path / "outer.git")
    outer.commit({".gitmodules": modules(x=url)}, submodules={"x": "1" * 40})
    with open_room(tmp_path / "cache") as room:
        with pytest.raises(GitError, match="not allowed"):
            room.checkout(outer.url)
        assert not any(url in argv for argv in room.runner.commands)
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize("place", [".git/hooks", "a/.GIT", "../outside", "a/../../b", "/tmp/x", "a\r", ".git."])
def test_a_submodule_in_a_git_folder_or_outside_is_refused(tmp_path: Path, place: str) -> None:
    make_family(tmp_path)
    outer = GitRepository.create(tmp_path / "hostile.git")
    outer.commit({".gitmodules": f'[submodule "x"]\n\tpath = "{place}"\n\turl = ../inner.git\n', "a": "1"})
    with open_room(tmp_path / "cache") as room:
        with pytest.raises(GitError, match="submodule path"):
            room.checkout(outer.url)
        assert room.runner.count("fetch") == 1


def test_a_broken_gitmodules_is_an_error_that_names_it(tmp_path: Path) -> None:
    outer = GitRepository.create(tmp_path / "outer.git")
    outer.commit({".gitmodules": "[submodule"})
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match=r"`\.gitmodules`"):
        room.checkout(outer.url)


def test_a_missing_submodule_commit_names_the_submodule(tmp_path: Path) -> None:
    make_family(tmp_path)
    outer = GitRepository.create(tmp_path / "broken.git")
    outer.commit({".gitmodules": modules(x="../inner.git")}, submodules={"x": "1" * 40})
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match=r"inner\.git` has no commit"):
        room.checkout(outer.url)
