"""The sign of life in every lock that this process holds."""

import threading
from collections.abc import Callable

INTERVAL = 2.0


class Heartbeat:
    """One daemon thread that calls every registered beat each ``INTERVAL`` seconds; it starts with the first one."""

    def __init__(self) -> None:
        self._beats: list[Callable[[], None]] = []
        self._guard = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, beat: Callable[[], None]) -> None:
        """Call ``beat`` from now on; it must not raise."""
        with self._guard:
            self._beats.append(beat)
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="miniuv-heartbeat", daemon=True)
                self._thread.start()

    def remove(self, beat: Callable[[], None]) -> None:
        """Call ``beat`` no more; one call may still be under way."""
        with self._guard:
            if beat in self._beats:
                self._beats.remove(beat)

    def close(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=INTERVAL)

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            with self._guard:
                beats = tuple(self._beats)
            for beat in beats:
                beat()
