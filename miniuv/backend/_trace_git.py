"""Tells of the programs that a hook starts: which git with which arguments, and what its repository was like before.

A part of ``_trace.py``, which runs it. Only git is let through: what it has looked at can be found out afterwards
(``miniuv.sources.git_evidence``), but for one thing: whether it has refreshed its index itself, or somebody has staged
something meanwhile. So the index is read before git is started for the first time, and the names beside it.
"""

import os
import posix
import stat
from typing import Any, Iterable, Mapping, Optional

_LARGEST_INDEX = 16 << 20
"""Bytes; about 150,000 files."""
_ENTRY, _STAGED = 62, 40
"""Where the name in an entry of an index begins, and where what is staged does, after times and inodes."""
_EXTENDED = 0x4000
_WITHOUT_MEANING = (b"TREE", b"REUC", b"UNTR", b"EOIE", b"IEOT")
"""Extensions of an index that save time, and nothing else."""


def _plain(function: Any) -> Any:
    """The function itself, and not what stands in for it."""
    return getattr(function, "original", function)


_stat, _lstat, _access = _plain(posix.stat), _plain(posix.lstat), _plain(posix.access)


class Programs:
    """The programs that one hook starts."""

    def __init__(self, trace: Any) -> None:
        self._trace = trace
        self.lines: "dict[str, None]" = {}
        """For the report: see ``_trace.py``."""
        self._announced: "list[str]" = []
        self._started: "list[str]" = []
        self._looked_at: "set[str]" = set()

    def announced(self, executable: Any) -> None:
        """``subprocess`` is about to start a program; how, is seen later."""
        self._trace.beyond.program = _name(executable)
        self._announced.append(_name(executable))

    def forked(self, arguments: "tuple[Any, ...]") -> None:
        """Hear the arguments of ``_posixsubprocess.fork_exec``."""
        announced = self._taken()
        argv, executables, _, _, folder, variables = arguments[:6]
        named = f" ({announced})" if announced else ""
        if not announced or not all(_is_usual(each) for each in arguments[14:]):
            self._trace.refuse(f"it runs other programs{named}")
            return
        given = os.environb if variables is None else dict(each.split(b"=", 1) for each in variables)
        self._start(named, executables, argv, self._trace.absolute(folder, None), given)

    def spawned(self, executable: Any, argv: Any, variables: Any) -> None:
        """Hear the arguments of ``os.posix_spawn``."""
        self._taken()
        self._start(f" ({_name(executable)})", [executable], argv, self._trace.absolute(None, None), variables)

    def unexplained(self) -> bool:
        """Whether a program was started in a way that was not seen."""
        return len(self._announced) > len(self._started)

    def _taken(self) -> str:
        beyond = self._trace.beyond
        program, beyond.program = beyond.program, ""
        if program:
            self._started.append(program)
        return str(program)

    def _start(
        self, named: str, executables: "Iterable[Any]", argv: "Iterable[Any]", folder: str, variables: Any
    ) -> None:
        trace = self._trace
        paths = [os.fsdecode(each) for each in executables]
        if any(os.path.basename(path) != "git" or not path.startswith("/") for path in paths):
            trace.refuse(f"it runs other programs{named}")
            return
        for path in paths:
            if _is_program(path):
                break
            trace.note("s", path)
        else:
            return  # there is no git, and the build goes on without
        if f"{path}/".startswith(trace.ignored):
            trace.refuse("it runs a git of its build environment")
            return
        trace.note("r", path)
        decoded = {os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()}
        kept = {
            name: value
            for name, value in sorted(decoded.items())
            if name.startswith("GIT_") or name in ("HOME", "XDG_CONFIG_HOME", "PATH")
        }
        self.lines.setdefault("$ " + ascii((path, tuple(os.fsdecode(each) for each in argv), folder, kept)))
        if folder not in self._looked_at:
            self._looked_at.add(folder)
            trace.beyond.ours = True
            try:
                self._look_before(folder, decoded)
            finally:
                trace.beyond.ours = False

    def _look_before(self, folder: str, variables: "Mapping[str, str]") -> None:
        """What could not be told from its times later; git writes beside its index to refresh it."""
        note = self._trace.note
        home = variables.get("HOME", "")
        settings = variables.get("XDG_CONFIG_HOME") or f"{home}/.config"
        for path in (f"{home}/.gitconfig", *(f"{settings}/git/{name}" for name in ("config", "ignore", "attributes"))):
            if path.startswith("/"):
                note("b", path)
        top = folder
        while not _is_there(f"{top}/.git"):
            note("b", f"{top}/.git")
            note("b", f"{top}/HEAD")
            if top in ("", "/"):
                return
            top = os.path.dirname(top)
        note("b", top)
        found = f"{top}/.git"
        if not stat.S_ISDIR(_lstat(found).st_mode):
            note("r", found)
            found = os.path.join(top, _line(found).partition("gitdir: ")[2])
        note("b", found)
        note("r", f"{found}/commondir")
        shared = os.path.join(found, _line(f"{found}/commondir"))
        note("b", shared)
        self.lines.setdefault("% " + ascii((found, index_digest(f"{found}/index"))))


def index_digest(path: str) -> str:
    """Stand for what is staged in the index of git at ``path``: all that is in it but times, inodes and caches."""
    import hashlib

    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST_INDEX + 1)
    except OSError as error:
        return f"? {error.errno}"
    try:
        parts = _meaning(data, hashlib.sha1(data[:-20], usedforsecurity=False).digest())
    except (IndexError, ValueError):
        parts = None
    if parts is None:
        if len(data) > _LARGEST_INDEX:
            return f"too large {os.stat(path).st_mtime_ns}"
        parts = [data]
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _meaning(data: bytes, checksum: bytes) -> "Optional[list[bytes]]":
    """The staged entries; ``None`` for an index of another kind, which is taken byte by byte."""
    version = int.from_bytes(data[4:8], "big")
    if data[:4] != b"DIRC" or version not in (2, 3) or data[-20:] != checksum:
        return None
    position, parts = 12, []
    for _ in range(int.from_bytes(data[8:12], "big")):
        flags = int.from_bytes(data[position + _ENTRY - 2 : position + _ENTRY], "big")
        name = position + _ENTRY + (2 if flags & _EXTENDED else 0)
        end = data.index(b"\0", name)
        staged = position + _STAGED
        parts.append(data[position + 24 : position + 28] + data[staged:end])
        position += (end - position) // 8 * 8 + 8
    while position < len(data) - 20:
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "big")
        if kind not in _WITHOUT_MEANING:
            return None
        position += 8 + length
    return parts if position == len(data) - 20 else None


def _is_program(path: str) -> bool:
    try:
        return stat.S_ISREG(_stat(path).st_mode) and _access(path, os.X_OK)
    except OSError:
        return False


def _is_there(path: str) -> bool:
    try:
        _lstat(path)
    except OSError:
        return False
    return True


def _line(path: str) -> str:
    """The text of a small file without its newline; nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return os.fsdecode(file.read(1 << 16)).rstrip("\n")
    except OSError:
        return ""


def _is_usual(setting: Any) -> bool:
    """Whether it is no other user, no other umask, and nothing that is called between fork and exec."""
    return setting is None or isinstance(setting, bool) or setting == -1


def _name(executable: Any) -> str:
    return os.path.basename(os.fsdecode(executable).split(" ")[0])
