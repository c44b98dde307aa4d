"""The cache: immutable entries, found by name and published by one rename.

Correctness never depends on a lock here. An entry is built in a private staging folder and renamed into its
place whole; whoever comes second drops his own. Whoever sees the name may trust the content.
"""

import contextlib
import errno
import os
import re
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from miniuv.cache.exchange import exchange
from miniuv.cache.layout import EntryKind, Layout, check_trust, create_folders
from miniuv.cache.lease import Lease, fresh_lease_name, fresh_name, reap, remove_tree
from miniuv.cache.lock_keys import text_digest
from miniuv.cache.lock_log import LockLog
from miniuv.cache.locks import LockManager
from miniuv.cache.records import pack_record, unpack_record
from miniuv.cache.runtime import runtime_folder
from miniuv.cache.seal import SEAL, durable_seal, is_whole, needs_reading, write_seal
from miniuv.cache.sync import sync_file_system
from miniuv.cache.trouble import FATAL, NOT_WRITABLE, cache_error, cache_trouble, is_out_of_space
from miniuv.cache.usage import is_there, use
from miniuv.errors import CacheError
from miniuv.models.url import redact
from miniuv.reporter import Reporter

_LOGS_KEPT = 200
_ATTEMPTS = 100
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.ELOOP})
_SOMEBODY_WAS_FIRST = frozenset({errno.ENOTEMPTY, errno.EEXIST})
_SEALED: frozenset[EntryKind] = frozenset({"checkouts", "build-environments"})


