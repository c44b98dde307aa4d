"""Imports a backend once, and forks for each of its hooks: a hook then costs a fork, and not a start of Python.

::

    python _warm_runner.py DESCRIPTOR BACKEND

``DESCRIPTOR`` is a socket that keeps the bounds of messages. Each message is one job, JSON with these members, and
brings descriptors with it: the job's own socket, the output of the hook, then the locks to be held meanwhile.

- ``command``: ``[script, *arguments]``, what Python would have been started with
- ``cwd``, ``environ``: where it runs, and the variables that it has besides our own
- ``modules``, ``patterns``: names to import and regular expressions, with their flags, to compile before the fork
- ``report``: a path; the child writes there what else it has imported and compiled, as JSON:
  ``{"modules": [[name, file], ...], "patterns": [[text, flags], ...]}``; no file for the standard library's
- ``trace``: ``null``, or ``[script, path]``: the script's ``start(path)`` and ``finish()`` enclose the hook

The job's socket answers ``status N``, as ``waitpid`` says it, and ends when nothing is left to be waited for. It
answers ``unfit REASON`` where forking would not give what a start of Python gives: use that instead, then. It ends
without an answer where somebody has killed what stands between.

Three processes: this one has one thread, imports and forks, and does nothing else. The keeper of a job stands where
``_supervisor.py`` stands elsewhere: it holds the locks until nothing of the hook is left. Its child runs the hook.
Standard input is the leash of all three: at its end miniuv is gone, or wants this to end.
"""

# ruff: noqa: E402

from __future__ import annotations

import sys

_FOLDER = sys.path.pop(0)  # where this script is: a backend must not find our modules there

import _socket
import fcntl
import gc
import importlib
import json
import os
import re
import select
import signal
import types
import warnings
from typing import Any, NoReturn

_LARGEST_MESSAGE = 1 << 20
_MOST_DESCRIPTORS = 16
_TRACING = ("_trace.py", "_trace_calls.py", "_trace_git.py")
_codes: dict[str, types.CodeType] = {}
"""Scripts of this folder, compiled: once, and not in each child."""


class _UnfitError(Exception):
    """The imports have left something behind that a fork would hand on, or would not."""


class _Runner:
    """The one process that imports and forks."""

    def __init__(self, control: _socket.socket, backend: str) -> None:
        self._control = control
        self._backend = backend
        self._supervisor = _load("_supervisor.py")
        self._hook = _load("_warm_hook.py")
        self._kernel = self._supervisor.kernel_control()
        self._printed, self._stdout = _capture_output()
        self._waking = -1
        self._tried: set[Any] = set()
        self._scripts: dict[str, types.CodeType] = {}
        self._jobs: dict[int, list[int]] = {}
        """By the keeper's pid: the job's socket and its locks, held here too until the keeper is gone."""
        self._preloaded: frozenset[Any] = frozenset()

    def run(self) -> NoReturn:
        self._supervisor.adopt_orphans(self._kernel)
        self._waking = self._supervisor.hear_of_children()
        poll = select.poll()
        poll.register(self._control, select.POLLIN | select.POLLHUP)
        poll.register(self._waking, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._waking in ready:
                os.read(self._waking, 64)
            self._reap()
            if self._control.fileno() in ready:
                self._accept()

    def _accept(self) -> None:
        data, descriptors = _receive(self._control)
        if not data:
            os._exit(0)
        job, output, *guards = descriptors
        request = json.loads(data)
        try:
            self._preload([self._backend, *request["modules"]], request["patterns"])
            script = self._script(request["command"][0])
            for name in _TRACING if request["trace"] else ():
                _code(name)
            keeper = os.fork()
        except (_UnfitError, OSError) as error:
            _say(job, f"unfit {error}")
            for descriptor in descriptors:
                os.close(descriptor)
            return
        if keeper == 0:
            self._keep(request, script, job, output, guards)
        os.close(output)
        self._jobs[keeper] = [job, *guards]

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            descriptors = self._jobs.pop(pid, [])  # others are daemons that a hook has left behind
            if descriptors and status != 0:
                self._end_orphans()
            for descriptor in descriptors:
                os.close(descriptor)

    def _end_orphans(self) -> None:
        """A keeper was killed: what it had to keep is ours now, and must not outlive the locks."""
        while True:
            orphans = [pid for pid in self._supervisor.children() if pid not in self._jobs]
            if not orphans:
                return
            for pid in orphans:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except OSError:
                    continue

    def _preload(self, names: list[str], patterns: list[list[Any]]) -> None:
        names = [name for name in names if name not in self._tried]
        patterns = [pattern for pattern in patterns if tuple(pattern) not in self._tried]
        if names or patterns:
            self._tried.update(names, map(tuple, patterns))
            _import_all(names, self._printed)
            _compile_all(patterns)
            _load("_warm_metadata.py").remember()
            _load("_warm_chain.py").hasten()
            gc.collect()
            gc.freeze()  # a collection in a child then leaves the pages alone that it shares with us
            self._preloaded = self._hook.present()
        if _threads() != 1:
            raise _UnfitError("a thread runs")

    def _script(self, path: str) -> types.CodeType:
        if path not in self._scripts:
            with open(path, "rb") as file:
                self._scripts[path] = compile(file.read(), path, "exec")
        return self._scripts[path]

    def _keep(
        self, request: dict[str, Any], script: types.CodeType, job: int, output: int, guards: list[int]
    ) -> NoReturn:
        """Be the keeper of a job."""
        try:
            self._control.close()
            for descriptor in [each for others in self._jobs.values() for each in others]:
                os.close(descriptor)
            os.close(self._waking)
            os.close(signal.set_wakeup_fd(-1))
            os.setsid()
            self._supervisor.adopt_orphans(self._kernel)
            self._waking = self._supervisor.hear_of_children()
            ourselves = os.getpid()
            child = os.fork()
            if child == 0:
                self._supervisor.leave_with_parent(ourselves, self._kernel)
                ours = (job, self._waking, signal.set_wakeup_fd(-1), self._printed, self._stdout, *guards)
                for descriptor in ours:
                    os.close(descriptor)
                if request["trace"]:
                    trace, report = request["trace"]
                    tracer = _load(os.path.basename(trace))
                    tracer.compiled.update(_codes)
                    request["trace"] = tracer, report
                self._hook.become(request, script, output, self._preloaded)
            os.close(output)
            status = self._supervisor.wait(child, leashes=[0, job], waking=self._waking)
            if status is not None:
                _say(job, f"status {status}")
            os._exit(0)
        finally:
            os._exit(1)


def main() -> None:
    """Serve jobs until nobody has any."""
    control = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, int(sys.argv[1]))
    os.set_inheritable(control.fileno(), False)
    _end_with_leash()
    _Runner(control, sys.argv[2]).run()


