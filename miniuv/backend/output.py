"""What a backend prints: kept in a log, bounded, without credentials, the last lines at hand."""

import os
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from miniuv.models.url import redact

_LOG_LIMIT = 8 << 20
_LINE_LIMIT = 8192
_KEPT_LINES = 40
_SHOWN_LENGTH = 300
_KEPT_ERRORS = 3
_ERROR = re.compile(rb"\berror:", re.IGNORECASE)
_ECHO = re.compile(rb"error: command .+ failed", re.IGNORECASE)
"""What a backend says of a compiler that has told before what is wrong."""
_PROGRESS_INTERVAL = 0.1
_REST = 0.02
"""Seconds between two looks at a pipe that little comes out of: else each line wakes us, one at a time."""
_MUCH = 4096
_PIPE_LIMIT = 1 << 20
"""No pipe holds more: what was printed before the hook ended is within this."""


class HookLog:
    """The log of one build; every hook of it is appended.

    The backend writes into a pipe, never into the file: a backend that prints a gigabyte leaves the first
    eight megabytes and the last lines, and is never blocked.
    """

    def __init__(self, path: Path, *, limit: int = _LOG_LIMIT) -> None:
        self.path = path
        self._room = limit
        self._last: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._errors: list[tuple[int, bytes]] = []
        """The first ones, each with how many lines came before it."""
        self._count = 0

    def excerpt(self, count: int) -> tuple[str, ...]:
        """The lines of the hook that ran last that say most: its last ``count``, from the start of a traceback.

        Where they tell of no error, the first lines that did so come before them. A long line is cut.
        """
        kept = list(self._last)
        start = _start(kept, max(len(kept) - count, 0))
        shown = kept[start:]
        before = self._count - len(shown)
        errors = [line for position, line in self._errors if position < before]
        if errors and not any(b"error" in _ECHO.sub(b"", line).lower() for line in shown):
            shown = [*errors, b"...", *shown]
        lines = map(_shown, shown)
        return tuple(line if len(line) <= _SHOWN_LENGTH else f"{line[: _SHOWN_LENGTH - 1]}…" for line in lines)

    @contextmanager
    def listen(self, hook: str, on_line: Callable[[str], None]) -> Iterator[IO[bytes]]:
        """Give a file for the output of ``hook``; ``on_line`` hears a line now and then, from another thread."""
        self._last.clear()
        self._errors.clear()
        self._count = 0
        reading, writing = os.pipe()
        over = threading.Event()
        listener = threading.Thread(target=self._drain, args=(reading, hook, on_line, over), daemon=True)
        listener.start()
        try:
            with os.fdopen(writing, "wb") as output:
                yield output
        finally:
            over.set()
            listener.join()

    def _drain(self, reading: int, hook: str, on_line: Callable[[str], None], over: threading.Event) -> None:
        try:
            self._copy(reading, hook, on_line, over)
        finally:
            os.close(reading)  # a backend that nobody listens to any more gets an error, it does not hang

    def _copy(self, reading: int, hook: str, on_line: Callable[[str], None], over: threading.Event) -> None:
        left_out = 0
        told = 0.0
        with _Sink(self.path) as sink:
            self._write(sink, f"# {hook}".encode())
            for line in _lines(reading, over):
                self._last.append(line)
                if len(self._errors) < _KEPT_ERRORS and _ERROR.search(line):
                    self._errors.append((self._count, line))
                self._count += 1
                if not self._write(sink, line):
                    left_out += len(line) + 1
                if line.strip() and time.monotonic() - told >= _PROGRESS_INTERVAL:
                    told = time.monotonic()
                    on_line(_shown(line).strip())
            if left_out:
                sink.write(f"# {left_out} bytes are left out here; the last lines were:".encode())
                for line in self._last:
                    sink.write(_shown(line).encode())

    def _write(self, sink: "_Sink", line: bytes) -> bool:
        if self._room <= 0:
            return False
        self._room -= len(line) + 1
        sink.write(_shown(line).encode())
        return True


class _Sink:
    """The log file. A full disk ends the log, not the build: that will find out by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "_Sink":
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError:
            self._file = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line + b"\n")
        except OSError:
            self._file.close()
            self._file = None


def _lines(reading: int, over: threading.Event) -> Iterator[bytes]:
    """Yield lines until everybody has closed the other end, or the hook has ended and nothing is left to read.

    A daemon that a backend leaves behind may keep the other end open, and print, for ever.
    """
    poll = select.poll()
    poll.register(reading, select.POLLIN | select.POLLHUP)
    pending = b""
    rest = _PIPE_LIMIT
    while rest > 0:
        ended = over.is_set()
        if not poll.poll(0 if ended else 100):
            if ended:
                break
            continue
        chunk = os.read(reading, 65536)
        if not chunk:
            break
        rest -= len(chunk) if ended else 0
        *lines, pending = (pending + chunk).split(b"\n")
        yield from (line.rstrip(b"\r")[:_LINE_LIMIT] for line in lines)
        if len(pending) > _LINE_LIMIT:
            yield pending[:_LINE_LIMIT]
            pending = b""
        if len(chunk) < _MUCH:
            over.wait(_REST)
    if pending:
        yield pending[:_LINE_LIMIT]


def _start(lines: Sequence[bytes], start: int) -> int:
    """Where an excerpt begins: at the head of the traceback that ``start`` is in the midst of."""
    for position in range(start, -1, -1):
        if lines[position : position + 1] and lines[position].startswith(b"Traceback "):
            return position
        if position < start and not lines[position].startswith(b" "):
            return start
    return start


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return redact(text) if "@" in text or "=" in text else text
