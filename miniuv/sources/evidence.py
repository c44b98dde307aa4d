"""What a build has looked at, kept so that somebody can say later whether all of that is still as it was.

Each ``Fact`` is about one path. Its stamp answers at once: the same stamp, the same everything. Where that differs, the
values decide, and only those that the build has asked for: the content of what was read, the names in a folder that was
listed, whether there was anything where something was looked for.

What a build writes is different after it; that is what counts then. Whatever else changes while it is built is no
proof of anything, and neither is a file so fresh that one more change would leave no mark on its times.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from miniuv.archive.intact import hash_file
from miniuv.backend.trace import Seen, TraceReport
from miniuv.stamps import TICK, newest_time, path_of, settled, stamp
from miniuv.values import dataclass, replace

_OLD_ENOUGH = 2_000_000_000
"""Nanoseconds. No file system's clock is coarser: a file that is older than this shows every further change."""


class UnprovableError(Exception):
    """A build that cannot be reused, and why: ``it runs other programs (git)``."""

    def __init__(self, reason: str, *, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path
        """What ``reason`` goes on about, if anything: ``changed while it was built``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """What the build knows of one path."""

    line: str
    """A stamp."""
    values: Mapping[str, str]
    """By kind: see ``_value``."""

    @property
    def path(self) -> str:
        """What it is about."""
        return path_of(self.line)


class _Trail:
    """All reports of one build, as one."""

    def __init__(self, reports: Sequence[TraceReport], ignored: tuple[str, ...]) -> None:
        self.started = min(report.started for report in reports)
        self.kinds: dict[str, str] = {}
        self.seen: list[tuple[str, Seen]] = []
        self._written: set[str] = set()
        self._touched: set[str] = set()
        self._moved: set[str] = set()
        for report in reports:
            for each in report.seen:
                path = path_of(each.line)
                if f"{path}/".startswith(ignored):
                    continue
                self.seen.append((path, each))
                self.kinds[path] = self.kinds.get(path, "") + each.kinds
                if "w" in each.kinds or "m" in each.kinds:
                    self._written.add(path)
                    self._touched.add(os.path.dirname(path))
                if "m" in each.kinds:
                    self._moved.add(path)

    def wrote(self, path: str) -> bool:
        """Whether the build itself has changed what is at ``path``."""
        return path in self._written or (
            bool(self._moved) and any(path.startswith(f"{moved}/") for moved in self._moved)
        )

    def wrote_in(self, path: str) -> bool:
        """Whether the build itself has changed what is in the folder ``path``."""
        return path in self._touched or self.wrote(path)


def gather(
    reports: Sequence[TraceReport],
    *,
    ignored: Iterable[str] = (),
    read: Iterable[str] = (),
    looked_for: Iterable[str] = (),
) -> tuple[Fact, ...]:
    """Make proof of what the hooks of one build have reported; raises ``UnprovableError``.

    Call it at once when they have ended. ``ignored`` are folders of our own. ``read`` and ``looked_for`` are paths that
    count, whether a hook came to them or not.
    """
    for reason in (reason for report in reports for reason in report.refusals):
        raise UnprovableError(reason)
    trail = _Trail(reports, tuple(f"{folder.rstrip('/')}/" for folder in ignored))
    for kind, paths in (("r", read), ("t", looked_for)):
        for path in paths:
            trail.kinds[path] = trail.kinds.get(path, "") + kind
    lines = settled(lambda: [_stamp(path, kinds) for path, kinds in trail.kinds.items()])
    if lines is None:
        raise UnprovableError("times of its files lie in the future, are too coarse, or change all the time")
    after = dict(zip(trail.kinds, lines, strict=True))
    for path, each in trail.seen:
        _check_undisturbed(path, each, after[path], trail)
    facts = [_fact(path, kinds, after[path]) for path, kinds in trail.kinds.items()]
    for fact in facts:
        if {"r", "l"} & fact.values.keys() and stamp(fact.path) != fact.line:
            raise UnprovableError("changed just after it was built", path=fact.path)
    return tuple(fact for fact in facts if fact.values)


def first_change(facts: Sequence[Fact]) -> str | None:
    """The first path that is not what it was; ``None``: a build would find everything as it was."""
    return next((fact.path for fact in facts if not _holds(fact)), None)


def renewed(facts: Sequence[Fact]) -> tuple[Fact, ...] | None:
    """The same ``facts`` with today's stamps, where their values hold though the stamps do not.

    ``None`` where nothing is to be renewed, or a file is so fresh that its stamp could lie.
    """
    today = _today(facts)
    changed = [line for line, fact in zip(today, facts, strict=True) if line != fact.line]
    if not changed or time.time_ns() - newest_time(changed) < _OLD_ENOUGH or first_change(facts) is not None:
        return None
    if _today(facts) != today:
        return None
    return tuple(replace(fact, line=line) for line, fact in zip(today, facts, strict=True))


def _stamp(path: str, kinds: str) -> str:
    return stamp(path, only_type=set(kinds) == {"t"})


def _today(facts: Sequence[Fact]) -> list[str]:
    return [_stamp(fact.path, "".join(fact.values)) for fact in facts]


def _check_undisturbed(path: str, seen: Seen, after: str, trail: _Trail) -> None:
    """Raise where somebody else has changed what the build looked at, or could have without a trace."""
    if trail.wrote(path):
        return
    kinds = set(seen.kinds)
    if kinds <= {"t"}:
        undisturbed = _types(seen.line) == _types(after)
    elif _is_folder(after) and trail.wrote_in(path):
        undisturbed = _types(seen.line) == _types(after)
        if seen.names is not None:
            differing = set(seen.names).symmetric_difference(_names(path) or ())
            undisturbed = undisturbed and all(trail.wrote(os.path.join(path, name[1:])) for name in differing)
    else:
        undisturbed = seen.line == after and newest_time([after]) < trail.started - TICK
    if not undisturbed:
        raise UnprovableError("changed while it was built", path=path)


def _fact(path: str, kinds: str, line: str) -> Fact:
    wanted = set(kinds) - {"m"}
    if "m" in kinds:
        wanted.add("w")
    if "w" in wanted:
        wanted.remove("w")
        if not line.startswith("-"):  # what was made and removed again is nobody's input
            wanted.add("r")
        elif not wanted:
            return Fact(line=line, values={})
    return Fact(line=line, values={kind: _value(kind, path) for kind in sorted(wanted)})


def _holds(fact: Fact) -> bool:
    (now,) = _today([fact])
    if now == fact.line:
        return True
    same = all(_value(kind, fact.path) == value for kind, value in fact.values.items())
    return same and _today([fact]) == [now]


def _value(kind: str, path: str) -> str:
    """What the build has learnt of ``path``: nothing but that makes a difference to it."""
    try:
        return _VALUES[kind](path)
    except (OSError, ValueError) as error:
        return f"? {getattr(error, 'errno', None)}"


def _content(path: str) -> str:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        return _type(path)
    return hash_file(path)


def _listing(path: str) -> str:
    names = _names(path)
    return "" if names is None else hashlib.sha256("/".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def _type(path: str) -> str:
    return _types(stamp(path, only_type=True))


def _state(path: str) -> str:
    """Types, permissions, owner, size and time: what is copied with a file, and what makes it newer than another."""
    link, status = os.lstat(path), os.stat(path)
    return " ".join(
        f"{each.st_mode},{each.st_uid},{each.st_gid},{each.st_size},{each.st_mtime_ns}" for each in (link, status)
    )


_VALUES: dict[str, Callable[[str], str]] = {
    "r": _content,
    "l": _listing,
    "t": _type,
    "s": _state,
    "k": os.readlink,
}


def _types(line: str) -> str:
    """The types in a stamp, of a link and of what it leads to."""
    facts = line.split(" ", 2)[1]
    if not facts:
        return "-"
    return "+".join(str(stat.S_IFMT(int(part.split(",")[0]))) if part else "-" for part in facts.split("+"))


def _is_folder(line: str) -> bool:
    return _types(line).endswith(str(stat.S_IFDIR))


def _names(path: str) -> list[str] | None:
    try:
        with os.scandir(path) as entries:
            return sorted(_letter(entry) + entry.name for entry in entries)
    except OSError:
        return None


def _letter(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return "l"
    if entry.is_dir(follow_symlinks=False):
        return "d"
    return "f" if entry.is_file(follow_symlinks=False) else "o"


def shown(path: str, folder: Path) -> str:
    """``path`` for people, who know where ``folder`` is."""
    for base in (str(folder), os.path.realpath(folder)):
        if path == base:
            return "its folder"
        if path.startswith(f"{base}/"):
            return path.removeprefix(f"{base}/")
    return path
