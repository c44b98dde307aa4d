"""Stand-ins for what asks for the state of a path, and tells nobody: ``os.stat`` and its kin.

A part of ``_trace.py``, which runs it; they are put in ``os`` and wherever else the originals were taken before. Each
remembers the path with the trace, and does what the original does.
"""

import os
import posix
import stat
import sys
import time
from types import CodeType, TracebackType
from typing import Any, Callable, Iterator, Optional

_PREDICATES = frozenset(
    [
        *("exists", "lexists", "isfile", "isdir", "islink", "isjunction", "ismount", "realpath", "_joinrealpath"),
        *("is_file", "is_dir", "is_symlink", "is_mount", "is_junction"),
    ]
)
"""Functions of the standard library that ask for a file's state and answer what kind of file it is."""

_stat = posix.stat
_trace: Any = None


def replace(trace: Any) -> None:
    """Put the stand-ins wherever the originals are known by now: in modules, and in classes of pathlib and glob."""
    import _posixsubprocess  # what `multiprocessing` starts its helpers with has no audit event

    global _trace  # noqa: PLW0603
    _trace = trace
    stand_ins = [
        *(_Asking(each, "s") for each in (posix.stat, posix.lstat, posix.fstat)),
        _Asking(posix.access, "a"),
        _Asking(posix.readlink, "k"),
        _Opening(posix.open),
        _Scanning(posix.scandir),
        _Clock(time.strftime, 1),
        *(_Clock(each, 0) for each in (time.localtime, time.gmtime, time.ctime, time.asctime)),
        _Starting(_posixsubprocess.fork_exec),
    ]
    by_original = {id(each.original): each for each in stand_ins}
    for name in ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids"):
        known = getattr(os, name)
        known.update([by_original[id(each)] for each in known if id(each) in by_original])
    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict) or names is globals():
            continue
        for name, value in list(names.items()):
            if id(value) in by_original:
                names[name] = by_original[id(value)]
            elif issubclass(type(value), type) and str(value.__module__).partition(".")[0] in ("pathlib", "glob"):
                _replace_in_class(value, by_original)


def _replace_in_class(cls: type, by_original: "dict[int, Any]") -> None:
    for name, value in list(vars(cls).items()):
        plain = getattr(value, "__func__", value)
        if id(plain) in by_original:
            setattr(cls, name, by_original[id(plain)])


class _StandIn:
    """Stands for a function. It is none itself: a class may have it as an attribute."""

    def __init__(self, original: "Callable[..., Any]") -> None:
        self.original = original
        self.__name__ = original.__name__
        self.__doc__ = original.__doc__


class _Asking(_StandIn):
    """Asks for the state of a path."""

    def __init__(self, original: "Callable[..., Any]", kind: str) -> None:
        super().__init__(original)
        self.kind = kind

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if _trace.on:
            try:
                path = arguments[0] if arguments else options.get("path", options.get("fd"))
                kind = _wanted(sys._getframe(1), self.kind, path)
                _trace.note(kind, path, options.get("dir_fd"))
            except Exception as error:  # noqa: BLE001  # the build goes on, whatever it asked for
                _trace.refuse(f"it asked for a path that cannot be followed ({type(error).__name__})")
        return self.original(*arguments, **options)


class _Opening(_StandIn):
    """Stands for ``os.open``."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        folder = options.get("dir_fd")
        if folder is None or not _trace.on:
            return self.original(*arguments, **options)
        before, _trace.beyond.base = _trace.beyond.base, folder
        try:
            return self.original(*arguments, **options)
        finally:
            _trace.beyond.base = before


class _Scanning(_StandIn):
    """Stands for ``os.scandir``: its entries ask for states without anybody's hearing it."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        entries = self.original(*arguments, **options)
        if not _trace.on:
            return entries
        path = arguments[0] if arguments else options.get("path")
        return _Entries(entries, _trace.absolute(path, None))