class Store:
    """One cache, open for the life of a command. Thread-safe; ``open`` makes one, ``close`` ends it."""

    root: Path
    """The folder we write to: the one asked for, or a private one where that cannot be written."""
    locks: LockManager
    """The locks that go with this cache."""

    def __init__(self, layout: Layout, *, readable: Layout | None, locks: LockManager, durable: bool = False) -> None:
        self.root = layout.root
        self.locks = locks
        self._layout = layout
        self._readable = readable
        """The cache asked for, where we can only read it."""
        self._durable = durable
        self._verified: set[tuple[EntryKind, str]] = set()
        self._dropped: set[Path] = set()
        """Damaged entries of the readable cache, which we can only overlook."""
        self._lease: Lease | None = None
        self._logs_trimmed = False
        self._closed = False
        self._guard = threading.RLock()
        self._process = os.getpid()

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        reporter: Reporter,
        allow_shared: bool = False,
        durable: bool = False,
        runtime: Path | None = None,
    ) -> Self:
        """Open the cache at ``root``, made where it is missing.

        A cache that cannot be written is read, and a private temporary one takes what is new (one warning).
        ``durable``: what is published is on the disk before it has its name.
        ``runtime`` is the folder for the locks of source trees; by default one for each user of the machine.
        Raises ``CacheError`` where somebody else could change what lies there (unless ``allow_shared``).
        """
        asked = Layout(root=Path(os.path.abspath(root)))
        if not allow_shared:
            check_trust(asked)
        layout, readable = asked, None
        if not _writable(asked):
            import tempfile

            layout, readable = Layout(root=Path(tempfile.mkdtemp(prefix="miniuv-cache-"))), asked
            create_folders(layout)
            reporter.warning(
                f"the cache `{asked.root}` cannot be written: a temporary one takes what is new, for this command only",
                hint="make it writable for you, or choose another folder with `--cache-dir`",
            )
        locks = LockManager(
            layout.locks,
            runtime=runtime or runtime_folder(fallback=layout.locks),
            reporter=reporter,
            log=LockLog.from_environment(os.environ),
        )
        store = cls(layout, readable=readable, locks=locks, durable=durable)
        locks.journal = store._journal
        return store

    def find(self, kind: EntryKind, key: str) -> Path | None:
        """The entry, safe from garbage collection until ``close``; ``None`` where there is none."""
        path = self._layout.entry(kind, key)
        # First the pin, then the look: a collector hides first and reads the pins then, so one sees the other.
        self._pin(kind, key)
        if use(path) and self._is_sound(path, kind, key):
            return path
        if self._readable is not None:
            path = self._readable.entry(kind, key)
            if path not in self._dropped and is_there(path) and self._is_sound(path, kind, key):
                return path
        return None

    def holds(self, entry: Path) -> bool:
        """Whether an entry that was found is still there, and was not dropped as damaged."""
        return entry not in self._dropped and is_there(entry)

    def is_verified(self, kind: EntryKind, key: str) -> bool:
        """Whether the content needs no second look in this run: this process made it, or has read it back."""
        return (kind, key) in self._verified

    def mark_verified(self, kind: EntryKind, key: str) -> None:
        """Note that the content was read back and is what it should be."""
        self._verified.add((kind, key))

    @contextlib.contextmanager
    def staging(
        self, name: str = "work", *, doing: str = "write to the cache", needed: int | None = None
    ) -> Iterator[Path]:
        """A fresh private folder on the entries' file system, removed at the end.

        A full or failing disk met by whoever works in there becomes a ``CacheError``: see ``cache_error`` for
        ``doing`` and ``needed``.
        """
        path = self._our_lease().staging / f"{_plain(name)}-{fresh_name()}"
        with cache_trouble(path.parent, doing, needed=needed):
            path.mkdir(mode=0o700, parents=True)
        try:
            yield path
        except OSError as error:
            if error.errno in FATAL and _concerns(error, path):
                raise cache_error(error, path=path, doing=doing, needed=needed) from error
            raise
        finally:
            remove_tree(path)

    def publish(self, staged: Path, kind: EntryKind, key: str) -> Path:
        """Make ``staged``, a file or a folder, the entry; where somebody was first, drop it and use theirs."""
        final = self._layout.entry(kind, key)
        self._pin(kind, key)
        with cache_trouble(final, "write to the cache"):
            if is_there(final):
                remove_tree(staged)
                return final
            if kind in _SEALED and staged.is_dir():
                remove_tree(staged / SEAL)
                write_seal(staged)
            self.sync()
            try:
                _rename(staged, final)
                self.mark_verified(kind, key)
            except OSError as error:
                if error.errno in _SOMEBODY_WAS_FIRST:
                    remove_tree(staged)
                elif os.path.lexists(staged) or not os.path.lexists(final):  # else: done, but the reply was lost
                    raise
        return final

    def publish_bytes(self, data: bytes, kind: EntryKind, key: str) -> Path:
        """As ``publish``, for a file that holds ``data``."""
        with self._staged(data, self._layout.entry(kind, key)) as staged:
            return self.publish(staged, kind, key)

    def sync(self) -> None:
        """Where ``durable`` was asked for, wait until all that was written is on the disk."""
        if self._durable:
            with cache_trouble(self.root, "write the cache to the disk"):
                sync_file_system(self.root)

    def path(self, kind: EntryKind, key: str) -> Path:
        """Where ``publish`` will put the entry, for what must name its own place before it is there."""
        return self._layout.entry(kind, key)

    def discard(self, kind: EntryKind, key: str) -> None:
        """Drop an entry that was found damaged: it is gone at once, whoever is reading it."""
        damaged = self._layout.entry(kind, key)
        self._verified.discard((kind, key))
        if self._readable is not None:
            self._dropped.add(self._readable.entry(kind, key))
        doomed = self._layout.staging / fresh_lease_name()  # no folder of its own: a full disk may have none to give
        with cache_trouble(damaged, "drop a damaged entry of the cache"), contextlib.suppress(FileNotFoundError):
            doomed.parent.mkdir(mode=0o700, exist_ok=True)
            os.rename(damaged, doomed)
        remove_tree(doomed)

    def record_path(self, action: str) -> Path:
        """Where ``write_record`` puts the record of ``action``."""
        return self._layout.record(text_digest(action))

    def read_record(self, action: str) -> dict[str, object] | None:
        """What ``write_record`` kept for ``action``; anything that cannot be read is a miss."""
        for layout in (self._layout, self._readable):
            if layout is not None and (record := _read_record(layout, action)) is not None:
                return record
        return None

    def write_record(self, action: str, record: Mapping[str, object]) -> None:
        """Keep ``record`` (JSON values) for ``action``, in place of an older one, atomically.

        A record only spares work: that a full disk does not take it is no error.
        """
        try:
            self._write_record(action, record)
        except CacheError as error:
            if not is_out_of_space(error):
                raise

    def _write_record(self, action: str, record: Mapping[str, object]) -> None:
        final = self._layout.record(text_digest(action))
        with self._staged(pack_record(redact(action), record), final) as staged:
            _rename(staged, final)

    @contextlib.contextmanager
    def _staged(self, data: bytes, final: Path) -> Iterator[Path]:
        """A file with ``data`` that is to become ``final``; it has no folder of its own, which would cost more."""
        path = self._our_lease().staging / f"file-{fresh_name()}"
        with cache_trouble(final, "write to the cache"):
            try:
                try:
                    path.write_bytes(data)
                except FileNotFoundError:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    path.write_bytes(data)
                yield path
            except BaseException:
                path.unlink(missing_ok=True)
                raise

    def has_company(self) -> bool:
        """Whether another process seems to use this cache now."""
        try:
            return len(os.listdir(self._layout.leases)) > 1
        except OSError:
            return False

    def guards(self) -> tuple[int, ...]:
        """Descriptors for a process that works for this thread: as long as it has them, all that it uses is in use.

        Our lease, so that nobody takes what it writes to for abandoned, and the locks of source trees.
        """
        return (self._our_lease().descriptor, *self.locks.guards())

    def log_path(self, name: str) -> Path:
        """A path for a build's output that nobody used before, safe from ``clean`` until ``close``; the oldest go."""
        folder = self._layout.logs
        with cache_trouble(folder, "write to the cache"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._guard:
            if not self._logs_trimmed:
                self._logs_trimmed = True
                _trim_logs(folder)
        path = folder / f"{_plain(name)}-{fresh_name()}.log"
        with contextlib.suppress(CacheError):
            self._our_lease().pin(f"logs/{path.name}")
        return path

    def close(self, *, keep_logs: bool = False) -> None:
        """Give up the lease and remove what is unfinished; a second call does nothing.

        ``keep_logs`` leaves a private cache's logs for whoever was just told of them.
        """
        if os.getpid() != self._process:
            return  # a forked child: all of this is its parent's
        with self._guard:
            lease, self._lease = self._lease, None
            closed, self._closed = self._closed, True
        if closed:
            return
        self.locks.close()
        if lease is not None:
            lease.close()
        if self._readable is not None:
            kept = self._layout.logs if keep_logs and any(self._layout.logs.glob("*.log")) else None
            for folder in [self.root] if kept is None else self._layout.versioned.iterdir():
                if folder != kept:
                    remove_tree(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(keep_logs=kind is not None)

    def _is_sound(self, path: Path, kind: EntryKind, key: str) -> bool:
        """Look at what another boot left behind, once; drop it where it is not whole."""
        if kind not in _SEALED or self.is_verified(kind, key):
            return True
        if needs_reading(path):
            if not is_whole(path):
                self.discard(kind, key)
                return False
            with contextlib.suppress(OSError, CacheError), self.staging("seal") as staged:
                (staged / SEAL).write_bytes(durable_seal(path))
                os.rename(staged / SEAL, path / SEAL)
        self.mark_verified(kind, key)
        return True

    def _pin(self, kind: EntryKind, key: str) -> None:
        """Keep an entry from being collected. Where a full disk takes no lease either, a reader goes on without."""
        try:
            self._our_lease().pin(f"{kind}/{key}")
        except CacheError as error:
            if not is_out_of_space(error):
                raise

    def _journal(self, event: str, lock: Path) -> None:
        with contextlib.suppress(OSError, CacheError):  # that others cannot see it is no reason to fail
            self._our_lease().tell(event, lock)

    def _our_lease(self) -> Lease:
        """Ours, made when first needed: a command that needs no cache shall not pay for it."""
        lease = self._lease
        if lease is None:
            with self._guard:
                if self._closed:
                    raise CacheError("the cache was closed already", where=str(self.root))
                if self._lease is None:
                    with cache_trouble(self.root, "write to the cache"):
                        self._lease = Lease.open(self._layout)
                    reap(self._layout, self._lease.name)
                lease = self._lease
        return lease


def _writable(layout: Layout) -> bool:
    with cache_trouble(layout.root, "make the cache folder"):
        try:
            create_folders(layout)
        except OSError as error:
            if error.errno in NOT_WRITABLE:
                return False
            raise
    return os.access(layout.leases, os.W_OK | os.X_OK) and os.access(layout.versioned, os.W_OK | os.X_OK)


def _rename(staged: Path, final: Path) -> None:
    """Rename, over the link that a collector leaves while it decides, which may come and go at any moment."""
    for _ in range(_ATTEMPTS):
        try:
            os.rename(staged, final)
            return
        except FileNotFoundError:
            final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except NotADirectoryError:  # a link, or junk: no folder can be renamed to where it is
            with contextlib.suppress(FileNotFoundError):
                exchange(staged, final)
                if not stat.S_ISDIR(os.lstat(staged).st_mode):
                    remove_tree(staged)
                    return
                exchange(staged, final)  # the entry itself was put back this moment, and it was first
    os.rename(staged, final)


def _read_record(layout: Layout, action: str) -> dict[str, object] | None:
    path = layout.record(text_digest(action))
    try:
        data = path.read_bytes()
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise cache_error(error, path=path, doing="read the cache") from error
    use(path)
    written, record = unpack_record(data) or (None, None)
    return record if written == redact(action) else None


def _concerns(error: OSError, folder: Path) -> bool:
    # A failed write() names no file; a failed open() does, and it may lie on another disk.
    return error.filename is None or os.fsdecode(error.filename).startswith(str(folder))


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip(".-")[:80] or "work"


def _trim_logs(folder: Path) -> None:
    with contextlib.suppress(OSError):
        logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
        for log in logs[:-_LOGS_KEPT]:
            log.unlink(missing_ok=True)
