"""Run some programs at once and write down what they took together.

``python -I -S _measure.py JOB``

A small process of its own: the peak memory of a new process begins with that of the one that started it, so a big
bench would be counted in. JOB is a JSON file, ``{"report": PATH, "programs": [{"argv": [...], "log": PATH}, ...]}``.
The report becomes ``{"seconds", "cpu", "memory", "statuses"}``: from the first start until the last program ended;
user and system time of all that came of them; bytes of the largest of these processes; each exit status, negative for a
signal. Runs without site-packages.
"""

import json
import os
import resource
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36


def main(job: str) -> None:
    """Run it."""
    with open(job, encoding="utf-8") as file:
        described = json.load(file)
    _adopt_orphans()
    began = time.monotonic()
    running = {_start(program["argv"], program["log"]): number for number, program in enumerate(described["programs"])}
    statuses = [0] * len(running)
    while running:
        ended, status = os.wait()
        if ended in running:  # else an orphan of one of them
            statuses[running.pop(ended)] = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - began
    _await_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "statuses": statuses,
    }
    with open(described["report"], "w", encoding="utf-8") as file:
        json.dump(measured, file)


def _start(argv: list[str], log: str) -> int:
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(argv[0], argv, os.environ, file_actions=streams)


def _adopt_orphans() -> None:
    """Become the parent of what a program leaves behind, so that it is counted, and over before the next run."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _await_orphans() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(sys.argv[1])
