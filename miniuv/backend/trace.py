"""What a traced hook has looked at: the reports that ``_trace.py`` writes, read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miniuv.values import dataclass

TRACER = Path(__file__).with_name("_trace.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One path that a hook had to do with."""

    kinds: str
    """Letters, as ``_trace.py`` explains them."""
    line: str
    """Its stamp when the hook first came to it; see ``miniuv.stamps``."""
    names: tuple[str, ...] | None = None
    """What was in a folder when it was first listed, each name after the letter of its type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GitCall:
    """One git that a hook has started."""

    executable: str
    argv: tuple[str, ...]
    folder: str
    """In which it was started; absolute."""
    environ: tuple[tuple[str, str], ...]
    """Those of its variables that tell git where it is and what its settings are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceReport:
    """Everything that one hook has looked at, outside of its build environment, its temporary folder and Python."""

    started: int
    """Nanoseconds since the epoch: no earlier than anything was looked at."""
    seen: tuple[Seen, ...]
    refusals: tuple[str, ...]
    """Why the report is no proof: what the hook did that nobody can trace."""
    git_calls: tuple[GitCall, ...] = ()
    staged: tuple[tuple[str, str], ...] = ()
    """Folders of repositories, and for each what its index stood for before git was started: ``index_digest``."""


def traced(command: Sequence[str], report: Path) -> list[str]:
    """``command``, a Python and its script, so that it leaves a report."""
    python, *script = command
    return [python, str(TRACER), str(report), *script]


def read_report(path: Path) -> TraceReport | None:
    """The report at ``path``; ``None`` where there is none, or not all of it: the hook ended before its time."""
    try:
        lines = path.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return None
    head = lines[0].split(" ")
    if head[:2] != ["trace", "1"] or len(head) != 3 or lines[-2:] != [".", ""]:
        return None
    seen: list[Seen] = []
    refusals: list[str] = []
    git_calls: list[GitCall] = []
    staged: list[tuple[str, str]] = []
    for line in lines[1:-2]:
        kinds, _, rest = line.partition(" ")
        if kinds == "!":
            refusals.append(rest)
        elif kinds == "$":
            executable, argv, folder, environ = _literal(rest)
            git_calls.append(GitCall(executable=executable, argv=argv, folder=folder, environ=tuple(environ.items())))
        elif kinds == "%":
            staged.append(_literal(rest))
        elif kinds == "=":
            names = tuple(name.replace("\0", "\n") for name in rest.split("/") if name)
            seen[-1] = Seen(kinds=seen[-1].kinds, line=seen[-1].line, names=names)
        else:
            seen.append(Seen(kinds=kinds, line=rest))
    return TraceReport(
        started=int(head[2]),
        seen=tuple(seen),
        refusals=tuple(refusals),
        git_calls=tuple(git_calls),
        staged=tuple(staged),
    )


def _literal(text: str) -> Any:
    """What the tracer has written with ``ascii``."""
    import ast

    return ast.literal_eval(text)
