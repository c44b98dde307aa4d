"""Run one program and write down what it took.

``python -I -S _measure.py REPORT LOG PROGRAM ARGUMENT...``

A small process of its own: the peak memory of a new process begins with that of the one that started it, so a big
bench would be counted in. REPORT becomes ``{"seconds", "cpu", "memory", "status"}``: until the program ended; user and
system time of it and all that came of it; bytes of the largest of these processes; exit status, negative for a signal.
Runs without site-packages.
"""

import json
import os
import resource
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36


def main(arguments: list[str]) -> None:
    """Run it."""
    report, log, *argv = arguments
    _adopt_orphans()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    streams = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_DUP2, output, 2),
    ]
    began = time.monotonic()
    program = os.posix_spawn(argv[0], argv, os.environ, file_actions=streams)
    _, status = os.waitpid(program, 0)
    seconds = time.monotonic() - began
    _await_orphans()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "status": os.waitstatus_to_exitcode(status),
    }
    with open(report, "w", encoding="utf-8") as file:
        json.dump(measured, file)


def _adopt_orphans() -> None:
    """Become the parent of what the program leaves behind, so that it is counted, and over before the next run."""
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
    main(sys.argv[1:])
