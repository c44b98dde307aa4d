"""What is asked of a host once: its references in each run, a history in each cache; shared by all processes."""

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from miniuv.cache.boot import UNKNOWN, boot_id
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.layout import EntryKind
from miniuv.cache.store import Store
from miniuv.cache.usage import is_there
from miniuv.errors import CacheError, GitError
from miniuv.git.command import Git
from miniuv.git.database import KEPT, Database, make_repository
from miniuv.git.disk import writing
from miniuv.git.failures import GitCommandError
from miniuv.git.refs import Listing, Tag, is_object_id
from miniuv.git.remote import Remote
from miniuv.git.submodules import GITMODULES
from miniuv.git.transport import Transport
from miniuv.reporter import Reporter
from miniuv.values import dataclass

_DATABASES: EntryKind = "git-databases"
_EVERYTHING = ("+refs/heads/*:refs/miniuv/heads/*", "+refs/tags/*:refs/tags/*")
_EXAMPLES = {"git": "0" * 40, "sha256": "0" * 64}
"""Object ids of the formats, by the ending of a database's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fetched:
    """How one fetch ended. Who joined it but wanted something else looks again."""

    wanted: object
    database: Database | None = None
    error: GitError | None = None


class Fetcher:
    """Brings repositories into the cache. ``refresh`` asks the host once more for what is there already."""

    def __init__(
        self,
        *,
        git: Git,
        transport: Transport,
        store: Store,
        jobs: JobRunner,
        reporter: Reporter,
        offline: bool = False,
        refresh: bool = False,
    ) -> None:
        self._git = git
        self._transport = transport
        self._store = store
        self._jobs = jobs
        self._reporter = reporter
        self._offline = offline
        self._refresh = refresh
        self._began = time.monotonic()
        self._guard = threading.Lock()
        self._listings: dict[str, Listing] = {}
        self._asked: set[tuple[str, object]] = set()
        """What this run has fetched, by database."""
        self._alone: set[tuple[str, str]] = set()

    def listing(self, remote: Remote) -> Listing:
        """Return all references of ``remote``, asked for once per run; offline: as last asked for."""
        # One folder can hold `x` and `x.git`; a host never does.
        question = f"git-refs {remote.shown if remote.protocol == 'file' else remote.identity}"

        def known() -> Listing | None:
            with self._guard:
                listing = self._listings.get(question)
            return self._recorded(question) if listing is None else listing

        def ask() -> Listing:
            listing = self._transport.references(remote)
            record = {"boot": boot_id(), "at": time.monotonic(), "refs": dict(listing.refs)}
            self._store.write_record(question, record)
            return listing

        listing = known()
        if listing is None and self._offline:
            message = f"the references of `{remote.shown}` are not in the cache"
            raise GitError(message, hint="run once without `--offline`")
        if listing is None:
            title = f"references of {remote.shown}"
            listing = self._jobs.obtain(
                Job(kind="git-refs", subject=question, title=title, permit="fetch", lookup=known, run=ask)
            )
        with self._guard:
            return self._listings.setdefault(question, listing)

    def _recorded(self, question: str) -> Listing | None:
        """Return what another process was told since our run began: as good as asking ourselves."""
        record = self._store.read_record(question) or {}
        refs, asked = record.get("refs"), record.get("at")
        if not isinstance(refs, dict) or not isinstance(asked, float) or not all(map(is_object_id, refs.values())):
            return None
        recent = asked >= self._began and record.get("boot") == boot_id() != UNKNOWN
        return Listing(refs=refs) if recent or self._offline else None

    def commit(self, remote: Remote, commit: str, *, tags: frozenset[Tag] = frozenset()) -> Database:
        """Return the database of ``remote`` with ``commit`` and ``tags`` in it; no network where they are.

        Raises ``GitError`` where the repository has no such commit.
        """
        wanted = commit, tags

        def present(database: Database) -> bool:
            return self._is_asked(database, wanted) or (
                (not self._refresh or self._offline) and database.has(commit, tags)
            )

        def run(staging: Path, database: Database) -> None:
            self._fetch_commit(remote, commit, staging=staging, database=database)

        return self._obtain(remote, _key(remote, commit), wanted, present=present, run=run)

    def everything(self, remote: Remote) -> Database:
        """Return the database with all branches and tags in it."""
        wanted = "everything"

        def present(database: Database) -> bool:
            return self._offline or self._is_asked(database, wanted)

        def run(staging: Path, database: Database) -> None:
            self._fetch(remote, _EVERYTHING, None, staging=staging, database=database)

        return self._obtain(remote, _key(remote), wanted, present=present, run=run)

    def repair(self, remote: Remote, commit: str) -> None:
        """Check the database of ``remote`` with all that is in it; drop it and fetch anew where it is broken."""
        key, wanted = _key(remote, commit), ("repair", object())

        def run(staging: Path, database: Database) -> None:
            if not database.is_sound():
                self._discard(key)
                database = self._writable(key, staging)
            self._fetch_commit(remote, commit, staging=staging, database=database)

        self._obtain(remote, key, wanted, present=lambda database: self._is_asked(database, wanted), run=run)

    def find(self, remote: Remote) -> Database | None:
        """Return the database as it is, if there is one."""
        return self._find(_key(remote))

    def _obtain(
        self,
        remote: Remote,
        key: str,
        wanted: object,
        *,
        present: Callable[[Database], bool],
        run: Callable[[Path, Database], None],
    ) -> Database:
        def lookup() -> _Fetched | None:
            database = self._find(key)
            return _Fetched(wanted=wanted, database=database) if database and present(database) else None

        def work() -> _Fetched:
            try:
                database = self._work(key, run)
            except GitError as error:
                return _Fetched(wanted=wanted, error=error)
            with self._guard:
                self._asked.add((key, wanted))
            return _Fetched(wanted=wanted, database=database)

        title = f"history of {remote.shown}"
        job = Job(kind="git", subject=key, title=title, permit="fetch", lookup=lookup, run=work)
        while True:
            outcome = lookup()
            if outcome is None and self._offline:
                message = f"what is needed of `{remote.shown}` is not in the cache"
                raise GitError(message, hint="run once without `--offline`")
            outcome = outcome or self._jobs.obtain(job)
            if outcome.wanted != wanted:
                continue
            if outcome.error is not None:
                raise outcome.error
            assert outcome.database is not None, "a fetch ends with one or the other"
            return outcome.database

    def _work(self, key: str, run: Callable[[Path, Database], None]) -> Database:
        """Run a fetch under the job's lock; a database that proves broken is dropped and made anew, once."""
        with self._store.staging("git") as staging, writing(staging, "store the repository"):
            database = self._writable(key, staging)
            try:
                run(staging, database)
            except GitCommandError as error:
                if error.kind != "other" or database.is_sound():
                    raise
                self._discard(key)
                database = self._writable(key, staging)
                run(staging, database)
            return database

    def _find(self, key: str) -> Database | None:
        path = self._store.find(_DATABASES, key)
        if path is None or not (path / "objects" / "pack").is_dir():
            return None
        database = Database(path=path, git=self._git)
        if database.needs_reading() and not self._store.is_verified(_DATABASES, key):
            if not database.is_whole():
                self._discard(key, "it did not reach the disk whole")
                return None
            self._store.mark_verified(_DATABASES, key)
            with contextlib.suppress(OSError, CacheError), self._store.staging("boot") as staging:
                database.mark_boot(staging=staging)
        return database

    def _writable(self, key: str, staging: Path) -> Database:
        """Return the database, made where it is missing; over one that we can only read goes one of ours."""
        found = self._find(key)
        if found is not None and found.path.is_relative_to(self._store.root):
            return found
        fresh = staging / "database"
        like = _EXAMPLES[key.rpartition(".")[2]]
        make_repository(fresh, like=like, borrow=[found.path] if found else [])
        if found is not None:
            shutil.copyfile(found.path / "packed-refs", fresh / "packed-refs")
        elif is_there(self._store.path(_DATABASES, key)):
            self._discard(key, "something else lies in its place")
        return Database(path=self._store.publish(fresh, _DATABASES, key), git=self._git)

    def _discard(self, key: str, reason: str = "it is broken") -> None:
        self._reporter.note(f"the cached repository {key} is dropped and fetched again: {reason}")
        self._store.discard(_DATABASES, key)

    def _is_asked(self, database: Database, wanted: object) -> bool:
        with self._guard:
            return (database.path.name, wanted) in self._asked

    def _fetch_commit(self, remote: Remote, commit: str, *, staging: Path, database: Database) -> None:
        """Fetch ``commit``, and the default branch along with it: the next requirement often wants that."""
        wanted = f"{commit}:{KEPT}{commit}"
        try:
            self._fetch(remote, (wanted, f"+HEAD:{KEPT}head"), commit, staging=staging, database=database)
        except GitCommandError as error:
            if error.kind == "head":
                self._fetch(remote, (wanted,), commit, staging=staging, database=database)
            elif error.kind == "unadvertised":
                self._fetch(remote, _EVERYTHING, commit, staging=staging, database=database)
            elif error.kind == "commit":
                raise GitError(f"`{remote.shown}` has no commit `{commit}`", hint=error.hint) from error
            else:
                raise

    def _fetch(
        self, remote: Remote, refspecs: Sequence[str], commit: str | None, *, staging: Path, database: Database
    ) -> None:
        private = Database(path=staging / f"fetch-{len(list(staging.iterdir()))}", git=self._git)
        # Of what is borrowed git asks for the references, twice and with a process of its own.
        borrow = [] if database.is_empty() else [database.path]
        make_repository(private.path, like=commit or _EXAMPLES["git"], borrow=borrow)
        self._transport.fetch(remote, refspecs, into=private.path)
        if any((private.path / "objects").glob("??/*")):
            # A host that only serves files hands out single objects too; the database takes packs.
            self._git.run("repack", "-a", "-d", "-l", "-q", what="pack what was fetched", repository=private.path)
        refs = private.fetched_refs()
        tags = [name for name in sorted(refs) if name.startswith("refs/tags/")]
        asked = [f"{commit}^{{object}}", f"{commit}:{GITMODULES}"] if commit is not None else []
        kinds = private.kinds_of(*asked, *(f"{name}^{{}}" for name in tags))
        if commit is not None and (kinds[0] is None or kinds[0][1] != "commit"):
            raise _not_a_commit(remote, commit, kinds[0] and kinds[0][1])
        peeled = {
            f"{name}^{{}}": found[0]
            for name, found in zip(tags, kinds[len(asked) :], strict=True)
            if found is not None and found[0] != refs[name]
        }
        self._store.sync()
        database.absorb(private.path, Listing(refs={**refs, **peeled}), staging=staging)
        if commit is not None and kinds[1] is None:
            with self._guard:
                self._alone.add((remote.identity, commit))

    def is_alone(self, remote: Remote, commit: str) -> bool:
        """Whether it is known already that ``commit`` has no submodules."""
        with self._guard:
            return (remote.identity, commit) in self._alone


def _key(remote: Remote, commit: str = "") -> str:
    return f"{remote.key}.{'sha256' if len(commit) == 64 else 'git'}"


def _not_a_commit(remote: Remote, identifier: str, kind: str | None) -> GitError:
    if kind is None:
        return GitError(f"`{remote.shown}` has no commit `{identifier}`", hint="is it pushed, to a branch or a tag?")
    hint = "name the tag itself, or the commit behind it" if kind == "tag" else "name a commit, a branch or a tag"
    return GitError(f"`{identifier}` in `{remote.shown}` is a {kind}, not a commit", hint=hint)
