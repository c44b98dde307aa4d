"""Locks over a network: where one that is only tried may all the same never return.

The first on each such file system is tried under a watchdog; where that does not answer, there are no locks.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

PATIENCE = 10.0
"""Seconds for the first lock on a file system."""

_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"}
)
_MOUNTS = Path("/proc/self/mountinfo")

_guard = threading.Lock()
_answers: dict[int, bool] = {}
"""Devices, and whether their locks return. Only what is remote is asked with care."""


def returns(device: int, lock: Callable[[], object]) -> bool:
    """Whether locks on the file system ``device`` return, found out by ``lock`` where that is not known yet."""
    with _guard:
        known = _answers.get(device)
    if known is None:
        known = not is_remote(device) or _ends(lock)
        with _guard:
            _answers[device] = known
    return known


def is_remote(device: int) -> bool:
    """Whether ``device`` is a file system over a network; as far as anybody can tell, where there is no ``/proc``."""
    if os.major(device):
        return False  # a disk of this machine
    kind = kind_of(device)
    return kind in _REMOTE or kind.partition(".")[0] in ("fuse", "fuseblk")


def kind_of(device: int) -> str:
    """The kind of the file system ``device``, such as ``ext4``; empty where that cannot be told."""
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return kinds(mounts).get(f"{os.major(device)}:{os.minor(device)}", "")


def kinds(mounts: str) -> dict[str, str]:
    """The kind of each file system in the text of proc(5)'s ``mountinfo``, by ``major:minor``."""
    found = {}
    for line in mounts.splitlines():
        place, dash, source = line.partition(" - ")
        words = place.split(" ")
        if dash and len(words) > 2:
            found[words[2]] = source.partition(" ")[0]
    return found


def _ends(lock: Callable[[], object]) -> bool:
    ended = threading.Event()

    def run() -> None:
        with contextlib.suppress(OSError):  # which is an answer too
            lock()
        ended.set()

    threading.Thread(target=run, name="miniuv-first-lock", daemon=True).start()
    return ended.wait(PATIENCE)
