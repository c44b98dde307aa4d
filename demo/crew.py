"""Several miniuv processes at once, heard line by line, none of them for ever."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from miniuv.errors import MiniuvError

_LAST_WORDS = 5.0
"""Seconds for a process that was told to end."""
MINIUV = (sys.executable, "-X", "faulthandler", "-m", "miniuv")


class DemoError(MiniuvError):
    """The demo did not go as it should."""


def ended(work: Callable[[], int]) -> int:
    """Do a whole program's ``work`` and return its exit code; an error is told in words."""
    try:
        return work()
    except MiniuvError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"\nhint: {error.hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def tell(line: str) -> None:
    """Say one line to people."""
    sys.stdout.write(f"{line}\n")  # one write: the crew is heard by several threads
    sys.stdout.flush()


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One running process of the crew."""

    label: str
    process: "subprocess.Popen[str]"
    lines: list[str]
    """What it said so far; complete when ``listener`` has ended."""
    listener: threading.Thread


def run_crew(
    commands: Mapping[str, Sequence[str]],
    *,
    directory: Path,
    environment: Mapping[str, str],
    patience: float,
    say: Callable[[str], None],
    program: Sequence[str] = MINIUV,
) -> dict[str, list[str]]:
    """Run ``program`` with each command's arguments, all at once; return what each said, by label.

    Raises ``DemoError`` where one fails, or shows no end after ``patience`` seconds: then it is ended, and its last
    words are where each of its threads stood.
    """
    crew: list[Member] = []
    try:
        for label, arguments in commands.items():
            say(f"[{label}] $ miniuv {' '.join(arguments)}")
            argv = [*program, *arguments]
            crew.append(_start(label, argv, directory=directory, environment=environment, say=say))
        hung = _wait(crew, patience)
    except BaseException:
        # Ctrl-C reached the whole crew with us; whoever does not end by itself is ended.
        _end(crew)
        raise
    if hung:
        for member in hung:
            member.process.send_signal(signal.SIGABRT)  # faulthandler prints every thread
        _end(hung)
        labels = " and ".join(f"[{member.label}]" for member in hung)
        raise DemoError(f"a hang: {labels} showed no end after {patience:.0f} s", hint="its threads are shown above")
    failed = [f"[{member.label}] with exit code {member.process.returncode}" for member in crew if _has_failed(member)]
    if failed:
        raise DemoError(f"miniuv failed: {', '.join(failed)}", hint="its own words are above")
    return {member.label: member.lines for member in crew}


def _start(
    label: str,
    argv: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    say: Callable[[str], None],
) -> Member:
    process = subprocess.Popen(
        list(argv),
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                lines.append(line.rstrip())
                say(f"[{label}] {line.rstrip()}")

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    return Member(label=label, process=process, lines=lines, listener=listener)


def _wait(crew: Sequence[Member], patience: float) -> list[Member]:
    """Wait for every member; return those that run when ``patience`` is at its end."""
    deadline = time.monotonic() + patience
    for member in crew:
        try:
            member.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            break
        member.listener.join(timeout=_LAST_WORDS)
    return [member for member in crew if member.process.poll() is None]


def _end(crew: Sequence[Member]) -> None:
    for member in crew:
        try:
            member.process.wait(timeout=_LAST_WORDS)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
        member.listener.join(timeout=_LAST_WORDS)


def _has_failed(member: Member) -> bool:
    return member.process.returncode != 0
