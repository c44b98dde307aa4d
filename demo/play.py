"""Three processes of one installer with a slow ``git``: the first one, and two that want the same in two orders."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from demo.crew import DemoError
from demo.repositories import PROJECTS as REPOSITORIES
from demo.workshop import CHECKOUT, Workshop

FIRST = "first"
PAIR = ("a", "b")
"""``a`` installs proj1, ``b`` proj2; they start when the first fetches."""
_SLOW, _SLOWER = 3, 4
"""Seconds that the wrapper adds to the two fetches: so the locks are let go of one after the other."""
_BEGIN = 30.0
"""Seconds in which the first must begin to fetch."""
_LAST_WORDS = 5.0

_WRAPPER = """\
#!/bin/sh
# git, but every fetch is slow, and slower for one of the repositories.
# A file named after the repository tells that its fetch has begun.
for word in "$@"; do
    if test "$word" = fetch; then
        seconds={slow}
        for address in "$@"; do
            case $address in
                */{big}) seconds={slower};;
            esac
            case $address in
                *.git) : > {begun}/"${{address##*/}}";;
            esac
        done
        sleep $seconds
        break
    fi
done
exec {git} "$@"
"""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tool:
    """An installer that is put to the test."""

    name: str
    program: tuple[str, ...]
    arguments: tuple[str, ...]
    """Before the projects."""
    environment: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """The three processes of one try, in a folder of their own."""

    folder: Path
    processes: Mapping[str, "subprocess.Popen[bytes]"]

    def repeat(self, label: str, *, say: Say, only: tuple[str, ...] = ("",)) -> None:
        """Say what one of them said so far; ``only`` the lines that begin so."""
        for line in (self.folder / f"{label}.log").read_text("utf-8", "replace").splitlines():
            if line.lstrip().startswith(only):
                say(f"[{label}] {line}")

    def abort(self) -> None:
        """End those that still run; a Python with its faulthandler on writes where each of its threads stood."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGABRT)
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_LAST_WORDS)


@contextmanager
def play(tool: Tool, workshop: Workshop, folder: Path, *, say: Say) -> Iterator[Play]:
    """Start the first, and the two others once it fetches; at the end those that still run are ended."""
    begun = folder / "begun"
    begun.mkdir(parents=True)
    slow_git = _write_slow_git(folder / "bin", begun=begun, search=workshop.environment["PATH"])
    search = os.pathsep.join((str(slow_git.parent), workshop.environment["PATH"]))
    environment = {**tool.environment, "PATH": search, "UV_CACHE_DIR": str(folder / "cache")}
    processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(label: str, editables: Sequence[str]) -> None:
        arguments = [*tool.arguments, *editables, "--python", str(target(workshop, label))]
        say(f"[{label}] $ {tool.name} {' '.join(arguments)}")
        # A session of its own: whatever it starts can be ended with it, and nothing else.
        with (folder / f"{label}.log").open("wb") as log:
            processes[label] = subprocess.Popen(
                [*tool.program, *arguments],
                cwd=CHECKOUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    try:
        start(FIRST, workshop.editables)
        _await_fetches(processes[FIRST], begun)
        start(PAIR[0], workshop.editables[:2])
        start(PAIR[1], workshop.editables[2:])
        yield Play(folder=folder, processes=processes)
    finally:
        for process in processes.values():
            end(process)


def _write_slow_git(folder: Path, *, begun: Path, search: str) -> Path:
    git = shutil.which("git", path=search)
    if git is None:
        raise DemoError("there is no `git` on PATH", hint="install git 2.31 or newer")
    folder.mkdir()
    wrapper = folder / "git"
    text = _WRAPPER.format(
        begun=shlex.quote(str(begun)),
        big=REPOSITORIES[-1].repository,
        slow=_SLOW,
        slower=_SLOWER,
        git=shlex.quote(git),
    )
    wrapper.write_text(text, "utf-8")
    wrapper.chmod(0o755)
    return wrapper


def _await_fetches(process: "subprocess.Popen[bytes]", begun: Path) -> None:
    deadline = time.monotonic() + _BEGIN
    while not all((begun / each.repository).exists() for each in REPOSITORIES):
        if process.poll() is not None or time.monotonic() > deadline:
            return  # what follows shows no deadlock, and says what the process said
        time.sleep(0.02)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process that ``play`` started, with all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def target(workshop: Workshop, label: str) -> Path:
    """The environment of one process."""
    return workshop.folder / f".venv-{label}"
