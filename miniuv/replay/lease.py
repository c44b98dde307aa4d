"""Our sign in the cache for as long as a replay takes, and in the environment: see ``cache.lease`` and ``cache.owner``.

The files are those, for other processes read them; this makes them without what takes longer to import than to do.
"""

from __future__ import annotations

import fcntl
import os
import time

from miniuv.cache.boot import boot_id
from miniuv.cache.mounts import is_remote
from miniuv.cache.owner_form import encode
from miniuv.cache.proc import host_name, pid_namespace, start_ticks
from miniuv.replay.target import DoubtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class Held:
    """A file of ours, locked; to be used in a ``with`` block."""

    def __init__(self, path: str, *, mode: int, new: bool) -> None:
        """Lock ``path``, made where it is missing or ``new``; raises ``OSError`` or ``ValueError`` where that fails."""
        self.path = path
        self._is_ours = new
        try:
            self.descriptor = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, mode)
            os.fchmod(self.descriptor, mode)  # whatever the umask: all who may write the environment may lock it
        except FileExistsError:
            if new:
                raise
            self.descriptor = os.open(path, _FLAGS)
        try:
            facts = os.fstat(self.descriptor)
            if is_remote(facts.st_dev):
                raise DoubtError("locks over a network may never return")
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.lstat(path).st_ino != facts.st_ino:
                raise DoubtError("replaced meanwhile")
        except BaseException:
            os.close(self.descriptor)
            raise

    def tell(self, content: bytes) -> None:
        """Replace the content."""
        os.pwrite(self.descriptor, content, 0)
        os.ftruncate(self.descriptor, len(content))

    def rename(self, path: str) -> None:
        """Give it another name."""
        os.rename(self.path, path)
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours:
            os.unlink(self.path)
        else:
            os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)


def owner_record(command: str, step: str) -> bytes:
    """What we say of ourselves: we are about to do ``step``."""
    pid = os.getpid()
    return encode(
        pid=pid,
        host=host_name(),
        boot=boot_id(),
        namespace=pid_namespace(),
        ticks=start_ticks(pid) or 0,
        command=command,
        step=step,
        since=time.time(),
        beat=0,
    )


def take_lease(versioned: str, *, command: str, pins: Sequence[str]) -> Held:
    """Make a lease that names the entries ``pins``: no garbage collection takes them while it is there."""
    host = "".join(c if c.isascii() and (c.isalnum() or c == ".") else "_" for c in host_name())
    name = f"{host}-{os.getpid()}-{os.urandom(8).hex()}"
    lease = Held(f"{versioned}/leases/{name}.new", mode=0o600, new=True)
    try:
        lease.tell(owner_record(command, "") + "".join(f"{pin}\n" for pin in pins).encode("ascii"))
        lease.rename(f"{versioned}/leases/{name}")
    except BaseException:
        lease.__exit__()
        raise
    return lease
