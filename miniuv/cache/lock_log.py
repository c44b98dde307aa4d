"""Every step of every lock, as JSON lines, for tests that check the rules over all processes."""

import json
import os
import threading
import time
from collections.abc import Mapping

VARIABLE = "MINIUV_LOCK_LOG"


class LockLog:
    """Appends one line for each event; does nothing without a path. Several processes share one file."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "LockLog":
        """The log that ``MINIUV_LOCK_LOG`` names."""
        return cls(environ.get(VARIABLE) or None)

    def tell(self, event: str, **facts: object) -> None:
        """Write ``event``: ``try``, ``acquire``, ``busy``, ``release``, ``wait``, ``look``, ``run``, ``done``.

        Of leads: ``lead``, ``stand-back``.
        """
        if self._path is None:
            return
        line = {
            "time": time.monotonic(),
            "pid": os.getpid(),
            "thread": threading.get_ident(),
            "event": event,
            **facts,
        }
        try:
            if self._descriptor is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
                self._descriptor = os.open(self._path, flags, 0o600)
            os.write(self._descriptor, json.dumps(line).encode() + b"\n")
        except OSError:
            self._path = None
