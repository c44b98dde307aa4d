"""Commands that are killed before a chosen change of a folder, or see it fail (``crash_points.c``)."""

import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_PATIENCE = 240.0
NUMBERS = struct.Struct("=5q")
"""What the library and the command share: changes so far, the one to kill before, whom, whether to count, an error."""
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Crash:
    """How a command ended that was to be killed."""

    code: int
    """-9: it was killed."""
    err: str
    changes: tuple[str, ...]
    """``kind path`` of each change up to the end, paths relative to the folder."""


def watched(library: Path, *, numbers: Path, below: Path) -> dict[str, str]:
    """The variables of a command whose changes ``below`` a folder are counted in the file ``numbers``."""
    return {"LD_PRELOAD": str(library), "CRASH_FILE": str(numbers), "CRASH_BELOW": str(below)}


class CrashingCommands:
    """Runs commands that change one folder, each forked from a process that has everything imported."""

    def __init__(self, *, library: Path, below: Path, folder: Path, scratch: Path) -> None:
        self._folder = folder
        self._log, self._complaints = scratch / "changes", scratch / "complaints"
        numbers = scratch / "numbers"
        numbers.write_bytes(bytes(NUMBERS.size))
        self.environ = {**watched(library, numbers=numbers, below=below), "CRASH_LOG": str(self._log)}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.crash_server"],
            cwd=_ROOT,
            env={**os.environ, **self.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        chosen: int = 0,
        whole: bool = True,
        error: int = 0,
    ) -> Crash:
        """Run ``miniuv arguments``, killed before change number ``chosen`` (0: not at all).

        ``whole`` kills miniuv along with whatever child is about to make the change; else the child alone.
        With an ``error`` nothing is killed: that change fails, and all later ones that need space; with a negative
        one it fails alone.
        """
        self._log.write_bytes(b"")
        self._complaints.write_bytes(b"")
        asked = {
            "folder": str(self._folder),
            "arguments": list(arguments),
            "environ": {**environ, **self.environ},
            "chosen": chosen,
            "whole": whole,
            "error": error,
            "complaints": str(self._complaints),
        }
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        watchdog = threading.Timer(_PATIENCE, self._server.kill)
        watchdog.start()
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        watchdog.cancel()
        assert answer, "the command did not end in time"
        lines = self._log.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return Crash(
            code=int(answer),
            err=self._complaints.read_text(encoding="utf-8"),
            changes=tuple(line.partition(" ")[2] for line in lines),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for pipe in (self._server.stdin, self._server.stdout):
            if pipe is not None:
                pipe.close()
        self._server.kill()
        self._server.wait()
