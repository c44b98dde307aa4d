"""Hears what a hook looks at, so that what it makes can be used again while all of that stays as it was.

::

    python _trace.py REPORT SCRIPT ARGUMENTS...

Runs ``SCRIPT`` as ``__main__``, between ``start(REPORT)`` and ``finish()``; whoever has an interpreter running calls
these two. One thread or many, the standard library only, Python 3.9 and newer.

The report, one line each, in UTF-8 with escaped surrogates; a newline within a path is ``NUL``::

    trace 1 STARTED                     nanoseconds since the epoch
    ! REASON                            something happened that nobody can trace
    $ (GIT, ARGV, FOLDER, VARIABLES)    a git that was started, as Python writes these
    % (FOLDER, DIGEST)                  the folder of a repository, and what was in its index before
    KINDS STAMP                         what was done to a path, and a line as of `miniuv.stamps`, before it was done
    = NAME/NAME/...                     of a folder (`l`, `b`): what was in it, each name after the letter of its type
    .                                   the end; without it the report is worth nothing

``KINDS`` are ``r`` content read, ``l`` listed, ``t`` looked for (what it is, or that it is not there), ``s`` size,
times or permissions looked at, ``a`` asked whether it may be used, ``u`` which folder it is, ``k`` a link's target
read, ``w`` written, made, or removed, ``m`` moved with all below, ``b`` looked at by us, before git was started.

Audit events tell of every opened file and listed folder. What asks for the state of a file has no event:
``_trace_calls.py`` stands in for it.
"""

import _imp
import _thread
import builtins
import os
import posix
import stat
import sys
import time
from types import CodeType, TracebackType
from typing import Any, Optional, Union

_PATHS = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]", int, None]

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OTHER_PROGRAMS = ("os.exec", "os.spawn", "os.system", "os.fork", "pty.")
_NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "imaplib.", "poplib.", "telnetlib.", "nntplib.")
_OPAQUE = ("sqlite3.", "ctypes.dlsym", "ctypes.call_function", "webbrowser.", "os.chroot")
_BLIND_MODULES = ("_dbm", "_gdbm")
_HARMLESS_NATIVE = "tomli"
"""Parses texts; its compiled helper has a name made of a hash."""

_WRITTEN: "dict[str, tuple[tuple[int, Optional[int], str], ...]]" = {
    "os.mkdir": ((0, 2, "w"),),
    "os.remove": ((0, 1, "w"),),
    "os.rmdir": ((0, 1, "w"),),
    "os.rename": ((0, 2, "m"), (1, 3, "m")),
    "os.link": ((0, 2, "r"), (1, 3, "w")),
    "os.symlink": ((1, 2, "w"),),
    "os.chmod": ((0, 2, "w"),),
    "os.chown": ((0, 3, "w"),),
    "os.utime": ((0, 3, "w"),),
    "os.truncate": ((0, None, "w"),),
}
"""Audit event to (which argument is a path, which one is its folder's descriptor, kind)."""


