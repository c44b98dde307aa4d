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
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from miniuv.archive.intact import hash_file
from miniuv.backend._trace_git import index_digest
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Further:
    """What programs that a build has started have looked at, as it was found out afterwards."""

    kinds: Mapping[str, str]
    """Of each path: see ``_VALUES``."""
    same: Collection[str] = ()
    """Those that are known to be what they were, though somebody has written to them."""


_NOTHING = Further(kinds={})


class _Trail:
    """All reports of one build, as one."""

    def __init__(self, reports: Sequence[TraceReport], ignored: tuple[str, ...], further: Further) -> None:
        self.started = min(report.started for report in reports)
        self.kinds: dict[str, str] = dict(further.kinds)
        self.further = further
        self.first: dict[str, Seen] = {}
        """What was seen first of a path; of a folder, when it was listed first."""
        self.seen: list[tuple[str, Seen]] = []
        self._written: set[str] = set()
        self._touched: set[str] = set()
        self._moved: set[str] = set()
        for report in reports:
            for each in report.seen:
                path = path_of(each.line)
                if f"{path}/".startswith(ignored):
                    continue
                known = self.first.get(path)
                if known is None or (known.names is None and each.names is not None):
                    self.first[path] = each
                kinds = each.kinds.replace("b", "")
                if not kinds:
                    continue
                self.seen.append((path, replace(each, kinds=kinds)))
                self.kinds[path] = self.kinds.get(path, "") + kinds
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

    def old(self, line: str) -> bool:
        """Whether what ``line`` is a stamp of is older than the build, by all its times."""
        return newest_time([line]) < self.started - TICK

    def was_absent(self, path: str) -> bool:
        """Whether there was nothing at ``path`` during the whole build, where there is nothing now."""
        known = self.first.get(path)
        if known is not None:
            return _types(known.line) == "-"
        above = os.path.dirname(path)
        listed = self.first.get(above)
        if listed is not None and listed.names is not None:
            return os.path.basename(path) not in {name[1:] for name in listed.names}
        line = stamp(above)
        return self.old(line) if not line.startswith("-") else self.was_absent(above)

    def git_wrote_in(self, path: str) -> bool:
        """Whether git may have written to the folder ``path``, and only what is known to be the same."""
        return any(os.path.dirname(each) == path for each in self.further.same)

    def explains(self, path: str, before: Sequence[str] | None) -> bool:
        """Whether nobody but the build has added to the folder ``path``, or taken from it, since ``before``."""
        differing = () if before is None else set(before) ^ set(_names(path) or ())
        return all(self.wrote(each) or each in self.further.same for each in _within(path, differing))

    def kept_names(self, path: str) -> bool:
        """The same, where it is known what was in the folder before."""
        listed = self.first.get(path)
        return listed is not None and listed.names is not None and self.explains(path, listed.names)


def check_traceable(reports: Iterable[TraceReport]) -> None:
    """Raise ``UnprovableError`` where a hook did what nobody can trace."""
    for reason in (reason for report in reports for reason in report.refusals):
        raise UnprovableError(reason)


def gather(
    reports: Sequence[TraceReport],
    *,
    ignored: Iterable[str] = (),
    read: Iterable[str] = (),
    looked_for: Iterable[str] = (),
    further: Further = _NOTHING,
) -> tuple[Fact, ...]:
    """Make proof of what the hooks of one build have reported; raises ``UnprovableError``.

    Call it at once when they have ended. ``ignored`` are folders of our own. ``read`` and ``looked_for`` are paths that
    count, whether a hook came to them or not; ``further`` is what other programs than the hooks have looked at.
    """
    check_traceable(reports)
    trail = _Trail(reports, tuple(f"{folder.rstrip('/')}/" for folder in ignored), further)
    for kind, paths in (("r", read), ("t", looked_for)):
        for path in paths:
            trail.kinds[path] = trail.kinds.get(path, "") + kind
    lines = settled(lambda: [_stamp(path, kinds) for path, kinds in trail.kinds.items()])
    if lines is None:
        raise UnprovableError("times of its files lie in the future, are too coarse, or change all the time")
    after = dict(zip(trail.kinds, lines, strict=True))
    for path, each in trail.seen:
        _check_undisturbed(path, each, after[path], trail)
    for path, kinds in further.kinds.items():
        if not _was_so_before(path, kinds, after[path], trail):
            raise UnprovableError("changed while it was built", path=path)
    facts = [_fact(path, kinds, after[path]) for path, kinds in trail.kinds.items()]
    for fact in facts:
        if {"r", "l", "g", "i"} & fact.values.keys() and stamp(fact.path) != fact.line:
            raise UnprovableError("changed just after it was built", path=fact.path)
    return tuple(fact for fact in facts if fact.values)


