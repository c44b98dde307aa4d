"""Forks commands from a process that has everything imported; the other end of ``crash_points.py``."""

import ctypes
import importlib
import io
import json
import mmap
import os
import pkgutil
import struct
import sys

import miniuv
from miniuv.cli.entry import run
from tests.support.crash_points import NUMBERS

_LAZY = (
    "build",
    "filelock",
    "httpx",
    "msgspec",
    "packaging.metadata",
    "resolvelib",
    "rich.console",
)
_COUNTING = 24
"""Where in the shared file it says whether to count."""
_SUBREAPER = 36
"""``PR_SET_CHILD_SUBREAPER``: the orphans of our children become ours."""


def _import_everything() -> None:
    for name in _LAZY:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(miniuv.__path__, "miniuv."):
        if not module.name.rpartition(".")[2].startswith("_"):
            importlib.import_module(module.name)


def _run(asked: "dict[str, object]", numbers: mmap.mmap) -> int:
    os.chdir(str(asked["folder"]))
    victim = os.getpid() if asked["whole"] else 0
    numbers[:] = NUMBERS.pack(0, asked["chosen"], victim, 1, asked["error"])
    arguments, environ, err = asked["arguments"], asked["environ"], io.StringIO()
    assert isinstance(arguments, list)
    assert isinstance(environ, dict)
    code = run(arguments, environ=environ, stdout=io.StringIO(), stderr=err)
    with open(str(asked["complaints"]), "w", encoding="utf-8") as file:
        file.write(err.getvalue())
    return code


def main() -> None:
    """Read requests, a line of JSON each; answer each with an exit code once nothing runs any more."""
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    _import_everything()
    with open(os.environ["CRASH_FILE"], "r+b") as file:
        numbers = mmap.mmap(file.fileno(), 0)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_run(json.loads(line), numbers))
        _, status = os.waitpid(child, 0)
        numbers[_COUNTING : _COUNTING + 8] = struct.pack("=q", 0)
        while True:  # git or a backend may have lost its parent: it comes to its own end
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