def _end_with_leash() -> None:
    """Have the kernel kill this process at the end of standard input, whatever it is importing then."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    if poll.poll(0):
        os._exit(1)


def _capture_output() -> tuple[int, int]:
    """Turn what we print to a pipe of our own; return its other end, and a copy of what stdout was.

    The copy is for the keepers: whoever started us shall see us end when the last of them has ended.
    """
    kept = os.dup(1)
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)
    return reading, kept


def _import_all(names: list[str], printed: int) -> None:
    """Import, and refuse where that shows in anything that a hook could see, or depends on where a hook runs."""
    before = _surroundings()
    asked: list[str] = []
    current_folder, current_folder_bytes = os.getcwd, os.getcwdb

    def getcwd() -> str:
        if sys._getframe(1).f_globals.get("__name__") != "multiprocessing.process":  # see `_forget`
            asked.append("the current folder")
        return current_folder()

    def getcwdb() -> bytes:
        asked.append("the current folder")
        return current_folder_bytes()

    def show_nothing(*_arguments: object, **_options: object) -> None:
        """Stand for the hook, which records warnings and shows none."""

    shown = warnings.showwarning
    warnings.showwarning = show_nothing
    os.getcwd, os.getcwdb = getcwd, getcwdb
    try:
        for name in names:
            importlib.import_module(name.partition(":")[0])
    except BaseException as error:  # noqa: BLE001  # a fresh Python will show it
        raise _UnfitError(f"importing {name} fails: {error!r}") from None
    finally:
        os.getcwd, os.getcwdb = current_folder, current_folder_bytes
        if warnings.showwarning is show_nothing:
            warnings.showwarning = shown
    if asked:
        raise _UnfitError(f"an import asks for {asked[0]}")
    if getattr(sys.modules.get("tempfile"), "tempdir", None) is not None:
        raise _UnfitError("an import asks for the folder for temporary files")
    for what, value in _surroundings().items():
        if value != before[what]:
            raise _UnfitError(f"an import changes {what}")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    try:
        if os.read(printed, 1):
            raise _UnfitError("an import prints something")
    except BlockingIOError:
        return


def _compile_all(patterns: list[list[Any]]) -> None:
    """Have ``re`` remember them; not one that it warns of, for the hook shall be warned itself."""
    for text, flags in patterns:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                re.compile(text, flags)
            except Exception:  # noqa: BLE001, S112  # the hook will see to it
                continue


def _surroundings() -> dict[str, object]:
    umask = os.umask(0o77)
    os.umask(umask)
    return {
        "the current folder": os.getcwd(),
        "the umask": umask,
        "variables": dict(os.environ),
        "signal handlers": [signal.getsignal(number) for number in range(1, signal.NSIG)],
        "the standard streams": [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
        "the number of threads": _threads(),
        "open files": sorted(os.listdir("/proc/self/fd")),
        "the number of child processes": _children(),
    }


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _children() -> int:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return len(file.read().split())
    except OSError:
        return 0


def _receive(control: _socket.socket) -> tuple[bytes, list[int]]:
    length = 4 * _MOST_DESCRIPTORS
    data, ancillary, _, _ = control.recvmsg(_LARGEST_MESSAGE, _socket.CMSG_SPACE(length))
    descriptors: list[int] = []
    for level, kind, content in ancillary:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            whole = len(content) - len(content) % 4
            descriptors += [int.from_bytes(content[at : at + 4], sys.byteorder) for at in range(0, whole, 4)]
    return data, descriptors


def _say(job: int, text: str) -> None:
    try:
        os.write(job, text.encode("utf-8", "replace")[:4096])
    except OSError:
        return


def _load(name: str) -> Any:
    """Run a script of this folder as a module that nobody can import."""
    path = os.path.join(_FOLDER, name)
    module = types.ModuleType(name)
    module.__file__ = path
    exec(_code(name), module.__dict__)  # noqa: S102  # it is our own
    return module


def _code(name: str) -> types.CodeType:
    if name not in _codes:
        path = os.path.join(_FOLDER, name)
        with open(path, "rb") as file:
            _codes[name] = compile(file.read(), path, "exec")
    return _codes[name]


if __name__ == "__main__":
    main()
