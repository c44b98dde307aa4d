"""Other processes for tests of what several do at once: real ones, told step by step."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from miniuv.reporter import Reporter, WaitNotice

T = TypeVar("T")

_PATIENCE = 60.0
"""A test that hangs ends after so many seconds, and fails."""

_PRELUDE = """
import sys
def say(line):
    print(line, flush=True)
def hear():
    if not sys.stdin.readline():
        raise SystemExit("nobody is there any more")
"""


class OtherProcess:
    """A Python process that runs ``code``, which may ``say("word")`` and ``hear()`` the next ``tell``."""

    def __init__(self, code: str, *arguments: object, environ: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PRELUDE + textwrap.dedent(code), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        self._watchdog = threading.Timer(_PATIENCE, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> str:
        """The next line that the process says; fails with its stderr where there is none."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(f"the other process ended early:\n{self._process.stderr.read()}")
        return line.rstrip("\n")

    def expect(self, line: str) -> None:
        assert self.line() == line

    def tell(self) -> None:
        """Let the process go on from its ``hear``."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """SIGSTOP, and wait until it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def end(self) -> list[str]:
        """Wait for a good end; what was said and not heard yet."""
        said, complaints = self._process.communicate()
        assert self._process.returncode == 0, f"ended with {self._process.returncode}:\n{complaints}"
        return said.splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()


class RecordingReporter(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notices: list[WaitNotice] = []
        self.warnings: list[str] = []
        self.told = threading.Event()

    def waiting(self, notice: WaitNotice) -> None:
        self.notices.append(notice)
        self.told.set()

    def warning(self, message: str, *, hint: str | None = None) -> None:
        self.warnings.append(message)


def read_lock_log(path: Path) -> list[dict[str, object]]:
    """The events of ``MINIUV_LOCK_LOG``, in the order of the file; a line that is just being written is left out."""
    import json

    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


def until(condition: Callable[[], T | None]) -> T:
    """What ``condition`` gives as soon as that is something; for what can only be looked at, not waited for."""
    pause = threading.Event()
    deadline = time.monotonic() + _PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never came"
        pause.wait(0.005)
    return found
