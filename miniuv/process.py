"""Other programs: the only place that starts one.

Whoever needs git or an interpreter is given a ``Runner``; tests give their own.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from miniuv.errors import Interrupted
from miniuv.values import dataclass

_LEASH_SECONDS = 10.0
"""How long a supervisor may take to end what it supervises."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """How a program ended."""

    returncode: int
    """Negative: ended by that signal."""
    stdout: bytes
    stderr: bytes
    """Empty where ``stderr`` was folded into ``output`` or a line listener consumed it."""


class Runner(Protocol):
    """Runs a program to its end."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        output: IO[bytes] | None = None,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        r"""Run ``argv`` and wait.

        ``environment`` replaces the whole environment. ``output`` receives stdout and stderr together.
        ``on_line`` hears every line of stderr as it comes (``\r`` ends a line too). ``timeout`` is in seconds.

        ``pass_fds`` are locks for a program that knows what to do with them (``backend/_supervisor.py``): its
        standard input stays open until it ends, and when that is closed it shall end itself and all that came of it.

        Raises ``FileNotFoundError`` where there is no such program, ``TimeoutError`` when time is up (the
        program and its children are ended first).
        """


class SubprocessRunner:
    """The real thing. Every child leads its own process group, and is ended when we are interrupted.

    Lock descriptors are close-on-exec; ``pass_fds`` is the only way to hand one to a child.
    """

    def __init__(self) -> None:
        self._children: set[_Child] = set()
        self._ended = False
        self._guard = threading.Lock()

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        output: IO[bytes] | None = None,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Completed:
        """See ``Runner.run``."""
        with self._guard:  # whoever calls `end_all` meets every child or none: nobody starts in between
            if self._ended:
                raise Interrupted("interrupted")
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env=None if environment is None else dict(environment),
                stdin=subprocess.PIPE if stdin or pass_fds else subprocess.DEVNULL,
                stdout=subprocess.PIPE if output is None else output,
                stderr=subprocess.PIPE if output is None else subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
            child = _Child(process, leashed=bool(pass_fds))
            self._children.add(child)
        try:
            stdout, stderr = _communicate(process, stdin, on_line, timeout)
        except BaseException:
            child.end()
            child.wait()
            raise
        finally:
            with self._guard:
                self._children.discard(child)
            child.let_go()
        return Completed(returncode=process.returncode, stdout=stdout, stderr=stderr)

    def end_all(self) -> None:
        """End every child that still runs, with its process group, and start no more: the command was interrupted."""
        with self._guard:
            self._ended = True
            children = tuple(self._children)
        for child in children:
            child.end()


class _Child:
    """A program that runs; one that is ``leashed`` ends everything below it when its standard input ends."""

    def __init__(self, process: "subprocess.Popen[bytes]", *, leashed: bool) -> None:
        self._process = process
        self._leash = process.stdin if leashed else None
        if leashed:
            process.stdin = None  # communicate() would close it

    def end(self) -> None:
        """Begin its end, with all that came of it."""
        if self._leash is None:
            end_group(self._process.pid)
        self.let_go()

    def wait(self) -> None:
        """Wait for that end; a leashed program that does not come to it is killed."""
        try:
            self._process.wait(timeout=None if self._leash is None else _LEASH_SECONDS)
        except subprocess.TimeoutExpired:
            end_group(self._process.pid)
            self._process.wait()

    def let_go(self) -> None:
        """Close the leash."""
        if self._leash is not None:
            with contextlib.suppress(OSError):
                self._leash.close()


def end_group(pid: int) -> None:
    """SIGKILL the process group that ``pid`` leads; it may be gone already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _communicate(
    process: subprocess.Popen[bytes],
    stdin: bytes,
    on_line: Callable[[str], None] | None,
    timeout: float | None,
) -> tuple[bytes, bytes]:
    if on_line is None or process.stderr is None:
        try:
            stdout, stderr = process.communicate(stdin or None, timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"no end after {timeout:.0f} s") from error
        return stdout or b"", stderr or b""

    heard: list[bytes] = []
    pipe = process.stderr
    process.stderr = None  # communicate() leaves it to the listener

    def listen() -> None:
        pending = b""
        while chunk := os.read(pipe.fileno(), 4096):
            heard.append(chunk)
            *lines, pending = (pending + chunk).replace(b"\r", b"\n").split(b"\n")
            for line in lines:
                if line.strip():
                    on_line(line.decode("utf-8", "replace").strip())
        if pending.strip():
            on_line(pending.decode("utf-8", "replace").strip())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        stdout, _ = process.communicate(stdin or None, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no end after {timeout:.0f} s") from error
    finally:
        if process.poll() is None:
            end_group(process.pid)
        listener.join(timeout=5)
        pipe.close()
    return stdout or b"", b"".join(heard)
