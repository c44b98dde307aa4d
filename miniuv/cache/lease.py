"""A process's sign in the cache: it lives, and these are the entries it uses.

The lease file is locked for life. Whoever can lock a lease knows that its process is gone, and may remove what
that one left in ``tmp``. Nobody ever waits for a lease.
"""

import contextlib
import errno
import json
import os
import re
import stat
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from miniuv.cache.layout import Layout
from miniuv.cache.lock_file import LockFile
from miniuv.cache.owner import Owner, read_owner
from miniuv.cache.proc import host_name
from miniuv.errors import CacheError
from miniuv.values import dataclass

_FOREIGN_AGE = 7 * 24 * 3600.0
_ATTEMPTS = 100
_DRAFT = ".new"
"""Ends the name of a lease that does not say yet whose it is; who loses such a one makes another."""


class Lease:
    """Ours: open for as long as the store is."""

    def __init__(self, layout: Layout, file: LockFile, name: str) -> None:
        self.name = name
        self.staging = layout.staging / name
        """Our own folder for everything unfinished, made when needed: a full disk can still be read."""
        self._file = file
        self._pins: set[str] = set()
        self._broken_off = False
        """Whether the file ends in the midst of a line."""
        self._guard = threading.Lock()

    @classmethod
    def open(cls, layout: Layout) -> "Lease":
        """Make and lock a new lease; raises ``OSError``."""
        for _ in range(_ATTEMPTS):
            name = fresh_lease_name()
            layout.leases.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A reaper may be quicker than our own lock, and take the new file for a dead one: then another name. It
            # gets its real name with our name in it, so that where locks exclude nobody we are still seen to live.
            draft = layout.leases / f"{name}{_DRAFT}"
            file = LockFile.try_lock(draft)
            if file is None:
                continue
            lease = cls(layout, file, name)
            # A full disk costs those who find one of our pins in their way our name only.
            with contextlib.suppress(OSError):
                lease._append(Owner.this_process(step="").encode())
            file.path = layout.leases / name
            try:
                os.rename(draft, file.path)
                return lease
            except FileNotFoundError:
                file.close()
            except BaseException:
                draft.unlink(missing_ok=True)
                file.close()
                raise
        raise CacheError("cannot make a lease", where=str(layout.leases))

    def pin(self, entry: str) -> None:
        """Say that we use ``entry``: from now on no garbage collection takes it."""
        with self._guard:
            if entry in self._pins:
                return
            # On a full disk a reader goes on unpinned: losing an entry to a collection is a miss, not a fault.
            with contextlib.suppress(OSError):
                self._append(f"{entry}\n".encode())
                self._pins.add(entry)

    @property
    def descriptor(self) -> int:
        """For a process that writes into our staging folder: the lease lives as long as it has this open."""
        return self._file.descriptor

    def tell(self, event: str, lock: Path) -> None:
        """Write down a lock that we wait for or hold (``lock_list.py``); raises ``OSError``."""
        line = json.dumps({"event": event, "lock": str(lock), "at": time.time()})
        with self._guard:
            self._append(f"{line}\n".encode())

    def _append(self, line: bytes) -> None:
        """Write a whole line or raise ``OSError``; what a nearly full disk took of one is no part of the next.

        It stays where it is: readers take a lease that has not grown for unchanged.
        """
        line = b"\n" + line if self._broken_off else line
        while line:
            written = os.write(self._file.descriptor, line)
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._file.path))
            line = line[written:]
            self._broken_off = bool(line)

    def close(self) -> None:
        """Remove what is unfinished and give the lease up."""
        remove_tree(self.staging)
        self._file.path.unlink(missing_ok=True)
        self._file.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinner:
    """Somebody who uses an entry."""

    lease: str
    owner: Owner | None

    def __str__(self) -> str:
        if self.owner is None:
            return f"an unknown process (lease {self.lease})"
        return f'pid {self.owner.pid} on {self.owner.host} "{self.owner.command}"'


