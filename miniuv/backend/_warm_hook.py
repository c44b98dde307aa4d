"""What the child of a warm runner does: everything that a start of Python would do, but for the start.

Run by ``_warm_runner.py``. Standard library only, Python 3.9 and newer.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib.machinery
import io
import json
import os
import signal
import sys
import threading
import types
from typing import Any, NoReturn

_WRITERS = (io.BufferedRandom, io.BufferedWriter, io.TextIOWrapper)


def become(request: dict[str, Any], script: types.CodeType, output: int, preloaded: frozenset[Any]) -> NoReturn:
    """Run ``script`` as ``__main__``, and end. ``preloaded`` is what ``present`` has given before the fork."""
    status = 1
    try:
        _take_over(request, output)
        trace, report = request["trace"] or (None, "")
        if trace:
            trace.start(report)
        status = _execute(script, request["command"][0])
        status = _finalize(status)
        if trace:
            trace.finish()
        if status == 0:
            _report(request["report"], preloaded)
        if status < 0:
            signal.signal(-status, signal.SIG_DFL)
            os.kill(os.getpid(), -status)
    finally:
        os._exit(status)


def _take_over(request: dict[str, Any], output: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((null, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    os.close(null)
    os.close(output)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(request["environ"])
    os.chdir(request["cwd"])
    command = request["command"]
    sys.argv[:] = command
    sys.orig_argv = [sys.executable, *command]
    sys.path.insert(0, os.path.dirname(command[0]))
    _forget()


def _forget() -> None:
    """Drop what modules of the standard library have kept of where they were imported."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()


def _execute(script: types.CodeType, path: str) -> int:
    main: Any = types.ModuleType("__main__")
    main.__file__ = path
    main.__builtins__ = builtins
    main.__loader__ = importlib.machinery.SourceFileLoader("__main__", path)
    main.__cached__ = None
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    sys.modules["__main__"] = main
    try:
        exec(script, main.__dict__)  # noqa: S102  # as Python does with a script
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:  # noqa: BLE001  # as Python does with what nobody has caught
        trace = error.__traceback__ and error.__traceback__.tb_next  # without our own frame
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _finalize(status: int) -> int:
    """Do what Python does at its end and others can see: threads, exit handlers, files that are still open."""
    shutdown: Any = vars(threading)["_shutdown"]
    shutdown()
    atexit._run_exitfuncs()
    gc.collect()
    closer = getattr(sys.modules.get("tempfile"), "_TemporaryFileCloser", None)
    for thing in gc.get_objects():
        try:
            if type(thing) is closer:
                thing.close()
            elif type(thing) in _WRITERS and not thing.closed:
                thing.flush()
        except (OSError, ValueError):
            continue
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:
            status = status or 120  # as Python ends then
    return status


def present() -> frozenset[Any]:
    """Everything that a report leaves out when it was there before the fork: names of modules, keys of patterns."""
    return frozenset((*sys.modules, *_patterns()))


def _patterns() -> Any:
    return getattr(sys.modules.get("re"), "_cache", ())


def _report(path: str, preloaded: frozenset[Any]) -> None:
    """Write which modules the hook has imported, in their order, and which patterns it has compiled."""
    library = os.path.dirname(os.__file__) + "/"
    modules = []
    for name in [name for name in sys.modules if name not in preloaded]:
        specification = getattr(sys.modules[name], "__spec__", None)
        if specification is None or specification.name != name or specification.origin is None:
            continue
        file = specification.origin
        inside = file[len(library) :] if file.startswith(library) else None
        is_standard = file in ("built-in", "frozen") or (
            inside is not None and not inside.startswith(("site-packages/", "dist-packages/"))
        )
        modules.append([name, "" if is_standard else file])
    patterns = [key[1:3] for key in _patterns() if key not in preloaded and key[0] is str]
    if not modules and not patterns:
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"modules": modules, "patterns": patterns}, file)
    except (OSError, TypeError, ValueError):
        return