class _Trace:
    """What was seen since ``start``."""

    def __init__(self, report: str) -> None:
        self.report = report
        self.on = False
        self.started = time.time_ns()
        self.seen: "dict[str, list[Any]]" = {}
        """Path to kinds, stamp and names."""
        self.refusals: "dict[str, None]" = {}
        self.natives: "dict[str, str]" = {}
        self.blind_before = {name for name in _BLIND_MODULES if name in sys.modules}
        library = os.path.dirname(os.__file__)
        self.library = _with_links([library])
        self.foreign = tuple(
            f"{folder}{name}/" for folder in self.library for name in ("site-packages", "dist-packages")
        )
        inside = [sys.prefix, os.environ.get("TMPDIR", ""), os.path.dirname(report), os.path.dirname(sys.argv[0])]
        self.ignored = _with_links([*inside, *sys.argv[1:]])
        self.beyond = _Beyond()
        self.started_programs: Any = None
        self.starting = _thread.allocate_lock()

    def programs(self) -> Any:
        """Who hears of programs that are started; most hooks start none."""
        with self.starting:
            if self.started_programs is None:
                self.beyond.ours = True
                try:
                    self.started_programs = _sibling("_trace_git.py")["Programs"](self)
                finally:
                    self.beyond.ours = False
            return self.started_programs

    def note(self, kind: str, path: "_PATHS", base: Optional[int] = None) -> None:
        """Remember what is done to ``path``, relative to the folder open as ``base``, or to the current one."""
        full = self.absolute(path, base)
        if full is None or full == "/dev/null" or f"{full}/".startswith(self.ignored):
            return
        if f"{full}/".startswith(self.library) and not full.startswith(self.foreign):
            return
        known = self.seen.get(full)
        if known is None:
            known = self.seen.setdefault(full, ["", _stamp(full), None])
        if kind not in known[0]:
            known[0] += kind
            if kind in "bl" and known[2] is None:
                known[2] = _names(full)

    def absolute(self, path: "_PATHS", base: Optional[int]) -> Optional[str]:
        if path is None:
            path = "."
        if isinstance(path, int):
            return self.opened(path)
        text = os.fsdecode(path)
        folder: "Optional[str]" = ""
        if not text.startswith("/"):
            folder = os.getcwd() if base is None or base < 0 else self.opened(base)
        if folder is None:
            return None
        parts = [part for part in f"{folder}/{text}".split("/") if part not in ("", ".")]
        return "/" + "/".join(parts)

    def opened(self, descriptor: int) -> Optional[str]:
        """The path behind a descriptor; ``None`` where it is a pipe and the like."""
        try:
            target = os.fsdecode(_readlink(f"/proc/self/fd/{descriptor}"))
        except OSError:
            self.refuse("it works with descriptors, which cannot be followed here")
            return None
        return target if target.startswith("/") else None

    def refuse(self, reason: str) -> None:
        self.refusals.setdefault(reason)

    def event(self, name: str, arguments: "tuple[Any, ...]") -> None:
        if name == "open":
            path, _, flags = arguments
            if isinstance(path, int):
                return
            if not isinstance(flags, int) or flags & _WRITING:
                if not isinstance(flags, int) or (flags & os.O_RDWR and not flags & os.O_TRUNC):
                    self.note("r", path, self.beyond.base)
                self.note("w", path, self.beyond.base)
            else:
                self.note("r", path, self.beyond.base)
        elif name in ("os.listdir", "os.scandir"):
            self.note("l", arguments[0])
        elif name == "import":
            if arguments[1] is not None:
                self.natives[str(arguments[0])] = os.fsdecode(arguments[1])
        elif name in _WRITTEN:
            for position, folder, kind in _WRITTEN[name]:
                if not isinstance(arguments[position], int):
                    self.note(kind, arguments[position], None if folder is None else arguments[folder])
        elif name == "subprocess.Popen":
            self.programs().announced(arguments[0])
        elif name == "os.posix_spawn":
            self.programs().spawned(*arguments)
        elif name.startswith(_OTHER_PROGRAMS):
            self.refuse(f"it runs other programs{_program(arguments)}")
        elif name.startswith(_NETWORK):
            self.refuse("it uses the network")
        elif name.startswith(_OPAQUE) or (name == "ctypes.dlopen" and arguments[0] is not None):
            self.refuse("it uses a native library")

    def natives_loaded(self) -> "list[str]":
        """Compiled modules that are not the standard library's: nobody knows what they open."""
        suffixes = tuple(_imp.extension_suffixes())
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.endswith(suffixes):
                self.natives.setdefault(name, file)
        found = [
            name
            for name, file in self.natives.items()
            if file.startswith(self.foreign) or not file.startswith(self.library)
        ]
        found = [] if _is_harmless(found) else found
        return found + [name for name in _BLIND_MODULES if name in sys.modules and name not in self.blind_before]

    def write(self) -> None:
        for name in self.natives_loaded():
            self.refuse(f"it uses the compiled module {name}")
        programs = self.started_programs
        if programs is not None and programs.unexplained():
            self.refuse("it runs other programs")
        lines = [f"trace 1 {self.started}"]
        lines += [f"! {reason}" for reason in self.refusals]
        lines += [] if programs is None else list(programs.lines)
        for kinds, line, names in list(self.seen.values()):
            lines.append(f"{kinds} {line}")
            if names is not None:
                lines.append("= " + "/".join(names).replace("\n", "\0"))
        lines.append(".\n")
        data = "\n".join(lines).encode("utf-8", "surrogateescape")
        with open(self.report, "wb") as file:
            file.write(data)


class _Beyond(_thread._local):
    """The folder's descriptor of this thread's ``os.open``, which its audit event does not tell."""

    base: Optional[int] = None
    program: str = ""
    """What this thread's ``subprocess`` is about to start."""
    ours: bool = False
    """Whether it is us who look at something."""


