"""Forked copies of this process, for work that would hold up its threads: each does one piece at a time.

They are forked before this process has a second thread, and end with it: when their socket ends, whatever ended us.
Until then they hold every descriptor that we had, so that our lease on the cache outlives whoever writes under it.
All that they are for is time. Where there are none, or one dies, whoever asked does the work himself.
"""

import contextlib
import heapq
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self

from miniuv.errors import Interrupted

if TYPE_CHECKING:
    import socket

COUNT = 2
_LONGEST = 1 << 16
_BOTH_WAYS = 2
"""``socket.SHUT_RDWR``: a module that is only needed where somebody is forked."""
_PATIENCE = 0.01
"""Seconds."""
_DONE, _FAILED = b"+", b"-"


class _Turn:
    """Somebody who waits for a worker; the heaviest work comes first."""

    def __init__(self, weight: int, number: int) -> None:
        self._order = -weight, number
        self.came = threading.Event()
        self.pid: int | None = None
        """Whose work it is to be; ``None`` where nobody is left to do any."""

    def __lt__(self, other: "_Turn") -> bool:
        return self._order < other._order


class Workers:
    """Those of one command; thread-safe. A context manager: none of them is left when it is left."""

    def __init__(self, make_work: Callable[[], Callable[[bytes], None]]) -> None:
        """``make_work`` is called in each worker, once; what it returns does one piece of work, or raises."""
        self._make_work = make_work
        self._guard = threading.RLock()
        self._all: dict[int, socket.socket] = {}
        """By pid."""
        self._idle: list[int] = []
        self._waiting: list[_Turn] = []
        """A heap; empty while one is idle."""
        self._count = itertools.count()
        self._closed = False

    def start(self, count: int = COUNT) -> None:
        """Fork them, where that is safe: on Linux, and not beside another thread."""
        if sys.platform != "linux" or self._all or self._closed:
            return
        with contextlib.suppress(OSError):  # no process or no descriptor is to be had
            for _ in range(count):
                if not _is_alone():
                    return
                self._fork()

    @property
    def is_one_idle(self) -> bool:
        """Whether one has nothing to do this moment."""
        return bool(self._idle)

    def do(self, work: bytes, *, weight: int = 0, wait: bool = True) -> bool:
        """Have one do ``work``; ``False``: it was not done, or not to its end, and nobody is doing it any more.

        Where many wait, the heaviest comes first: the last to be done shall be a light one. Without ``wait`` it is
        only done where one is idle.
        Raises ``Interrupted`` where they are closed meanwhile.
        """
        pid = self._turn(weight, wait=wait)
        if pid is None:
            return False
        answer = b""
        try:
            ours = self._all[pid]
            with contextlib.suppress(OSError):
                ours.send(work)
                answer = ours.recv(len(_DONE))
        except KeyError:  # ended meanwhile
            pass
        finally:
            with self._guard:
                if answer:
                    self._free(pid)
                else:
                    self._end(pid)
        with self._guard:
            self._check_open()
        return answer == _DONE

    def close(self) -> None:
        """End them, in the midst of their work."""
        with self._guard:
            self._closed = True
            for pid in list(self._all):
                self._end(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fork(self) -> None:
        import socket

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                pid = os.fork()
            except BaseException:
                ours.close()
                raise
            if pid == 0:
                _serve(theirs, self._make_work, close=[ours, *self._all.values()])
        self._all[pid] = ours
        self._idle.append(pid)

    def _turn(self, weight: int, *, wait: bool) -> int | None:
        """A worker that is ours alone, which may be waited for; ``None``: there is none (any more)."""
        with self._guard:
            self._check_open()
            if not self._all or self._idle:
                return self._idle.pop() if self._all else None
            if not wait:
                return None
            turn = _Turn(weight, next(self._count))
            heapq.heappush(self._waiting, turn)
        try:
            turn.came.wait()
        except BaseException:
            with self._guard:
                if turn.pid is not None:
                    self._free(turn.pid)
                elif turn in self._waiting:
                    self._waiting.remove(turn)
                    heapq.heapify(self._waiting)
            raise
        with self._guard:
            self._check_open()
        return turn.pid

    def _free(self, pid: int) -> None:
        """Give a worker to who is next, with the guard held."""
        if pid not in self._all:
            return
        if self._waiting:
            turn = heapq.heappop(self._waiting)
            turn.pid = pid
            turn.came.set()
        else:
            self._idle.append(pid)

    def _end(self, pid: int) -> None:
        """End one, with the guard held; whoever waits for its answer hears that there is none."""
        ours = self._all.pop(pid, None)
        if ours is None:
            return
        if pid in self._idle:
            self._idle.remove(pid)
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            ours.shutdown(_BOTH_WAYS)
        ours.close()
        if not self._all:
            waiting, self._waiting = self._waiting, []
            for turn in waiting:
                turn.came.set()

    def _check_open(self) -> None:
        if self._closed:
            raise Interrupted("interrupted")


def _is_alone() -> bool:
    """Whether this process has one thread: one that has ended in Python takes a moment to end for the kernel."""
    deadline = time.monotonic() + _PATIENCE
    while threading.active_count() == 1:
        if len(os.listdir("/proc/self/task")) == 1:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_PATIENCE / 20)
    return False


def _serve(
    theirs: "socket.socket", make_work: Callable[[], Callable[[bytes], None]], *, close: "list[socket.socket]"
) -> NoReturn:
    """Be a worker. Nothing of ours is unwound: its end must not be taken for the end of the command."""
    try:
        for other in close:
            other.close()
        # Ctrl-C reaches all of a terminal's foreground, and is for the one who decides what becomes of us.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # whoever reads what we print shall see the end of it when the command ends
            os.dup2(nothing, stream)
        work = make_work()
        while data := theirs.recv(_LONGEST):
            theirs.send(_DONE if _succeeds(work, data) else _FAILED)
    finally:
        os._exit(0)


def _succeeds(work: Callable[[bytes], None], data: bytes) -> bool:
    try:
        work(data)
    except Exception:  # noqa: BLE001  # whoever asked does it again, and sees for himself
        return False
    return True
