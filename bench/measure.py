"""What one run of an installer took, or of several at once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 1800.0
_HELPER = Path(__file__).with_name("_measure.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Figures of the programs together; those of the processes that they started are in them."""

    seconds: float
    """From the first start to the last end."""
    cpu: float
    """User and system time."""
    memory: int
    """Bytes that the largest process had at its peak."""
    statuses: tuple[int, ...]
    """How each program ended; negative: by that signal."""
    said: tuple[str, ...]
    """Output and errors of each together."""


def measure(
    commands: Sequence[Sequence[str]],
    *,
    directory: Path,
    environment: Mapping[str, str],
    notes: Path,
    patience: float = _PATIENCE,
) -> Measured:
    """Run ``commands`` at once; the logs and the figures stay in the folder ``notes``.

    What takes longer than ``patience`` seconds is killed, and that is how it ended.
    """
    notes.mkdir(parents=True)
    job, report = notes / "job.json", notes / "report.json"
    logs = [notes / f"log{number}" for number in range(len(commands))]
    programs = [{"argv": [*argv], "log": str(log)} for argv, log in zip(commands, logs, strict=True)]
    job.write_text(json.dumps({"report": str(report), "programs": programs}), "utf-8")
    helper = [sys.executable, "-I", "-S", str(_HELPER), str(job)]
    process = subprocess.Popen(helper, cwd=directory, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        status = process.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        status = -signal.SIGKILL
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = tuple(log.read_text("utf-8", "replace") if log.exists() else "" for log in logs)
    if status != 0:
        return Measured(seconds=patience, cpu=0.0, memory=0, statuses=(status,) * len(logs), said=said)
    figures = json.loads(report.read_text("utf-8"))
    return Measured(
        seconds=figures["seconds"],
        cpu=figures["cpu"],
        memory=figures["memory"],
        statuses=tuple(figures["statuses"]),
        said=said,
    )
