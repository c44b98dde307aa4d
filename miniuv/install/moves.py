"""A change of the environment as a list of renames that can be done again, or taken back, wherever they were cut short.

Whatever leaves or comes has a place of its own *aside*, where nobody but miniuv writes: what leaves is done once it
lies there, what comes is done once it lies there no more. So each step tells by itself whether it was done, and a
rename is all that any of them needs.
"""

import contextlib
import errno
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Literal, NamedTuple

import msgspec

from miniuv.errors import InstallError, Interrupted
from miniuv.install.journal_form import facts_of

_NOT_EMPTY = frozenset({errno.ENOTEMPTY, errno.EEXIST})


class UnrestoredError(InstallError):
    """A change failed and could not be taken back whole: the journal stays, and says what is missing."""

    usual_hint = "mend the cause; the next command that changes this environment, or `miniuv pip check`, tries again"


class Facts(NamedTuple):
    """What was at a path: by its inode, or where those were made anew (a copied environment) by size and time."""

    mode: int
    inode: int
    size: int
    """0 of a folder."""
    modified: int
    """Nanoseconds since the epoch."""

    @classmethod
    def of(cls, path: str) -> "Facts":
        """Look at ``path`` itself; raises ``OSError``."""
        return cls(*facts_of(path))

    def hold(self, path: str) -> bool:
        """Whether the same is at ``path``; a file may have been edited since. Raises ``OSError``."""
        try:
            now = Facts.of(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stat.S_IFMT(now.mode) != stat.S_IFMT(self.mode):
            return False
        return now.inode == self.inode or (now.size, now.modified) == (self.size, self.modified)


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One step. ``place`` is in the environment, and nothing is there when something comes."""

    kind: Literal["leaves", "comes", "made", "emptied"]
    """``made`` and ``emptied`` are of folders that stay where they are: one is made, one goes if it is empty."""
    place: str
    aside: str = ""
    facts: Facts = Facts(stat.S_IFDIR | 0o755, 0, 0, 0)
    """Of what leaves or comes, or of the folder."""
    entries: int = -1
    """How much there is in a folder that leaves or comes as one, at any depth, without what Python compiles; -1 of
    anything else."""


def do_moves(moves: Sequence[Move], *, interrupted: Callable[[], bool] = lambda: False) -> None:
    """Do every move that is not done yet, in order.

    ``interrupted`` is asked before each one. Raises ``Interrupted``, or the ``OSError`` of the move that failed.
    """
    for move in moves:
        if interrupted():
            raise Interrupted("interrupted: the environment is as it was")
        _do(move)


def undo_moves(moves: Sequence[Move]) -> None:
    """Take back every move that was done; ``UnrestoredError`` where that fails, naming what is where."""
    lost: list[str] = []
    for move in reversed(moves):
        try:
            _undo(move)
        except OSError as error:
            lost.append(f"`{move.place}` is not as it was ({error.strerror})")
    if lost:
        raise UnrestoredError("the environment could not be restored after a failed change: " + "; ".join(lost))


def disturbed(moves: Sequence[Move], *, is_undone: bool = False) -> list[str]:
    """Name the places where somebody else has been at work since the moves were planned.

    Compiled modules are Python's own to write, and never counted. In a folder that is yet to leave, or to be taken
    back, nothing may have been added: it would go too. Raises ``OSError`` where we may not look.
    """
    found: list[str] = []
    vacant: set[str] = set()
    targets = {move.place for move in moves if move.kind == "comes"}
    for move in moves:
        if not move.aside or is_compiled(move.place):
            continue
        is_aside = is_there(move.aside)
        if move.kind == "leaves":
            if not is_aside and move.facts.hold(move.place):
                vacant.add(move.place)
                if not is_undone and _has_grown(move):
                    found.append(move.place)
            elif not is_aside or (move.place not in targets and is_there(move.place)):
                found.append(move.place)
        elif is_aside:
            if is_there(move.place) and move.place not in vacant:
                found.append(move.place)
        elif not move.facts.hold(move.place) or (is_undone and _has_grown(move)):
            found.append(move.place)
    return list(dict.fromkeys(found))


def stale_compiled(moves: Sequence[Move]) -> list[str]:
    """Name what Python may have compiled, since the moves were planned, of modules that are yet to leave.

    Python would take it for the new module where time and size happen to be the same.
    """
    planned = {move.place for move in moves}
    found: list[str] = []
    for move in moves:
        folder, _, name = move.place.rpartition("/")
        is_due = move.kind == "leaves" and name.endswith(".py") and not os.path.lexists(move.aside)
        if not is_due or stat.S_ISDIR(move.facts.mode) or f"{folder}/__pycache__" in planned:
            continue
        with contextlib.suppress(OSError):
            for entry in sorted(os.listdir(f"{folder}/__pycache__")):
                path = f"{folder}/__pycache__/{entry}"
                if entry.partition(".")[0] == name.removesuffix(".py") and ".pyc" in entry and path not in planned:
                    found.append(path)
    return list(dict.fromkeys(found))


def is_there(path: str) -> bool:
    """Whether something is at ``path``; raises ``OSError`` where that cannot be seen, since much depends on it."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_compiled(path: str) -> bool:
    """Whether ``path`` is where Python keeps compiled modules: it may write there at any time."""
    return "/__pycache__/" in f"{path}/"


@contextlib.contextmanager
def deferred_signals() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl-C, termination and the end of the terminal; gives a function that tells whether one came.

    One that nobody acted upon is delivered at the end. Python runs handlers in the main thread only, so elsewhere
    there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in previous.items():
        if handler is not None:
            signal.signal(number, remember)
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in previous.items():
            if handler is not None:
                signal.signal(number, handler)
    if received:
        signal.raise_signal(received[0])


def _do(move: Move) -> None:
    match move.kind:
        case "leaves":
            if not is_there(move.aside) and not _is_gone(move.place):
                os.rename(move.place, move.aside)
        case "comes":
            if is_there(move.aside):
                _put(move.aside, move.place)
        case "made":
            _make_folder(move)
        case "emptied":
            _remove_folder(move.place)


def _undo(move: Move) -> None:
    match move.kind:
        case "leaves":
            if is_there(move.aside):
                _put(move.aside, move.place)
        case "comes":
            if not is_there(move.aside) and not _is_gone(move.place):
                os.rename(move.place, move.aside)
        case "made":
            _remove_folder(move.place)
        case "emptied":
            _make_folder(move)


def _is_gone(place: str) -> bool:
    """Whether it is a compiled module that is not there any more: then it need not be moved."""
    return is_compiled(place) and not is_there(place)


def _has_grown(move: Move) -> bool:
    return move.entries >= 0 and _count(move.place) > move.entries


def _count(folder: str) -> int:
    with os.scandir(folder) as entries:
        names = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries if entry.name != "__pycache__"]
    return len(names) + sum(_count(path) for path, is_folder in names if is_folder)


def _put(aside: str, place: str) -> None:
    """Move ``aside`` to ``place``; what Python has compiled there meanwhile makes room."""
    if is_compiled(place) and os.path.lexists(place):
        number = 0
        while os.path.lexists(instead := f"{aside}.instead-{number}"):
            number += 1
        os.rename(place, instead)
    os.rename(aside, place)


def _make_folder(move: Move) -> None:
    try:
        os.mkdir(move.place)
    except FileExistsError:
        return
    os.chmod(move.place, stat.S_IMODE(move.facts.mode))


def _remove_folder(place: str) -> None:
    try:
        os.rmdir(place)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in _NOT_EMPTY:
            raise
