"""Warm hook runners: one process for each build environment and backend, which has the backend imported already.

``_warm_runner.py`` is the other side, and says what passes between them. All that it is for is time: where it is not
sure to give what a fresh Python gives, ``WarmRunners.run`` gives nothing, and the caller starts that Python.
"""

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from miniuv.backend.preload import LearnedModules, Pattern, has_module_named, read_report
from miniuv.errors import MiniuvError
from miniuv.process import Runner
from miniuv.values import dataclass

_SCRIPT = Path(__file__).with_name("_warm_runner.py")
_NEEDED = frozenset({"ctypes", "fcntl", "resource", "select", "signal", "struct", "threading", "typing"})
"""Modules that the warm runner itself imports, and a fresh Python does not."""
_SECONDS_TO_END = 10.0
_LONGEST_PATTERN = 1000
_MOST_PATTERNS = 200
"""All of them go along with every call, in one message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HookCall:
    """One call of a hook, as ``pyproject_hooks`` asks for it."""

    python: Path
    """Of the build environment."""
    backend: str
    command: Sequence[str]
    """Of that Python: the script, the name of the hook, the folder for its input and output."""
    cwd: Path
    environment: Mapping[str, str]
    """The same for all calls in one run."""
    added: Mapping[str, str]
    """Variables of this call."""
    output: IO[bytes]
    guards: Sequence[int]
    trace: tuple[Path, Path] | None = None
    """The tracing script, and where it shall write its report."""


class WarmRunners:
    """Those of one run; thread-safe. They end at ``close``, with our process, and with ``Runner``'s other programs."""

    def __init__(self, *, runner: Runner, learned: LearnedModules) -> None:
        self._runner = runner
        self._learned = learned
        self._guard = threading.Lock()
        self._running: dict[tuple[Path, str], _WarmRunner] = {}
        self._closed = sys.platform != "linux"

    def run(self, call: HookCall) -> int | None:
        """The return code of the hook, negative for a signal; ``None``: run it in a fresh Python.

        It may have run already, in part, when ``None`` comes, but nothing of it is running any more.
        """
        modules = self._learned.of(call.python, call.backend)
        if has_module_named(call.cwd, _NEEDED | {name.partition(".")[0] for name in modules}):
            return None
        with self._guard:
            if self._closed:
                return None
            warm = self._running.get((call.python, call.backend))
            if warm is None:
                try:
                    warm = _WarmRunner(self._runner, call.python, call.backend, call.environment)
                except (OSError, RuntimeError):  # no descriptor or no thread is to be had
                    return None
                self._running[call.python, call.backend] = warm
        report = Path(call.command[-1]) / "imported.json"
        returncode = warm.run(
            {
                "command": list(call.command),
                "cwd": str(call.cwd),
                "environ": dict(call.added),
                "modules": modules,
                "patterns": warm.patterns(),
                "report": str(report),
                "trace": None if call.trace is None else [str(part) for part in call.trace],
            },
            output=call.output,
            guards=call.guards,
        )
        imported, compiled = read_report(report)
        if imported:
            self._learned.add(call.python, call.backend, imported)
        warm.heard(call.cwd, compiled)
        return returncode

    def close(self, *, wait: bool = True) -> None:
        """Let them end, and wait for that; a hook that still runs goes on, and is not to be waited for."""
        with self._guard:
            self._closed = True
            for warm in self._running.values():
                warm.close(wait=wait)


class _WarmRunner:
    """One of them, from our side."""

    def __init__(self, runner: Runner, python: Path, backend: str, environment: Mapping[str, str]) -> None:
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._is_usable = True
        self._heard: dict[Pattern, set[Path]] = {}
        """Regular expressions that hooks have compiled, and the projects where they did."""
        command = [str(python), str(_SCRIPT), str(control.fileno()), backend]
        self._serving = threading.Thread(target=_serve, args=(runner, command, environment, control), daemon=True)
        self._serving.start()

    def run(self, request: Mapping[str, object], *, output: IO[bytes], guards: Sequence[int]) -> int | None:
        if not self._is_usable:
            return None
        try:
            answer = self._ask(json.dumps(request).encode(), output=output, guards=guards)
        except OSError:
            answer = ""
        word, _, rest = answer.partition(" ")
        if word == "status":
            status = int(rest)
            return -(status & 0x7F) if status & 0x7F else status >> 8
        self._is_usable = False
        return None

    def heard(self, project: Path, compiled: Iterable[Pattern]) -> None:
        """Take in what a hook in ``project`` had to compile."""
        for pattern in compiled:
            self._heard.setdefault(pattern, set()).add(project)

    def patterns(self) -> list[Pattern]:
        """What it shall compile beforehand: what more than one project needs, so none that holds a project's name."""
        shared = [pattern for pattern, projects in list(self._heard.items()) if len(projects) > 1]
        return [pattern for pattern in shared if len(pattern[0]) <= _LONGEST_PATTERN][:_MOST_PATTERNS]

    def _ask(self, request: bytes, *, output: IO[bytes], guards: Sequence[int]) -> str:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                socket.send_fds(self._control, [request], [theirs.fileno(), output.fileno(), *guards])
            return _hear(ours)

    def close(self, *, wait: bool) -> None:
        self._control.close()
        if wait:
            self._serving.join(_SECONDS_TO_END)


def _serve(runner: Runner, command: Sequence[str], environment: Mapping[str, str], control: socket.socket) -> None:
    with control, contextlib.suppress(OSError, MiniuvError):
        runner.run(command, cwd=Path("/"), environment=environment, pass_fds=(control.fileno(),))


def _hear(job: socket.socket) -> str:
    """What is answered, once nothing of the job is left; when we are interrupted, the job is ended."""
    answer = b""
    try:
        while part := job.recv(8192):
            answer += part
    except BaseException:
        job.settimeout(_SECONDS_TO_END)
        with contextlib.suppress(OSError):
            job.shutdown(socket.SHUT_WR)
            while job.recv(8192):
                continue
        raise
    return answer.decode("utf-8", "replace")
