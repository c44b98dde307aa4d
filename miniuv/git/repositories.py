"""The door of this room: pin a reference, check a commit out, copy it for a build."""

import shutil
import threading
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.layout import EntryKind
from miniuv.cache.store import Store
from miniuv.errors import GitError
from miniuv.git.command import Git
from miniuv.git.disk import writing
from miniuv.git.fetch import Fetcher
from miniuv.git.refs import Listing, Tag, full_commit, may_be_short_commit
from miniuv.git.remote import Remote
from miniuv.git.transport import RETRIES, Transport
from miniuv.git.worktree import BrokenDatabaseError, Tree, gather
from miniuv.models.source import CommitId, GitSource, PinnedGit
from miniuv.process import Runner
from miniuv.reporter import Reporter

T = TypeVar("T")

_CHECKOUTS: EntryKind = "checkouts"


class GitRepositories:
    """Git repositories, through the cache. Thread-safe; everything is asked of a host at most once in a run."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobRunner,
        runner: Runner,
        reporter: Reporter,
        environ: Mapping[str, str],
        offline: bool = False,
        refresh: bool = False,
        retries: int = RETRIES,
    ) -> None:
        self._store = store
        self._jobs = jobs
        git = Git(runner=runner, environ=environ, directory=store.root)
        self._fetcher = Fetcher(
            git=git,
            transport=Transport(git=git, reporter=reporter, retries=retries),
            store=store,
            jobs=jobs,
            reporter=reporter,
            offline=offline,
            refresh=refresh,
        )
        self._guard = threading.Lock()
        self._trees: dict[tuple[str, str], Tree] = {}
        self._tags: dict[tuple[str, str], frozenset[Tag]] = {}

    def pin(self, source: GitSource) -> PinnedGit:
        """Turn what was asked for into one commit.

        A full commit id is taken at its word: no git, no network, no lock; whether the repository has it shows
        in ``checkout``. Anything else is looked up in the references that the host lists once in this run.
        Raises ``GitError`` where there is no such reference.
        """
        commit = full_commit(source.ref)
        if commit is None:
            remote = Remote.of(source.repository)
            listing = self._fetcher.listing(remote)
            commit = listing.resolve(source.ref) or self._short_commit(remote, source.ref)
            if commit is None:
                raise _unknown(remote, source.ref, listing)
            with self._guard:
                # A build of this commit must see a tag that was put on it after its history was fetched.
                self._tags[remote.identity, commit] = listing.tags_at(commit)
        return PinnedGit(
            repository=source.repository,
            commit=CommitId(commit),
            requested=source.ref,
            subdirectory=source.subdirectory,
        )

    def checkout(self, pinned: PinnedGit) -> Path:
        """Return the plain tree of the commit, submodules included: a cache entry, not to be written to.

        Raises ``GitError`` where the repository has no such commit.
        """
        remote = Remote.of(pinned.repository)
        key = f"{pinned.commit}-{sha256(remote.identity.encode()).hexdigest()[:16]}"

        def lookup() -> Path | None:
            entry = self._store.find(_CHECKOUTS, key)
            return entry / "tree" if entry is not None else None

        def make(tree: Tree) -> Path:
            def run() -> Path:
                with self._store.staging("checkout") as staging, writing(staging, "write the checkout"):
                    for folder in ("repositories", "entry"):
                        (staging / folder).mkdir()
                    tree.write(staging / "entry" / "tree", repositories=staging / "repositories")
                    return self._store.publish(staging / "entry", _CHECKOUTS, key) / "tree"

            title = f"checkout of {remote.shown} at {pinned.commit[:12]}"
            return self._jobs.obtain(
                Job(kind="checkout", subject=key, title=title, permit="free", lookup=lookup, run=run)
            )

        return lookup() or self._healing(pinned, make)

    def fetch(self, pinned: PinnedGit) -> None:
        """Bring here whatever ``build_copy`` needs, so that it may be called under a lock."""
        self._tree(pinned)

    def build_copy(self, pinned: PinnedGit, destination: Path) -> None:
        """Write a private copy to ``destination``, an empty or missing folder, with a small ``.git`` of its own.

        ``git describe --tags`` answers in it as in a full clone. It borrows its objects from the cache, for as
        long as this run lives. Obtains jobs unless ``fetch`` came before.
        """

        def write(tree: Tree) -> None:
            with writing(destination, "write the copy"):
                destination.mkdir(parents=True, exist_ok=True)
                for leftover in destination.iterdir():
                    shutil.rmtree(leftover) if leftover.is_dir() and not leftover.is_symlink() else leftover.unlink()
                tree.write(destination)

        self._healing(pinned, write)

    def _tree(self, pinned: PinnedGit) -> Tree:
        remote = Remote.of(pinned.repository)
        identity = remote.identity, pinned.commit
        with self._guard:
            if (tree := self._trees.get(identity)) is not None:
                return tree
            tags = self._tags.get(identity, frozenset())
        tree = gather(self._fetcher, remote, pinned.commit, tags)
        with self._guard:
            return self._trees.setdefault(identity, tree)

    def _healing(self, pinned: PinnedGit, use: Callable[[Tree], T]) -> T:
        """Call ``use`` with the tree; where a database seems broken, have it repaired and call once more."""
        try:
            return use(self._tree(pinned))
        except BrokenDatabaseError as error:
            with self._guard:
                self._trees.clear()
            self._fetcher.repair(error.remote, error.commit)
        return use(self._tree(pinned))

    def _short_commit(self, remote: Remote, ref: str | None) -> str | None:
        """Look the beginning of a commit id up in what is here, else in all branches and tags."""
        if ref is None or not may_be_short_commit(ref):
            return None
        present = self._fetcher.find(remote)
        found = present.commits_beginning(ref.lower()) if present else []
        found = found or self._fetcher.everything(remote).commits_beginning(ref.lower())
        if len(found) > 1:
            listed = ", ".join(f"`{commit}`" for commit in sorted(found)[:4])
            raise GitError(f"`{ref}` could be several commits of `{remote.shown}`: {listed}", hint="name one in full")
        return found[0] if found else None


def _unknown(remote: Remote, ref: str | None, listing: Listing) -> GitError:
    if ref is None or ref == "HEAD":
        if not listing.refs:
            return GitError(f"`{remote.shown}` is empty", hint="push something to it first")
        return GitError(f"`{remote.shown}` has no default branch", hint="name a branch, a tag or a commit: `…@REF`")
    close = " or ".join(f"`{name}`" for name in listing.close_to(ref))
    branches = sorted(name.removeprefix("refs/heads/") for name in listing.refs if name.startswith("refs/heads/"))
    some = ", ".join(f"`{name}`" for name in branches[:6])
    hint = f"did you mean {close}?" if close else f"its branches are {some}" if some else None
    return GitError(f"`{remote.shown}` has no branch, tag or commit `{ref}`", hint=hint)
