"""One command goes ahead, and those that ask the very same at the same time stand back until it has an answer.

Work that is done once can be split, but what leads to it cannot: imports, the resolution, the start of hook runners.
So commands with the same question leave all of it to one of them, and find what it has published.

A lead is no lock: it belongs to a command and binds none of its threads, and nothing rests on it. Whoever stands back
holds nothing and waits once, for one command that itself never stands back as long as it leads; so no ring of waits
can close. It ends with the lead, with its process, and where that shows no sign of life.
"""

import threading
import time
from functools import partial

from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import Announcement, LockManager
from miniuv.cache.waits import STALLED_AFTER, ExplainedWait, StallWatch
from miniuv.errors import CacheError
from miniuv.reporter import Reporter

_LONGEST_STEP = 0.05
"""Seconds between two looks: there is one who waits in a process, and nothing else for it to do."""


class Lead:
    """That of one command: one question at a time."""

    def __init__(
        self, *, locks: LockManager, reporter: Reporter, lock_wait: float | None, stalled_after: float = STALLED_AFTER
    ) -> None:
        self._locks = locks
        self._reporter = reporter
        self._patience = lock_wait
        self._stalled_after = stalled_after
        self._ours: Announcement | None = None

    def take(self, subject: str, *, title: str) -> bool:
        """Go ahead with the question ``subject``, or stand back until another command is done with it.

        ``True``: we go ahead, and may find that others have just been there. ``False``: another has been ahead; the
        answer is there, or it is given by everybody for himself. Raises ``LockOrderError`` where this thread holds a
        lock. Where the cache takes no lock everybody goes ahead.
        """
        self._locks.check_free(f"the answer to {title}")
        self.give_back()
        key = LockKey.question(subject)
        try:
            ours = self._locks.announce(key, step=title)
        except CacheError:
            return True
        if ours is None:
            self._locks.log.tell("stand-back", rank=key.rank, name=key.name)
            self._stand_back(key, title)
            return False
        self._locks.log.tell("lead", rank=key.rank, name=key.name)
        self._ours = ours
        return True

    def show_life(self) -> None:
        """Give signs of life while we are ahead: it takes a thread, and beside one nobody can fork."""
        if self._ours is not None:
            self._ours.show_life()

    def give_back(self) -> None:
        """Let those go on who stand back; a second call does nothing."""
        ours, self._ours = self._ours, None
        if ours is not None:
            ours.release()

    def _stand_back(self, key: LockKey, title: str) -> None:
        began = time.monotonic()
        watch = StallWatch(patience=self._stalled_after)
        with ExplainedWait(
            subject=title,
            reporter=self._reporter,
            limit=None,
            wake=threading.Event(),
            journal=self._locks.journal,
            longest=_LONGEST_STEP,
        ) as wait:
            while self._locks.is_busy(key):
                if watch.is_stalled(self._locks.sign_of_life(key)):
                    holder = self._locks.holder(key) or "its holder"
                    self._reporter.note(f"{title} is not waited for any longer: no sign of life from {holder}")
                    return
                if self._patience is not None and time.monotonic() - began >= self._patience:
                    return
                wait.pause(partial(self._locks.holder, key), self._locks.path(key))