class _Clock(_StandIn):
    """Stands for what tells the date: in a version, as of setuptools' ``tag_date``, it makes another wheel tomorrow."""

    def __init__(self, original: "Callable[..., Any]", most: int) -> None:
        super().__init__(original)
        self.most = most
        """Where the time that is asked for stands among the arguments."""

    def __call__(self, *arguments: Any) -> Any:
        if _trace.on and (len(arguments) <= self.most or arguments[self.most] is None):
            _trace.refuse("it asks for the date")
        return self.original(*arguments)


class _Starting(_StandIn):
    """Stands for what starts a program."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if _trace.on:
            try:
                _trace.programs().forked(arguments)
            except Exception as error:  # noqa: BLE001  # the build goes on, whatever it starts
                _trace.refuse(f"it runs a program in a way that cannot be followed ({type(error).__name__})")
        return self.original(*arguments, **options)


class _Entries:
    def __init__(self, entries: Any, folder: Optional[str]) -> None:
        self._entries = entries
        self._folder = folder

    def __iter__(self) -> "Iterator[_Entry]":
        return self

    def __next__(self) -> "_Entry":
        return _Entry(next(self._entries), self._folder)

    def __enter__(self) -> "_Entries":
        return self

    def __exit__(self, kind: "Optional[type[BaseException]]", error: Any, trace: "Optional[TracebackType]") -> None:
        self._entries.close()

    def close(self) -> None:
        self._entries.close()


class _Entry:
    __slots__ = ("_entry", "_folder", "name", "path")

    def __init__(self, entry: Any, folder: Optional[str]) -> None:
        self._entry = entry
        self._folder = folder
        self.name = entry.name
        self.path = entry.path

    def _note(self, kind: str) -> None:
        if _trace.on and self._folder is not None:
            _trace.note(kind, os.path.join(self._folder, os.fsdecode(self.name)))

    def _note_target(self, follow_symlinks: bool) -> None:
        if follow_symlinks and self._entry.is_symlink():
            self._note("t")

    def is_dir(self, *, follow_symlinks: bool = True) -> Any:
        self._note_target(follow_symlinks)
        return self._entry.is_dir(follow_symlinks=follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> Any:
        self._note_target(follow_symlinks)
        return self._entry.is_file(follow_symlinks=follow_symlinks)

    def is_symlink(self) -> Any:
        return self._entry.is_symlink()

    def is_junction(self) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool = True) -> Any:
        self._note("s")
        return self._entry.stat(follow_symlinks=follow_symlinks)

    def inode(self) -> Any:
        self._note("s")
        return self._entry.inode()

    def __fspath__(self) -> Any:
        return self._entry.__fspath__()

    def __repr__(self) -> str:
        return repr(self._entry)


_kinds_of_code: "dict[CodeType, int]" = {}


def _wanted(frame: Any, kind: str, path: Any) -> str:
    """``t`` where the caller is known to use nothing but the type of a file, ``u`` nothing but which one it is."""
    if kind in ("a", "k"):
        return kind
    code = frame.f_code
    known = _kinds_of_code.get(code)
    if known is None:
        known = _kinds_of_code[code] = _classify(code)
    if known == 1:
        return "t"
    if known == 2:  # a method of pathlib, which another one asks
        asker = frame.f_back.f_code if frame.f_back is not None else code
        return "t" if asker.co_name in _PREDICATES and "pathlib" in asker.co_filename else kind
    if known == 3:  # the import system wants times of files, and of folders only to list them again
        try:
            return kind if stat.S_ISREG(_stat(path).st_mode) else "t"
        except OSError:
            return "t"
    return "u" if known == 4 else kind  # setuptools compares inodes, to come to no folder twice


def _classify(code: CodeType) -> int:
    file = code.co_filename
    if file.startswith("<frozen importlib"):
        return 3
    if code.co_name == "__call__" and file.endswith(("/_distutils/filelist.py", "/distutils/filelist.py")):
        return 4
    if not file.startswith((*_trace.library, "<frozen ")) or file.startswith(_trace.foreign):
        return 0
    if code.co_name in _PREDICATES:
        return 1
    return 2 if "pathlib" in file and code.co_name in ("stat", "lstat") else 0
