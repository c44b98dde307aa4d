"""A change of the environment as a list of renames, and how it is applied or undone."""

import contextlib
import errno
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from miniuv.errors import InstallError, Interrupted

_ASIDE = ".miniuv-moving"


class UnrestoredError(InstallError):
    """A change failed and could not be taken back whole: the staging folder holds what is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """One rename of a file or a whole folder; ``destination`` does not exist when its turn comes."""

    source: str
    destination: str


def apply_moves(moves: Sequence[Move], *, interrupted: Callable[[], bool]) -> None:
    """Do every move in order, or none: whatever goes wrong, those already done are taken back first.

    ``interrupted`` is asked before each one. Raises ``Interrupted``, or the ``OSError`` of the move that failed;
    ``UnrestoredError`` where even taking back failed, naming what is where.
    """
    done: list[Move] = []
    try:
        for move in moves:
            if interrupted():
                raise Interrupted("interrupted: the environment is as it was")
            _move(move.source, move.destination)
            done.append(move)
    except BaseException:
        _undo(done)
        raise


@contextlib.contextmanager
def deferred_signals() -> Iterator[Callable[[], bool]]:
    """Hold back Ctrl-C and termination; gives a function that tells whether one came.

    One that nobody acted upon is delivered at the end. Python runs handlers in the main thread only, so elsewhere
    there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    received: list[int] = []

    def remember(number: int, _: FrameType | None) -> None:
        received.append(number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
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


def _undo(done: Sequence[Move]) -> None:
    lost: list[str] = []
    for move in reversed(done):
        try:
            _move(move.destination, move.source)
        except OSError as error:
            lost.append(f"`{move.destination}` belongs at `{move.source}` ({error.strerror})")
    if lost:
        raise UnrestoredError(
            "the environment could not be restored after a failed change: " + "; ".join(lost),
            hint="move these back by hand, or make the environment anew with `miniuv venv --clear`",
        )


def _move(source: str, destination: str) -> None:
    try:
        os.rename(source, destination)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.lexists(source):
            os.makedirs(os.path.dirname(destination), exist_ok=True)  # a scheme folder that did not exist yet
            os.rename(source, destination)
        elif error.errno == errno.EXDEV:
            _move_across(source, destination)
        else:
            raise


def _move_across(source: str, destination: str) -> None:
    """Move between file systems; also overlayfs, which cannot rename a folder of a lower layer."""
    is_folder = os.path.isdir(source) and not os.path.islink(source)
    aside = f"{destination}{_ASIDE}"
    try:
        if is_folder:
            shutil.copytree(source, aside, symlinks=True)
        else:
            shutil.copy2(source, aside, follow_symlinks=False)
        os.rename(aside, destination)
    except BaseException:
        remove_tree(Path(aside))
        raise
    try:
        if is_folder:
            shutil.rmtree(source)
        else:
            os.unlink(source)
    except BaseException:
        if is_folder:  # perhaps half gone
            shutil.copytree(destination, source, symlinks=True, dirs_exist_ok=True)
        remove_tree(Path(destination))
        raise


def remove_tree(path: Path) -> None:
    """Remove a folder or file of ours as far as possible."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
