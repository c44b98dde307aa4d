"""Failures that would come again: whoever runs at the same time is told, and does not try the same for himself.

Only those that the input alone explains: a backend that fails, metadata that makes no sense, a wrong hash. Never the
network, the disk, memory, or a signal. A command that is started later always tries again.
"""

import contextlib
import os
import time
from pathlib import Path

from miniuv import errors
from miniuv.cache.boot import boot_id
from miniuv.cache.store import Store
from miniuv.cache.tree_state import tree_state
from miniuv.errors import CacheError, MiniuvError
from miniuv.models.url import redact

_LIFE = 60.0


class Failures:
    """Of this run and of those beside it, through the records of the cache.

    Times are the kernel's own, which all processes of one boot share: a clock that jumps changes nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = time.monotonic()

    def tree_state(self, tree: Path) -> str | None:
        """What to give to ``record``, taken before the work begins; ``None`` where nobody is there to be told."""
        return tree_state(tree) if self._store.has_company() else None

    def find(self, action: str, *, asked: float = 0.0, tree: Path | None = None) -> MiniuvError | None:
        """What ``record`` kept for ``action``, if it came about since our run began.

        ``tree``: where the input is a folder that may have been mended meanwhile, only work counts that began after
        we had ``asked``; or after our run began, with the folder as it is now.
        """
        record = self._store.read_record(action) or {}
        began, failed = record.get("began"), record.get("failed")
        if record.get("boot") != boot_id() or not isinstance(began, float) or not isinstance(failed, float):
            return None
        if not self._began <= failed <= time.monotonic() <= failed + _LIFE:
            return None
        if tree is not None and began < asked:
            state = record.get("tree")
            if began < self._began or not isinstance(state, str) or state != tree_state(tree):
                return None
        return _restored(record)

    def record(self, action: str, error: MiniuvError, *, began: float, tree: str | None = None) -> None:
        """Tell the others of ``error``, if it is one that would come again; ``tree`` is the folder's state before."""
        if not _would_come_again(error):
            return
        name = next(base.__name__ for base in type(error).__mro__ if base.__module__ == errors.__name__)
        record: dict[str, object] = {
            "error": name,
            **{part: text and redact(text) for part, text in _parts(error).items()},
            "boot": boot_id(),
            "began": began,
            "failed": time.monotonic(),
            "pid": os.getpid(),
            "tree": tree,
        }
        with contextlib.suppress(CacheError):  # then everybody finds out for himself
            self._store.write_record(action, record)


def _would_come_again(error: MiniuvError) -> bool:
    return error.deterministic and not isinstance(error.__cause__, OSError | MemoryError)


def _parts(error: MiniuvError) -> dict[str, str | None]:
    return {"message": error.message, "where": error.where, "hint": error.hint}


def _restored(record: dict[str, object]) -> MiniuvError | None:
    kind = getattr(errors, str(record.get("error")), None)
    if not (isinstance(kind, type) and issubclass(kind, MiniuvError) and kind.deterministic):
        return None
    match record:
        case {"message": str(message), "where": str() | None as where, "hint": str() | None as hint}:
            return kind(message, where=where, hint=hint)
        case _:
            return None
