"""What an index of git stands for is what is staged, whatever git writes to it to be faster."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.backend._trace_git import index_digest
from tests.support.mutations import git
from tests.support.projects import write_files


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write_files(tmp_path, {"a": "1\n", "sub/b": "2\n", "a-name-that-is-longer-than-eight": "3\n"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def digest(repository: Path) -> str:
    return index_digest(str(repository / ".git" / "index"))


def _refresh(folder: Path) -> None:
    for path in (folder / "a", folder / "sub" / "b"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    git(folder, "status")


def _edit(folder: Path) -> None:
    write_files(folder, {"a": "2\n"})
    git(folder, "add", "a")


def _intend(folder: Path) -> None:
    write_files(folder, {"c": ""})
    git(folder, "add", "-N", "c")


@pytest.mark.parametrize("version", ["2", "4"])
@pytest.mark.parametrize(
    ("change", "same"),
    [
        (_refresh, True),
        (_edit, False),
        (lambda folder: git(folder, "rm", "-q", "--cached", "a"), False),
        (lambda folder: git(folder, "update-index", "--chmod=+x", "a"), False),
        (lambda folder: git(folder, "update-index", "--assume-unchanged", "a"), False),
        (lambda folder: git(folder, "update-index", "--skip-worktree", "a"), False),
        (_intend, False),
        (lambda folder: git(folder, "update-index", "--split-index"), False),
        (lambda folder: (folder / ".git" / "index").unlink(), False),
    ],
    ids=["refresh", "edit", "remove", "mode", "assumed", "skipped", "intended", "split", "gone"],
)
def test_only_what_is_staged_counts(
    repository: Path, change: Callable[[Path], object], same: bool, version: str
) -> None:
    git(repository, "update-index", "--index-version", version)
    before = digest(repository)
    content = (repository / ".git" / "index").read_bytes()
    change(repository)
    after = repository / ".git" / "index"
    assert not after.exists() or after.read_bytes() != content
    assert (digest(repository) == before) is (same and version == "2")  # of version 4 every byte counts


def test_a_damaged_index_is_no_other_one_by_accident(repository: Path) -> None:
    path = repository / ".git" / "index"
    data, before = path.read_bytes(), digest(repository)
    for position in range(0, len(data), 7):
        path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        assert digest(repository) != before
        path.write_bytes(data[:position])
        assert digest(repository) != before
