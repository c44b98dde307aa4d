"""A project folder in one word, which every change that matters changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.cache import tree_state as module
from miniuv.cache.tree_state import tree_state


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_SETTLED", 0)
    for name in ("setup.py", "src/a/__init__.py", ".git/HEAD", ".git/refs/heads/main", ".git/index", "build/lib/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("as it was")
    return tmp_path


def edit(name: str) -> Callable[[Path], object]:
    def change(tree: Path) -> object:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        return (tree / name).write_text("as it is now")

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit("setup.py"),
        edit("README.md"),
        edit("src/a/deep/er.py"),
        edit(".git/refs/tags/v1"),
        edit(".git/packed-refs"),
        lambda tree: (tree / "src" / "a" / "__init__.py").unlink(),
        lambda tree: (tree / "setup.py").rename(tree / "setup.cfg"),
        lambda tree: (tree / "setup.py").chmod(0o700),
    ],
)
def test_a_change_of_the_project_is_seen(tree: Path, change: Callable[[Path], object]) -> None:
    before = tree_state(tree)
    assert before is not None
    change(tree)
    assert tree_state(tree) != before


@pytest.mark.parametrize(
    "change",
    [
        edit("build/lib/b.py"),
        edit("src/a.egg-info/PKG-INFO"),
        edit("src/a/__pycache__/a.pyc"),
        edit(".git/index"),
        edit("dist/a.whl"),
        lambda tree: shutil.rmtree(tree / "build"),
    ],
)
def test_what_a_build_or_git_leaves_behind_is_none(tree: Path, change: Callable[[Path], object]) -> None:
    before = tree_state(tree)
    change(tree)
    assert tree_state(tree) == before is not None


def test_nothing_is_said_of_a_folder_that_is_too_large_or_gone_or_just_being_changed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tree_state(tree / "nowhere") is None
    monkeypatch.setattr(module, "_SETTLED", 3600 * 10**9)
    assert tree_state(tree) is None
    monkeypatch.setattr(module, "_SETTLED", 0)
    monkeypatch.setattr(module, "_MOST_FILES", 3)
    assert tree_state(tree) is None
