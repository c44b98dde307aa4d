"""What one run of an installer took."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 1800.0
_HELPER = Path(__file__).with_name("_measure.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Figures of one run; those of the processes that it started are in it."""

    seconds: float
    cpu: float
    """User and system time."""
    memory: int
    """Bytes that the largest process had at its peak."""
    status: int
    """How the program ended; negative: by that signal."""
    said: str
    """Output and errors together."""


def measure(argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], notes: Path) -> Measured:
    """Run ``argv``; the log and the figures stay in the folder ``notes``."""
    notes.mkdir(parents=True)
    report, log = notes / "report.json", notes / "log"
    helper = [sys.executable, "-I", "-S", str(_HELPER), str(report), str(log), *argv]
    subprocess.run(helper, cwd=directory, env=environment, stdin=subprocess.DEVNULL, check=True, timeout=_PATIENCE)
    return Measured(**json.loads(report.read_text("utf-8")), said=log.read_text("utf-8", "replace"))