_stat, _lstat, _readlink, _scandir = posix.stat, posix.lstat, posix.readlink, posix.scandir
_trace: Any = None
compiled: "dict[str, CodeType]" = {}
"""Files of this folder that a warm runner has compiled before it has forked."""


def start(report: str) -> None:
    """Begin to listen; the report will be at ``report``, an absolute path. Once a process."""
    global _trace  # noqa: PLW0603  # one process, one trace; an audit hook is never taken away
    _trace = _Trace(report)
    _sibling("_trace_calls.py")["replace"](_trace)
    sys.addaudithook(_hear)
    sys.excepthook = _show
    _trace.on = True


def finish() -> None:
    """Listen no more, and write the report; called by the process that called ``start``."""
    if _trace is not None and _trace.on:
        _trace.on = False
        _trace.write()


def _hear(name: str, arguments: "tuple[Any, ...]") -> None:
    if _trace.on and not _trace.beyond.ours:
        try:
            _trace.event(name, arguments)
        except Exception as error:  # noqa: BLE001  # an audit hook that raises would end what the build does
            _trace.refuse(f"it did what cannot be followed ({name}, {type(error).__name__})")


def _sibling(name: str) -> "dict[str, Any]":
    """What another file of this folder defines, which is on nobody's path."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    names: "dict[str, Any]" = {"__name__": "miniuv" + name, "__file__": path}
    code = compiled.get(name)
    if code is None:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec")
    exec(code, names)  # noqa: S102  # ours
    return names


def _program(arguments: "tuple[Any, ...]") -> str:
    first = arguments[0] if arguments else None
    if isinstance(first, (bytes, str)):
        return f" ({os.path.basename(os.fsdecode(first).split(' ')[0])})"
    return ""


def _is_harmless(names: "list[str]") -> bool:
    return all(name.startswith(f"{_HARMLESS_NATIVE}.") or name.endswith("__mypyc") for name in names)


def _with_links(folders: "list[str]") -> "tuple[str, ...]":
    """Each folder with a slash at its end, by its own name and by its real one."""
    absolute = [folder for folder in folders if folder.startswith("/")]
    both = [*absolute, *map(os.path.realpath, absolute)]
    return tuple(sorted({folder.rstrip("/") + "/" for folder in both if folder.strip("/")}))


def _names(path: str) -> "Optional[list[str]]":
    try:
        with _scandir(path) as entries:
            return sorted(_letter(entry) + entry.name for entry in entries)
    except OSError:
        return None


def _letter(entry: Any) -> str:
    if entry.is_symlink():
        return "l"
    if entry.is_dir(follow_symlinks=False):
        return "d"
    return "f" if entry.is_file(follow_symlinks=False) else "o"


def _stamp(path: str) -> str:
    """The same as ``miniuv.stamps.stamp``."""
    facts = _facts(path)
    return "{} {} {}".format("s" if facts else "-", facts, path.replace("\n", "\0"))


def _facts(path: str) -> str:
    try:
        status = _lstat(path)
    except (OSError, ValueError):
        return ""
    facts = _of(status)
    if not stat.S_ISLNK(status.st_mode):
        return facts
    try:
        return f"{facts}+{_of(_stat(path))}"
    except OSError:
        return f"{facts}+"


def _of(status: os.stat_result) -> str:
    return f"{status.st_mode},{status.st_size},{status.st_ino},{status.st_mtime_ns},{status.st_ctime_ns}"


def main() -> None:
    """Run a script as Python would run it, traced."""
    report, script = sys.argv[1:3]
    sys.argv[:] = sys.argv[2:]
    sys.path[0] = os.path.dirname(script)
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    module = type(sys)("__main__")
    names = module.__dict__
    names.update({"__file__": script, "__builtins__": builtins, "__cached__": None})
    sys.modules["__main__"] = module
    start(report)
    try:
        exec(code, names)  # noqa: S102  # it is what was asked for
    finally:
        finish()


def _show(kind: "type[BaseException]", error: BaseException, trace: "Optional[TracebackType]") -> None:
    """Print a traceback as it would be without us."""
    frames = []
    while trace is not None:
        if not trace.tb_frame.f_code.co_filename.startswith(os.path.splitext(__file__)[0]):
            frames.append(trace)
        trace = trace.tb_next
    for frame in reversed(frames):
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    sys.__excepthook__(kind, error.with_traceback(trace), trace)


if __name__ == "__main__":
    main()
