"""Locks that cannot deadlock.

Rule 1: whoever holds a lock never blocks for another. All but one acquire *try*, and give up when busy.
Rule 2: several locks are tried upwards in one order, ``(rank, name)``, all or nothing.
Rule 3: the one blocking wait is the environment's, with nothing else held.

Every wait is thus made by a thread that holds nothing, so no chain of waits can close to a ring. A breach
raises ``LockOrderError``, in releases too. The kernel alone decides whether a lock is held (``flock``, gone
with its process); a lock file is never unlinked, and what it contains is only for messages.

=====  ====================  =========================================================================
Rank   Lock                  Where
=====  ====================  =========================================================================
0      lease                 ``leases/…`` in the cache; held for life, nobody waits for it (``lease.py``)
5      question              ``locks/question/<sha256 of the subject>`` in the cache; a command's (``lead.py``)
10     job                   ``locks/<kind>/<sha256 of the subject>`` in the cache
20     source tree           ``src/<device>-<inode>`` in a folder of the user's, whatever the cache
30     environment           ``<environment>/.lock``, the file that uv locks too
40     garbage collection    ``locks/gc`` in the cache
=====  ====================  =========================================================================
"""

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from miniuv.cache.heartbeat import Heartbeat
from miniuv.cache.lock_file import LockFile
from miniuv.cache.lock_keys import DEFECT, LockKey, Rank
from miniuv.cache.lock_log import LockLog
from miniuv.cache.owner import Owner, describe_holder, read_owner
from miniuv.cache.owner_file import ForeignOwnerError, OwnerFile
from miniuv.cache.runtime import make_lock_folder
from miniuv.cache.trouble import FULL, cache_error
from miniuv.cache.waits import ExplainedWait, Journal
from miniuv.errors import CacheError, LockOrderError, TargetError
from miniuv.names import ENVIRONMENT_LOCKS
from miniuv.reporter import Reporter
from miniuv.values import replace

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


class _Hold:
    """One held lock, with its owner record and its heartbeat."""

    def __init__(self, key: LockKey, file: LockFile, *, step: str) -> None:
        self.key = key
        self._file = file
        self._owner = Owner.this_process(step=step)
        self._guard = threading.Lock()
        self._released = False
        self._write(self._owner)

    @property
    def descriptor(self) -> int:
        return self._file.descriptor

    def beat(self) -> None:
        with self._guard:
            if not self._released:
                self._owner = replace(self._owner, beat=self._owner.beat + 1)
                self._write(self._owner)

    def release(self) -> None:
        with self._guard:
            if self._released:
                return
            self._released = True
            if self._file.native:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file.descriptor, 0)  # the next holder may be one who writes no record
            self._file.close()

    def _write(self, owner: Owner) -> None:
        if not self._file.is_recorded:
            return
        record = owner.encode()
        # A full disk or a lock file opened read-only costs the explanation, never the lock.
        with contextlib.suppress(OSError):
            os.pwrite(self._file.descriptor, record, 0)
            os.ftruncate(self._file.descriptor, len(record))


class HeldLocks:
    """Locks that are held until ``release`` or the end of the ``with`` block."""

    def __init__(self, manager: "LockManager", holds: Sequence[_Hold]) -> None:
        self._manager = manager
        self._holds = tuple(holds)
        self._thread = threading.get_ident()

    def release(self) -> None:
        """Give everything back; a second call does nothing."""
        holds, self._holds = self._holds, ()
        self._manager._give_back(holds, self._thread)

    def __enter__(self) -> "HeldLocks":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Announcement:
    """What a command has, and none of its threads: it says that the command goes ahead, and binds nobody."""

    def __init__(self, hold: _Hold, heartbeat: Heartbeat) -> None:
        self._hold = hold
        self._heartbeat = heartbeat

    def show_life(self) -> None:
        """Give signs of life from now on, which takes a thread."""
        self._heartbeat.add(self._hold.beat)

    def release(self) -> None:
        """Give it back, also where a forked child still has the descriptor; a second call does nothing."""
        self._heartbeat.remove(self._hold.beat)
        self._hold.release()


