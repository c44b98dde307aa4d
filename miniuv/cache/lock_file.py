"""One lock file: ``flock``, where the file system has it, and what takes its place where there is none."""

import contextlib
import errno
import os
import stat
from functools import partial
from pathlib import Path
from typing import Self

from miniuv.cache import flock, network

_UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
_REOPENINGS = 100


class LockFile:
    """One open lock file of ours: the primitive that all locks and leases are made of."""

    def __init__(self, path: Path, descriptor: int, *, native: bool) -> None:
        self.path = path
        self.descriptor = descriptor
        self.native = native
        """``False`` where the file system has no locks and we only pretend."""

    @classmethod
    def try_lock(cls, path: Path, *, mode: int = 0o600, exact_mode: bool = False, create: bool = True) -> "Self | None":
        """Open ``path`` and take its lock at once; ``None`` when somebody has it. Raises ``OSError``.

        ``create`` makes the file where it is missing.
        """
        for _ in range(_REOPENINGS):
            descriptor = _open(path, mode, exact_mode=exact_mode, create=create)
            try:
                if not _lock(descriptor):
                    os.close(descriptor)
                    return None
                if _is_still(path, descriptor):
                    return cls(path, descriptor, native=True)
            except OSError as error:
                if error.errno in _UNSUPPORTED:
                    return cls(path, descriptor, native=False)
                os.close(descriptor)
                raise
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # somebody deleted the cache, and this was a lock on a file without a name
        raise OSError(errno.ESTALE, "the lock file is replaced again and again", str(path))

    @classmethod
    def pretend(cls) -> Self:
        """A lock on nothing, for work that is only done twice without one."""
        return cls(Path(os.devnull), os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC), native=False)

    @property
    def is_recorded(self) -> bool:
        """Whether its content says who holds it."""
        return self.native

    def close(self) -> None:
        """Give the lock back, also where a forked child still has the descriptor."""
        if self.native:
            with contextlib.suppress(OSError):
                flock.unlock_descriptor(self.descriptor)
        os.close(self.descriptor)


def _lock(descriptor: int) -> bool:
    device = os.fstat(descriptor).st_dev
    if not network.returns(device, partial(_try_apart, descriptor)):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    return flock.lock_descriptor(descriptor, blocking=False)


def _try_apart(descriptor: int) -> None:
    """Lock and unlock a duplicate: whenever that returns, it means nothing to anybody else."""
    apart = os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_CLOEXEC)
    try:
        if flock.lock_descriptor(apart, blocking=False):
            flock.unlock_descriptor(apart)
    finally:
        os.close(apart)


def _open(path: Path, mode: int, *, exact_mode: bool, create: bool) -> int:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        if not create:
            raise
    descriptor = os.open(path, flags | os.O_CREAT, mode)
    if exact_mode and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, mode)  # whatever the umask: all who may write the environment may lock it
    return descriptor


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))
