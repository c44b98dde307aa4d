"""Stands between miniuv and a backend, so that locks outlive everything that writes under them.

::

    python -I -S _supervisor.py 5,7 COMMAND...

Holds the descriptors 5 and 7, the locks, which ``COMMAND`` does not get, and ends as it ends. Standard input is the
leash: at its end miniuv is gone, or wants this to end. Then everything that came of ``COMMAND`` is killed, whatever
session it has fled to, and only when nothing is left do the locks go. What ``COMMAND`` leaves behind after a good
end of its own, a compiler cache's daemon, lives on, without a lock.

One thread, and the standard library only: it starts in milliseconds, and may fork. ``_warm_runner.py`` does the same
for each of its hooks, with what is here.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from collections.abc import Callable, Sequence

_CHILD_SUBREAPER = 36
_PARENT_DEATH_SIGNAL = 1

_Control = Callable[[int, int], int]


def main() -> None:
    """Run the command to its end, or to that of the leash."""
    for descriptor in sys.argv[1].split(","):
        os.set_inheritable(int(descriptor), False)
    waking = hear_of_children()
    control = kernel_control()
    adopt_orphans(control)
    ourselves = os.getpid()
    child = os.fork()
    if child == 0:
        _become(sys.argv[2:], ourselves, control)
    status = wait(child, leashes=[0], waking=waking)
    if status is None:
        os._exit(1)
    _end_likewise(status)


def hear_of_children() -> int:
    """Return a descriptor that can be read from whenever a child has ended."""
    waking, woken = os.pipe()
    os.set_blocking(waking, False)
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    return waking


def wait(child: int, *, leashes: Sequence[int], waking: int) -> int | None:
    """Wait for the end of ``child``, and return its status; when a leash ends, end everything and return ``None``."""
    poll = select.poll()
    for leash in leashes:
        poll.register(leash, select.POLLIN | select.POLLHUP)
    poll.register(waking, select.POLLIN)
    while (status := _reap(child)) is None:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if any(leash in ready and not os.read(leash, 64) for leash in leashes):
            end_everything(child)
            return None
        if waking in ready:
            os.read(waking, 64)
    return status


def adopt_orphans(control: _Control) -> None:
    """Become the parent of whatever below us loses its own."""
    control(_CHILD_SUBREAPER, 1)


def leave_with_parent(parent: int, control: _Control) -> None:
    """Lead a process group, and be killed when ``parent``, which has one thread, ends; it may have ended already."""
    os.setpgid(0, 0)
    control(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _become(command: list[str], parent: int, control: _Control) -> None:
    leave_with_parent(parent, control)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores
        signal.signal(number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execv(command[0], command)  # noqa: S606  # it is what was asked for
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode("utf-8", "surrogateescape"))
        os._exit(127)


def _reap(child: int) -> int | None:
    """Collect whoever has ended; the status of ``child`` when it is among them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == child:
            return status
        if pid == 0:
            return None


def end_everything(child: int) -> None:
    """Kill until no child is left; orphans of those that die become ours, and are next."""
    while True:
        for pid in children() or [child]:
            _kill(os.kill, pid)
        _kill(os.killpg, child)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _kill(how: Callable[[int, int], None], pid: int) -> None:
    try:
        how(pid, signal.SIGKILL)
    except OSError:
        return


def children() -> list[int]:
    """Return the processes whose parent we are."""
    found: list[int] = []
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return found
    for name in names:
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == os.getpid():
            found.append(int(name))
    return found


def _end_likewise(status: int) -> None:
    if os.WIFSIGNALED(status):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        os._exit(128 + number)
    os._exit(os.WEXITSTATUS(status))


def kernel_control() -> _Control:
    """``prctl``, or nothing where the kernel is another one."""
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return lambda _option, _value: -1
    return lambda option, value: int(prctl(option, int(value), 0, 0, 0))


if __name__ == "__main__":
    main()