class LockManager:
    """Hands out the locks of one cache and holds everybody to the rules; ``close`` ends its heartbeat."""

    journal: Journal | None = None
    """Hears of waits, and of locks that lie elsewhere: an environment's."""

    def __init__(self, folder: Path, *, runtime: Path, reporter: Reporter, log: LockLog | None = None) -> None:
        self.log = log or LockLog(None)
        self._folder = folder
        self._runtime = runtime
        self._reporter = reporter
        self._heartbeat = Heartbeat()
        self._guard = threading.Lock()
        self._held: dict[int, list[_Hold]] = {}
        self._warned = False

    def try_acquire(self, keys: Iterable[LockKey], *, step: str) -> HeldLocks | None:
        """Take all of ``keys`` at once or none; never blocks. ``step`` is what others read while they wait."""
        outcome = self.attempt(keys, step=step)
        return outcome if isinstance(outcome, HeldLocks) else None

    def attempt(self, keys: Iterable[LockKey], *, step: str) -> HeldLocks | LockKey:
        """Do as ``try_acquire`` does, but say which lock was busy."""
        wanted = sorted(set(keys))
        self._check_order(wanted)
        holds: list[_Hold] = []
        thread = threading.get_ident()
        try:
            for key in wanted:
                hold = self._try_one(key, step)
                if hold is None:
                    self._give_back(holds, thread)
                    return key
                holds.append(hold)
        except BaseException:
            self._give_back(holds, thread)
            raise
        return HeldLocks(self, holds)

    def announce(self, key: LockKey, *, step: str) -> Announcement | None:
        """Take ``key`` for the command: no rule holds for it, and nobody may rest on it; ``None`` when it is busy."""
        file = self._lock_file(key)
        return None if file is None else Announcement(_Hold(key, file, step=step), self._heartbeat)

    def is_busy(self, key: LockKey) -> bool:
        """Whether ``key`` is held at this moment; where nobody can tell it is not."""
        try:
            file = self._lock_file(key)
        except CacheError:
            return False
        if file is not None:
            file.close()
        return file is None

    @contextlib.contextmanager
    def environment(
        self,
        path: Path,
        *,
        step: str = "install",
        limit: float | None = None,
        wake: threading.Event | None = None,
    ) -> Iterator[None]:
        """Hold the lock of the environment at ``path``: the only wait that blocks, and it explains itself.

        Raises ``LockOrderError`` where this thread holds anything, ``LockWaitExpiredError`` after ``limit``
        seconds, ``Interrupted`` when ``wake`` is set, ``TargetError`` where the file cannot be made.
        """
        self.check_free(f"the lock of {path}")
        key = LockKey.environment(path)
        place = self.path(key)
        with ExplainedWait(
            subject=f"the environment {path}",
            reporter=self._reporter,
            limit=limit,
            wake=wake or threading.Event(),
            journal=self.journal,
        ) as wait:
            while (held := self.try_acquire([key], step=step)) is None:
                self.log.tell("wait", rank=key.rank, name=key.name, holds=self._names_held_here())
                wait.pause(partial(self.holder, key), place)
        with held, self._noted(self._recorded(key)):
            yield

    def check_free(self, wish: str) -> None:
        """Raise ``LockOrderError`` where this thread holds a lock and so may not wait for ``wish``."""
        if held := self._held_here():
            raise LockOrderError(
                f"{wish} was waited for while holding {_names(held)}",
                hint=DEFECT,
            )

    def holder(self, key: LockKey) -> str | None:
        """Say who holds ``key``; ``None`` where it is this process."""
        path = self._recorded(key)
        owner = read_owner(path)
        return None if owner is not None and owner.is_this_process else describe_holder(path)

    def _recorded(self, key: LockKey) -> Path:
        """The file that says who holds ``key``."""
        path = self.path(key)
        owned = _owner_file(path)
        return owned if key.rank == Rank.ENVIRONMENT and read_owner(path) is None and owned.exists() else path

    def sign_of_life(self, key: LockKey) -> tuple[int, int, float, int] | None:
        """What changes as long as the holder of ``key`` lives; ``None`` where it leaves no record."""
        owner = read_owner(self.path(key))
        return None if owner is None else (owner.pid, owner.ticks, owner.since, owner.beat)

    def guards(self) -> tuple[int, ...]:
        """Descriptors of the source trees' locks that this thread holds, for a process that shall hold them too."""
        with self._guard:
            holds = tuple(self._held.get(threading.get_ident(), ()))
        return tuple(hold.descriptor for hold in holds if hold.key.rank == Rank.SOURCE_TREE)

    @contextlib.contextmanager
    def _noted(self, lock: Path) -> Iterator[None]:
        """Let others know where a lock is held that lies in no folder of locks."""
        if self.journal is not None:
            self.journal("holds", lock)
        try:
            yield
        finally:
            if self.journal is not None:
                self.journal("held", lock)

    def close(self) -> None:
        """End the heartbeat."""
        self._heartbeat.close()

    def _check_order(self, wanted: Sequence[LockKey]) -> None:
        held = self._held_here()
        if not wanted or (not held and (len(wanted) == 1 or wanted[-1].rank < Rank.ENVIRONMENT)):
            return
        if max((*held, *wanted)).rank >= Rank.ENVIRONMENT:
            breach = f"{_names(wanted)} was asked for, but such a lock is held alone"
        elif wanted[0] <= max(held, default=wanted[0]) and held:
            breach = f"{_names(wanted)} was asked for downwards"
        else:
            return
        held_names = f" while holding {_names(held)}" if held else ""
        raise LockOrderError(breach + held_names, hint=DEFECT)

    def _held_here(self) -> tuple[LockKey, ...]:
        with self._guard:
            return tuple(hold.key for hold in self._held.get(threading.get_ident(), ()))

    def _names_held_here(self) -> list[str]:
        return [key.name for key in self._held_here()]

    def _try_one(self, key: LockKey, step: str) -> _Hold | None:
        self.log.tell("try", rank=key.rank, name=key.name, holds=self._names_held_here())
        file = self._lock_file(key)
        if file is None:
            self.log.tell("busy", rank=key.rank, name=key.name)
            return None
        hold = _Hold(key, file, step=step)
        with self._guard:
            self._held.setdefault(threading.get_ident(), []).append(hold)
        self._heartbeat.add(hold.beat)
        self.log.tell("acquire", rank=key.rank, name=key.name)
        return hold

    def _lock_file(self, key: LockKey) -> LockFile | None:
        path = self.path(key)
        try:
            file = _environment_file(path) if key.rank == Rank.ENVIRONMENT else _own_file(path)
        except OSError as error:
            if key.rank == Rank.ENVIRONMENT:
                raise TargetError(
                    f"cannot lock the environment: {(error.strerror or str(error)).lower()}",
                    where=str(path),
                    hint="the environment must exist, and you must be able to write to it",
                ) from error
            if key.rank <= Rank.JOB and error.errno in FULL:
                return LockFile.pretend()  # whoever has something to write finds out; others only look
            raise cache_error(error, path=path, doing="take a lock") from error
        if file is not None and not file.is_recorded:
            self._warn_once(path)
        return file

    def path(self, key: LockKey) -> Path:
        """The lock file."""
        match key.rank:
            case Rank.SOURCE_TREE:
                return self._runtime / "src" / key.name
            case Rank.ENVIRONMENT:
                return Path(key.name) / ENVIRONMENT_LOCKS[0]
            case _:
                return self._folder / key.name

    def _give_back(self, holds: Sequence[_Hold], thread: int) -> None:
        for hold in reversed(holds):
            self._heartbeat.remove(hold.beat)
            # Told before it is so: else another's `acquire` could come first in the log.
            self.log.tell("release", rank=hold.key.rank, name=hold.key.name)
            hold.release()
            with self._guard:
                mine = self._held.get(thread, [])
                mine.remove(hold)
                if not mine:
                    self._held.pop(thread, None)

    def _warn_once(self, path: Path) -> None:
        with self._guard:
            if self._warned:
                return
            self._warned = True
        self._reporter.warning(
            f"no locks on the file system of `{path.parent}`: work may be done twice by processes that run at once",
            hint="use a folder on a local disk, `--cache-dir` for the cache",
        )


def _own_file(path: Path) -> LockFile | None:
    try:
        return LockFile.try_lock(path)
    except FileNotFoundError:
        make_lock_folder(path.parent)
        return LockFile.try_lock(path)


def _environment_file(path: Path) -> LockFile | None:
    file = LockFile.try_lock(path, mode=_environment_mode(path.parent), exact_mode=True)
    if file is None or file.native:
        return file
    try:
        owned = OwnerFile.take(_owner_file(path))
    except ForeignOwnerError as error:
        file.close()
        raise TargetError(
            f"the environment is locked by {error}, and nobody can tell from here whether that still runs",
            where=str(error.path),
            hint="if nobody works on the environment, delete that file",
        ) from error
    except OSError as error:
        if error.errno in _NO_LINKS:
            return file
        file.close()
        raise
    file.close()
    return owned


def _owner_file(lock: Path) -> Path:
    return lock.with_name(ENVIRONMENT_LOCKS[1])


def _environment_mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode) & 0o666


def _names(keys: Iterable[LockKey]) -> str:
    return ", ".join(f"`{key.name}`" for key in keys)
