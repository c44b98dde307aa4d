"""Who holds which lock, and who waits for it: for people. Nothing is locked, made or changed by looking."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from miniuv.cache.layout import Layout
from miniuv.cache.owner import KernelLocks, Owner, command_of, kernel_locks, living_holders, quiet_for, read_owner
from miniuv.values import dataclass

Presence = Literal["alive", "stopped", "gone", "unknown"]

_PAUSES = (0.0, 0.02, 0.08)
"""Seconds: together more than even a busy machine usually takes from a lock to its record."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiter:
    """A process that waits for a lock; it does so for a second at least."""

    pid: int
    host: str
    command: str
    since: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldLock:
    """A lock that somebody holds."""

    kind: str
    """The kind of the job; ``source tree``, ``environment``, ``garbage collection``."""
    path: Path
    pid: int | None
    """Of the holder; where it is gone and has left the lock to others, of the first of them."""
    host: str
    command: str
    step: str
    since: float | None
    quiet: float | None
    """Seconds since the last sign of life; ``None`` where it gives none, as with uv."""
    presence: Presence
    waiters: tuple[Waiter, ...]


def list_locks(layout: Layout, *, runtime: Path) -> tuple[HeldLock, ...]:
    """Every lock of the cache, of source trees, and of the environments that users of this cache work on.

    Raises ``OSError`` where a folder cannot be read.
    """
    told = _Told(layout)
    kernel = kernel_locks()
    found = []
    for kind, path in _lock_files(layout, runtime, told):
        owner, holders = _look(path, kernel)
        if owner is not None and (not holders or owner.pid in holders) and owner.presence != "gone":
            found.append(_held_by(owner, kind, path, told))
        elif holders:
            found.append(_left_to(holders, owner, kind, path, told))
    return tuple(sorted(found, key=lambda lock: (lock.kind, lock.since or 0.0, str(lock.path))))


def _look(path: Path, kernel: KernelLocks) -> tuple[Owner | None, list[int]]:
    """The record in a lock file and the holders of the lock, as of one moment where that can be had.

    A lock is taken before its record is written, and it may have passed on since ``kernel`` was asked: where the two
    do not agree, both are looked at again. A holder that writes none, as uv, is told of all the same.
    """
    owner, holders = read_owner(path), kernel.holders(path)
    for pause in _PAUSES:
        if not holders or (owner is not None and owner.pid in holders):
            break
        time.sleep(pause)
        owner, holders = read_owner(path), kernel_locks().holders(path)
    return owner, holders


class _Told:
    """What living processes say of themselves in their leases."""

    def __init__(self, layout: Layout) -> None:
        self.environments: set[Path] = set()
        self.waiters: dict[Path, list[Waiter]] = {}
        for lease in _files(layout.leases):
            owner = read_owner(lease)
            if owner is not None and owner.presence != "gone":
                self._read(lease, owner)

    def _read(self, lease: Path, owner: Owner) -> None:
        waits: dict[Path, list[float]] = {}
        for event, lock, at in _events(lease):
            if event == "waits":
                waits.setdefault(lock, []).append(at)
            elif event == "waited" and waits.get(lock):
                waits[lock].pop()
            elif event == "holds":
                self.environments.add(lock)
        for lock, times in waits.items():
            if lock.name == ".lock":
                self.environments.add(lock)
            if times:
                waiter = Waiter(pid=owner.pid, host=owner.host, command=owner.command, since=min(times))
                self.waiters.setdefault(lock, []).append(waiter)


def _events(lease: Path) -> Iterator[tuple[str, Path, float]]:
    try:
        lines = lease.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        if not line.startswith(b'{"event"'):
            continue
        try:
            value = json.loads(line)
        except ValueError:  # a line that is just being written
            continue
        match value:
            case {"event": str(event), "lock": str(lock), "at": float(at)}:
                yield event, Path(lock), at


def _lock_files(layout: Layout, runtime: Path, told: _Told) -> Iterator[tuple[str, Path]]:
    for path in _files(layout.locks):
        yield "garbage collection", path
    for folder in sorted(layout.locks.iterdir()) if layout.locks.is_dir() else []:
        if folder.is_dir() and folder != runtime / "src":
            for path in _files(folder):
                yield folder.name, path
    for path in _files(runtime / "src"):
        yield "source tree", path
    for path in sorted(told.environments):
        yield "environment", path


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except FileNotFoundError:
        return []


def _held_by(owner: Owner, kind: str, path: Path, told: _Told) -> HeldLock:
    return HeldLock(
        kind=kind,
        path=path,
        pid=owner.pid,
        host=owner.host,
        command=owner.command,
        step=owner.step,
        since=owner.since,
        quiet=max(0.0, quiet_for(path)),
        presence="stopped" if owner.is_stopped else "unknown" if owner.presence == "unknown" else "alive",
        waiters=_waiters(path, told),
    )


def _left_to(holders: list[int], owner: Owner | None, kind: str, path: Path, told: _Told) -> HeldLock:
    """A lock whose holder wrote no record, as uv, or is gone and has left it to a process of its own."""
    living = living_holders(path, holders)
    gone = owner is not None and owner.presence == "gone"
    return HeldLock(
        kind=kind,
        path=path,
        pid=living[0] if living else None,
        host=owner.host if owner is not None else "",
        command=command_of(living[0]) if living else "?",
        step=owner.step if owner is not None and gone else "",
        since=owner.since if owner is not None and gone else None,
        quiet=None,
        presence="gone" if gone else "alive",
        waiters=_waiters(path, told),
    )


def _waiters(path: Path, told: _Told) -> tuple[Waiter, ...]:
    return tuple(sorted(told.waiters.get(path, ()), key=lambda waiter: waiter.since))
