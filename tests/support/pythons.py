"""Interpreters that are not there: scripts that answer like one, and environments made in a moment."""

import json
import shlex
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from miniuv.environment.interpreters import Interpreters, Records
from miniuv.environment.probe import Answer, ask, read
from miniuv.environment.virtual import create_environment
from miniuv.models.interpreter import Interpreter
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter


class Listener(Reporter):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def warning(self, message: str, *, hint: str | None = None) -> None:
        self.warnings.append(f"{message}; {hint}" if hint else message)


@cache
def own_answer() -> str:
    """What the Python that runs the tests says of itself."""
    return ask(Path(sys.executable), runner=SubprocessRunner(), environ={})


@cache
def here() -> Interpreter:
    """The Python that runs the tests."""
    return read(Answer(own_answer()), executable=Path(sys.executable))


def fake_python(executable: Path, **facts: object) -> Path:
    """Write a program that describes itself as this Python does, but for ``facts``."""
    answer = json.loads(own_answer())
    prefix = executable.parent.parent
    answer |= {
        "executable": str(executable),
        "base_executable": str(executable),
        "prefix": str(prefix),
        "base_prefix": str(prefix),
    }
    answer["paths"] |= {
        "purelib": str(prefix / "lib" / "site-packages"),
        "platlib": str(prefix / "lib" / "site-packages"),
        "scripts": str(prefix / "bin"),
        "stdlib": str(prefix / "lib"),
    }
    return program(executable, f"echo {shlex.quote(json.dumps(answer | facts))}")


def program(path: Path, body: str) -> Path:
    """Write a shell script that can be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def interpreters(
    environ: Mapping[str, str] | None = None, *, store: Records | None = None, reporter: Reporter | None = None
) -> Interpreters:
    """Make an ``Interpreters`` that sees nothing of this machine but ``environ``."""
    return Interpreters(
        runner=SubprocessRunner(),
        environ={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"} if environ is None else environ,
        store=store,
        reporter=reporter or Reporter(),
    )


def make_environment(path: Path) -> Interpreter:
    """Make a real environment from the Python that runs the tests, and describe it."""
    create_environment(path, here(), environ={})
    return interpreters().describe(path / "bin" / "python")
