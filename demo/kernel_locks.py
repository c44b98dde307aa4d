"""Who holds which lock and who waits for it, as the kernel says: ``/proc/locks`` and each process's descriptors.

A waiting line of ``/proc/locks`` is what no clock can give: proof that a process is inside ``flock`` and that the
named file is held by another.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_ZOMBIE = "Z"


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelLock:
    """One line of ``/proc/locks`` about ``flock``."""

    pid: int
    file: str
    """Device and inode as the kernel writes them: ``fe:00:2533365``."""
    waiting: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """``waiter`` is blocked in ``flock`` on ``lock``, which ``holder`` holds."""

    waiter: int
    holder: int
    lock: Path


def parse_locks(text: str) -> tuple[KernelLock, ...]:
    """Read the text of ``/proc/locks``; what is no ``flock`` is left out."""
    found = []
    for line in text.splitlines():
        _, *words = line.split()
        waiting = words[0] == "->"
        kind, _, _, pid, file = words[waiting : waiting + 5]
        if kind == "FLOCK":
            found.append(KernelLock(pid=int(pid), file=file, waiting=waiting))
    return tuple(found)


def waits_among(pids: Collection[int]) -> tuple[Wait, ...]:
    """Return who of ``pids`` waits for whom of them, each wait confirmed by the descriptors of both."""
    locks = [lock for lock in parse_locks((_PROC / "locks").read_text()) if lock.pid in pids]
    holders = {lock.file: lock.pid for lock in locks if not lock.waiting}
    waits = []
    for lock in locks:
        holder = holders.get(lock.file, lock.pid)
        if not lock.waiting or holder == lock.pid:
            continue
        path = held_path(holder, lock.file)
        if path is not None and path in open_paths(lock.pid):
            waits.append(Wait(waiter=lock.pid, holder=holder, lock=path))
    return tuple(waits)


def deadlock_between(one: int, other: int) -> tuple[Wait, Wait] | None:
    """Return what ``one`` and ``other`` wait for where each waits for a lock that the other one holds."""
    waits = waits_among({one, other})
    of_one = next((wait for wait in waits if wait.waiter == one), None)
    of_other = next((wait for wait in waits if wait.waiter == other), None)
    return (of_one, of_other) if of_one is not None and of_other is not None else None


def is_waiting(pid: int) -> bool:
    """Say whether ``pid`` is blocked in ``flock``."""
    return any(lock.waiting and lock.pid == pid for lock in parse_locks((_PROC / "locks").read_text()))


def held_path(pid: int, file: str) -> Path | None:
    """Return the path of the lock ``file`` that ``pid`` holds, through the descriptor that holds it."""
    for number, descriptor in _descriptors(pid):
        try:
            lines = (_PROC / str(pid) / "fdinfo" / number).read_text().splitlines()
        except OSError:
            continue
        if any(line.startswith("lock:") and file in line.split() for line in lines):
            return descriptor
    return None


def open_paths(pid: int) -> frozenset[Path]:
    """Return the paths that ``pid`` has open."""
    return frozenset(path for _, path in _descriptors(pid))


def children(pid: int) -> tuple[int, ...]:
    """Return the living children of ``pid``."""
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        facts = _stat(int(entry.name))
        if facts is not None and facts[1] == str(pid) and facts[0] != _ZOMBIE:
            found.append(int(entry.name))
    return tuple(found)


def cpu_ticks(pid: int) -> int:
    """Return how much CPU time ``pid`` has used, in the kernel's ticks; 0 where it has ended."""
    facts = _stat(pid)
    return int(facts[11]) + int(facts[12]) if facts is not None else 0


def shows_locks(folder: Path) -> bool:
    """Say whether the kernel shows a lock that this process takes in ``folder``."""
    path = folder / "probe.lock"
    try:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            mine = {lock.file for lock in parse_locks((_PROC / "locks").read_text()) if lock.pid == os.getpid()}
            return any(held_path(os.getpid(), lock) == path.resolve() for lock in mine)
    except OSError:
        return False


def _descriptors(pid: int) -> Iterator[tuple[str, Path]]:
    folder = _PROC / str(pid) / "fd"
    try:
        numbers = [entry.name for entry in folder.iterdir()]
    except OSError:  # it has ended
        return
    for number in numbers:
        try:
            yield number, Path(os.readlink(folder / number))
        except OSError:
            continue


def _stat(pid: int) -> list[str] | None:
    """Return the fields of ``/proc/<pid>/stat`` from the state on; the name before it may hold anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
