"""Whether locks exclude: asked of a second process, for a file system may say yes to everybody."""

import sys
from collections.abc import Iterator
from pathlib import Path

from miniuv.cache.lock_file import LockFile
from miniuv.doctor.findings import Finding, note, wrong
from miniuv.process import Runner

_SCRIPT = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("busy")
else:
    print("free")
"""
_TIMEOUT = 30.0
_LOCAL = "use a folder on a local disk"


def excludes(path: Path, runner: Runner, *, what: str) -> Iterator[Finding]:
    """Lock the file at ``path``, which is there, and let another process try the same, with and without our lock."""
    file = LockFile.try_lock(path, create=False)
    if file is None:
        yield note(f"the lock {what} is held by somebody, so it was not tested")
        return
    try:
        if not file.native:
            yield wrong(
                f"there are no locks for `{path}`: work may be done twice by processes that run at once", _LOCAL
            )
            return
        while_held = _asked(path, runner)
    finally:
        file.close()
    afterwards = _asked(path, runner)
    if while_held == "free":
        yield wrong(f"the lock {what} excludes nobody: a second process got it too", _LOCAL)
    elif while_held != "busy" or afterwards not in ("free", "busy"):  # somebody else may have come
        yield wrong(f"a second process could not try the lock {what}: {while_held or afterwards}", "`-v` tells more")
    else:
        yield Finding(text=f"the lock {what} excludes a second process, and is free again afterwards")


def _asked(path: Path, runner: Runner) -> str:
    try:
        completed = runner.run([sys.executable, "-I", "-S", "-c", _SCRIPT, str(path)], timeout=_TIMEOUT)
    except (OSError, TimeoutError) as error:
        return str(error)
    said = completed.stdout.decode("ascii", "replace").strip()
    return said or (completed.stderr.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
