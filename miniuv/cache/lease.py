"""A process's sign in the cache: it lives, and these are the entries it uses.

The lease file is locked for life. Whoever can lock a lease knows that its process is gone, and may remove what
that one left in ``tmp``. Nobody ever waits for a lease.
"""

import contextlib
import os
import re
import stat
import threading
import time
from pathlib import Path

from miniuv.cache.layout import Layout
from miniuv.cache.locks import LockFile
from miniuv.cache.owner import host_name
from miniuv.errors import CacheError

_FOREIGN_AGE = 7 * 24 * 3600.0
_ATTEMPTS = 100


class Lease:
    """Ours: open for as long as the store is."""

    def __init__(self, layout: Layout, file: LockFile) -> None:
        self.name = file.path.name
        self.staging = layout.staging / file.path.name
        """Our own folder for everything unfinished, made when needed: a full disk can still be read."""
        self._file = file
        self._pins: set[str] = set()
        self._guard = threading.Lock()

    @classmethod
    def open(cls, layout: Layout) -> "Lease":
        """Make and lock a new lease; raises ``OSError``."""
        for _ in range(_ATTEMPTS):
            name = f"{_host()}-{os.getpid()}-{fresh_name()}"
            layout.leases.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A reaper may be quicker than our own lock and take the new file for a dead one: then another name.
            file = LockFile.try_lock(layout.leases / name)
            if file is not None:
                return cls(layout, file)
        raise CacheError("cannot make a lease", where=str(layout.leases))

    def pin(self, entry: str) -> None:
        """Say that we use ``entry``: from now on no garbage collection takes it."""
        with self._guard:
            if entry in self._pins:
                return
            self._pins.add(entry)
            # On a full disk a reader goes on unpinned: losing an entry to a collection is a miss, not a fault.
            with contextlib.suppress(OSError):
                os.write(self._file.descriptor, f"{entry}\n".encode())

    def close(self) -> None:
        """Remove what is unfinished and give the lease up."""
        remove_tree(self.staging)
        self._file.path.unlink(missing_ok=True)
        self._file.close()


def reap(layout: Layout, own: Lease) -> None:
    """Remove what processes left behind that are gone; leaves alone whatever is in doubt."""
    try:
        leases = sorted(layout.leases.iterdir())
        folders = sorted(layout.staging.iterdir())
    except OSError:
        return
    for lease in leases:
        if lease.name != own.name:
            _reap_lease(layout, lease)
    known = {lease.name for lease in leases}
    for folder in folders:
        if folder.name not in known and _is_old(folder):
            remove_tree(folder)


def _reap_lease(layout: Layout, path: Path) -> None:
    # A lock that was granted over a network may exclude nobody, so what another host left is given a week.
    if not path.name.startswith(f"{_host()}-") and not _is_old(path):
        return
    try:
        file = LockFile.try_lock(path)
    except OSError:
        return
    if file is None:
        return
    if file.native:
        remove_tree(layout.staging / path.name)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    file.close()


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", host_name())


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _FOREIGN_AGE
    except OSError:
        return False


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
