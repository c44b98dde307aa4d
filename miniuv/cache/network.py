"""Locks over a network: where one that is only tried may all the same never return.

The first on each such file system is tried under a watchdog; where that does not answer, there are no locks.
"""

import contextlib
import threading
from collections.abc import Callable

from miniuv.cache.mounts import is_remote

PATIENCE = 10.0
"""Seconds for the first lock on a file system."""

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


def _ends(lock: Callable[[], object]) -> bool:
    ended = threading.Event()

    def run() -> None:
        with contextlib.suppress(OSError):  # which is an answer too
            lock()
        ended.set()

    threading.Thread(target=run, name="miniuv-first-lock", daemon=True).start()
    return ended.wait(PATIENCE)
