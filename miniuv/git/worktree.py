"""A commit's files on the disk: a plain tree for the cache, or a private copy that a build may write to."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from miniuv.errors import GitError
from miniuv.git.database import Database, make_repository
from miniuv.git.failures import GitCommandError
from miniuv.git.fetch import Fetcher
from miniuv.git.refs import Tag, packed_refs
from miniuv.git.remote import Remote
from miniuv.git.submodules import submodules_of
from miniuv.values import dataclass, field

_DEEPEST = 12
"""Levels of submodules within submodules."""
_MOST = 1000
"""Submodules of one commit, at all levels."""


class BrokenDatabaseError(GitError):
    """A database does not give what it should hold."""

    def __init__(self, message: str, *, remote: Remote, commit: str) -> None:
        super().__init__(message)
        self.remote = remote
        self.commit = commit


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A commit whose objects are all here, and the submodules in it."""

    remote: Remote
    commit: str
    database: Database
    submodules: tuple[tuple[str, "Tree"], ...]
    count: int = field(compare=False)
    """How many commits are written: this one, and those of its submodules."""

    def write(self, worktree: Path, *, repositories: Path | None = None) -> None:
        """Write all files to ``worktree``, which is made.

        With ``repositories``, a private folder, the tree is plain. Without it there is a ``.git`` in the tree and
        in each submodule: HEAD is detached, the tags are those that can be reached, nothing in it can be
        written back to the cache.
        """
        for place, tree in self.walk():
            target = worktree / place
            _check_folder(worktree, target)
            target.mkdir(parents=True, exist_ok=True)
            if repositories is None:
                tree.write_one(target, target / ".git", bare=False)
            else:
                tree.write_one(target, repositories / f"{len(list(repositories.iterdir()))}.git", bare=True)

    def write_one(self, worktree: Path, repository: Path, *, bare: bool) -> None:
        """Write this commit's own files, not its submodules'."""
        make_repository(repository, like=self.commit, borrow=[self.database.path], bare=bare)
        (repository / "HEAD").write_text(f"{self.commit}\n")
        with _suspecting_database(self.remote, self.commit):
            if not bare:
                tags = self.database.reachable_tags(self.commit)
                (repository / "packed-refs").write_bytes(packed_refs(tags))
            self.database.git.run(
                "read-tree",
                "--reset",
                "-u",
                self.commit,
                what=f"check `{self.commit}` out of `{self.remote.shown}`",
                repository=repository,
                worktree=worktree,
            )

    def walk(self, place: str = "") -> Iterator[tuple[str, "Tree"]]:
        """Yield this tree and those below it, each with its place, the outer ones first."""
        yield place, self
        for path, tree in self.submodules:
            yield from tree.walk(f"{place}/{path}" if place else path)


def gather(
    fetcher: Fetcher,
    remote: Remote,
    commit: str,
    tags: frozenset[Tag],
    *,
    depth: int = 0,
    known: dict[tuple[str, str], Tree] | None = None,
) -> Tree:
    """Bring ``commit`` and its submodules here, each repository as a job of its own; no lock is held in between.

    ``known`` are trees that were gathered on the way, by identity and commit. Raises ``GitError`` where there are too
    many or too deep ones: a few small repositories that contain each other can make billions of folders.
    """
    if depth > _DEEPEST:
        raise GitError(f"submodules lie more than {_DEEPEST} levels deep", where=remote.shown, hint="tell its author")
    known = {} if known is None else known
    if (found := known.get((remote.identity, commit))) is not None:
        return found
    database = fetcher.commit(remote, commit, tags=tags)
    with _suspecting_database(remote, commit):
        submodules = () if fetcher.is_alone(remote, commit) else submodules_of(database, remote, commit)
    trees = tuple(
        (each.path, gather(fetcher, each.remote, each.commit, frozenset(), depth=depth + 1, known=known))
        for each in submodules
    )
    count = 1 + sum(tree.count for _, tree in trees)
    if count > _MOST:
        raise GitError(f"there are more than {_MOST} submodules in it", where=remote.shown, hint="tell its author")
    tree = Tree(remote=remote, commit=commit, database=database, submodules=trees, count=count)
    return known.setdefault((remote.identity, commit), tree)


@contextmanager
def _suspecting_database(remote: Remote, commit: str) -> Iterator[None]:
    try:
        yield
    except GitCommandError as error:
        if error.kind != "other":
            raise
        raise BrokenDatabaseError(error.message, remote=remote, commit=commit) from error


def _check_folder(worktree: Path, target: Path) -> None:
    """Refuse a submodule whose place is reached through a symbolic link, as can be where case does not count."""
    for folder in (target, *target.parents):
        if folder == worktree:
            return
        if folder.is_symlink() or (folder.exists() and not stat.S_ISDIR(folder.lstat().st_mode)):
            raise GitError(f"the place of the submodule `{target.relative_to(worktree)}` is not a folder")