class Pins:
    """Who uses what, by all leases.

    A lease counts for as long as it is there, even if its process is gone: that costs space, never an entry.
    """

    def __init__(self, layout: Layout) -> None:
        self._folder = layout.leases
        self._known: dict[str, tuple[int, frozenset[str], Pinner]] = {}
        self._pins: dict[str, tuple[Pinner, ...]] = {}

    def read(self) -> Mapping[str, tuple[Pinner, ...]]:
        """Every ``<kind>/<key>`` that is named now, and by whom; raises ``OSError`` where a lease is not readable."""
        try:
            names = sorted(os.listdir(self._folder))
        except FileNotFoundError:
            names = []
        known = {name: lease for name in names if (lease := self._read_one(name)) is not None}
        if known != self._known:
            self._known, self._pins = known, {}
            for _, entries, pinner in known.values():
                for entry in entries:
                    self._pins[entry] = (*self._pins.get(entry, ()), pinner)
        return self._pins

    def are_ours_alone(self) -> bool:
        """Whether no other process has a lease now; raises ``OSError`` as ``read`` does."""
        self.read()
        owners = [pinner.owner for _, _, pinner in self._known.values()]
        return all(owner is not None and owner.is_this_process for owner in owners)

    def _read_one(self, name: str) -> tuple[int, frozenset[str], Pinner] | None:
        """Read a lease; one that has not grown is as it was, since lines are only ever added."""
        try:
            with (self._folder / name).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                known = self._known.get(name)
                if known is not None and known[0] == size:
                    return known
                data = file.read()
        except FileNotFoundError:
            return None
        entries = frozenset(line.decode("ascii", "replace") for line in data.splitlines() if line[:1] != b"{")
        return len(data), entries, Pinner(lease=name, owner=Owner.decode(data))


def reap(layout: Layout, own: str = "") -> None:
    """Remove what processes left behind that are gone; leaves alone whatever is in doubt, and the lease ``own``."""
    try:
        leases = sorted(layout.leases.iterdir())
        folders = sorted(layout.staging.iterdir())
    except OSError:
        return
    for lease in leases:
        if lease.name != own:
            _reap_lease(layout, lease)
    for folder in folders:
        # A lease is made before its folder and goes after it, so a folder alone is nobody's.
        if not os.path.lexists(layout.leases / folder.name) and (_is_local(folder) or _is_old(folder)):
            remove_tree(folder)


def _reap_lease(layout: Layout, path: Path) -> None:
    # A lock that was granted may exclude nobody: who is seen to live is believed, and what another host left, over
    # a network, is given a week.
    owner = read_owner(path)
    presence = owner.presence if owner is not None else "unknown"
    if presence == "alive" or not (_is_local(path) or _is_old(path)):
        return
    try:
        file = LockFile.try_lock(path, create=False)  # its owner may have given it up this moment
    except OSError:
        return
    if file is None:
        return
    if file.native or presence == "gone" or (path.suffix == _DRAFT and _is_old(path)):
        remove_tree(layout.staging / path.name)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    file.close()


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", host_name())


def _is_local(path: Path) -> bool:
    return path.name.startswith(f"{_host()}-")


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _FOREIGN_AGE
    except OSError:
        return False


def fresh_lease_name() -> str:
    """Of a lease of this process; below ``tmp`` what is called so and has no such lease is anybody's to remove."""
    return f"{_host()}-{os.getpid()}-{fresh_name()}"


def fresh_name() -> str:
    """64 random bits: a pid alone is not unique among the containers that share a cache."""
    return os.urandom(8).hex()


def remove_tree(path: Path) -> None:
    """Delete ``path``, file or folder, read-only ones too; what resists is left to a later reaper."""
    import shutil

    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        with contextlib.suppress(OSError):  # nearly always everything was moved out of it
            path.rmdir()
            return
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError:
        _unlock_folders(path)
        shutil.rmtree(path, ignore_errors=True)


def _unlock_folders(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.chmod(0o700)
        with os.scandir(path) as entries:
            folders = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        for folder in folders:
            _unlock_folders(folder)