def first_change(facts: Sequence[Fact], today: Sequence[str] | None = None) -> str | None:
    """The first path that is not what it was; ``None``: a build would find everything as it was.

    ``today`` are the stamps of now, where they were taken already.
    """
    now = stamps_of(facts) if today is None else today
    return next((fact.path for fact, line in zip(facts, now, strict=True) if not _holds(fact, line)), None)


def renewed(facts: Sequence[Fact], today: Sequence[str] | None = None) -> tuple[Fact, ...] | None:
    """The same ``facts`` with today's stamps, where their values hold though the stamps do not.

    ``None`` where nothing is to be renewed, or a file is so fresh that its stamp could lie.
    """
    now = stamps_of(facts) if today is None else today
    changed = [line for line, fact in zip(now, facts, strict=True) if line != fact.line]
    if not changed or time.time_ns() - newest_time(changed) < _OLD_ENOUGH or first_change(facts, now) is not None:
        return None
    if stamps_of(facts) != list(now):
        return None
    return tuple(replace(fact, line=line) for line, fact in zip(now, facts, strict=True))


def stamps_of(facts: Sequence[Fact]) -> list[str]:
    """The stamps of ``facts`` as they are now."""
    return [_stamp(fact.path, "".join(fact.values)) for fact in facts]


def _stamp(path: str, kinds: str) -> str:
    return stamp(path, only_type=set(kinds) == {"t"})


def _check_undisturbed(path: str, seen: Seen, after: str, trail: _Trail) -> None:
    """Raise where somebody else has changed what the build looked at, or could have without a trace."""
    if trail.wrote(path):
        return
    kinds = set(seen.kinds)
    if kinds <= {"t"}:
        undisturbed = _types(seen.line) == _types(after)
    elif _is_folder(after) and (trail.wrote_in(path) or trail.git_wrote_in(path)):
        undisturbed = _types(seen.line) == _types(after) and trail.explains(path, seen.names)
    else:
        undisturbed = seen.line == after and newest_time([after]) < trail.started - TICK
    if not undisturbed:
        raise UnprovableError("changed while it was built", path=path)


def _was_so_before(path: str, kinds: str, line: str, trail: _Trail) -> bool:
    """Whether what another program saw at ``path`` is what is there now: of that there is no stamp of before."""
    if trail.wrote(path) or path in trail.further.same:
        return True
    if line.startswith("-"):
        return trail.was_absent(path)
    if trail.old(stamp(path)):
        return True
    return _is_folder(line) and (trail.kept_names(path) if "l" in kinds else trail.wrote_in(path))


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


def _holds(fact: Fact, now: str) -> bool:
    if now == fact.line:
        return True
    same = all(_value(kind, fact.path) == value for kind, value in fact.values.items())
    return same and stamps_of([fact]) == [now]


def _value(kind: str, path: str) -> str:
    """What the build has learnt of ``path``: nothing but that makes a difference to it."""
    try:
        return _VALUES[kind](path)
    except (KeyError, OSError, ValueError) as error:
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


def _permissions(path: str) -> str:
    """Types, permissions and owner: who may do what."""
    status = os.stat(path)
    return f"{status.st_mode},{status.st_uid},{status.st_gid}"


def _state(path: str) -> str:
    """Types, permissions, owner, size and time: what is copied with a file, and what makes it newer than another."""
    link, status = os.lstat(path), os.stat(path)
    return " ".join(
        f"{each.st_mode},{each.st_uid},{each.st_gid},{each.st_size},{each.st_mtime_ns}" for each in (link, status)
    )


def _tracked(path: str) -> str:
    """What git stores of a file, or of a link; of a folder, that it is one."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"l {os.readlink(path)}"
    return f"{mode & 0o100} {hash_file(path)}" if stat.S_ISREG(mode) else str(stat.S_IFMT(mode))


_VALUES: dict[str, Callable[[str], str]] = {
    "r": _content,
    "l": _listing,
    "t": _type,
    "s": _state,
    "a": _permissions,
    "u": os.path.realpath,
    "k": os.readlink,
    "g": _tracked,
    "i": index_digest,
    "o": lambda path: str(os.lstat(path).st_uid),
    "x": stamp,
}
"""``g``, ``i``, ``o`` and ``x`` are of what git has looked at: a tracked file, an index, who owns a repository, and
what is too large to be read, or must not even have other times."""


def _types(line: str) -> str:
    """The types in a stamp, of a link and of what it leads to."""
    facts = line.split(" ", 2)[1]
    if not facts:
        return "-"
    return "+".join(str(stat.S_IFMT(int(part.split(",")[0]))) if part else "-" for part in facts.split("+"))


def _is_folder(line: str) -> bool:
    return _types(line).endswith(str(stat.S_IFDIR))


def _within(path: str, names: Iterable[str]) -> list[str]:
    return [os.path.join(path, name[1:]) for name in names]


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
