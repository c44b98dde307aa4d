"""Who holds a lock: the record its owner leaves in the lock file, and what the kernel knows.

All of this is for messages. Whether a lock is held, the kernel alone decides.
"""

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from miniuv.cache.boot import boot_id
from miniuv.cache.owner_form import RECORD_LIMIT, encode
from miniuv.cache.proc import host_name, pid_namespace, start_ticks, status
from miniuv.models.url import redact
from miniuv.values import dataclass

_COMMAND_LIMIT = 160
_STEP_LIMIT = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Owner:
    """What a process says of itself in a lock that it holds."""

    pid: int
    host: str
    boot: str
    """The kernel's boot id."""
    namespace: int
    """The inode of the pid namespace: a pid means nothing outside it. 0 where there is none."""
    ticks: int
    """When the process started, in the kernel's ticks: a pid may be used again. 0 where unknown."""
    command: str
    step: str
    since: float
    beat: int
    """Grows while the process runs."""

    @classmethod
    def this_process(cls, *, step: str) -> "Owner":
        """Describe ourselves, about to do ``step``."""
        host, boot, namespace, ticks, command = _identity(os.getpid())
        return cls(
            pid=os.getpid(),
            host=host,
            boot=boot,
            namespace=namespace,
            ticks=ticks,
            command=command,
            step=_shorten(redact(step), _STEP_LIMIT),
            since=time.time(),
            beat=0,
        )

    @classmethod
    def decode(cls, data: bytes) -> "Owner | None":
        """Read a record; ``None`` for anything else. What follows the first line is left from a longer record."""
        try:
            value = json.loads(data.partition(b"\n")[0])
            owner = cls(**value)
        except (ValueError, TypeError):
            return None
        good = all(
            isinstance(getattr(owner, name), (int, float) if kind is float else kind)
            for name, kind in cls.__annotations__.items()
        )
        return owner if good and owner._is_sensible else None

    @property
    def _is_sensible(self) -> bool:
        """Whether a process could have said so: no number is out of its range, and every text is fit to be shown."""
        texts = (self.host, self.boot, self.command, self.step)
        return (
            0 < self.pid < 2**31
            and all(0 <= number < 2**63 for number in (self.namespace, self.ticks, self.beat, self.since))
            and all(text.isprintable() and len(text) < RECORD_LIMIT for text in texts)
        )

    def encode(self) -> bytes:
        """One line of at most ``RECORD_LIMIT`` bytes."""
        return encode(**{name: getattr(self, name) for name in self.__annotations__})

    @property
    def is_this_process(self) -> bool:
        """Whether we look at ourselves."""
        return self.pid == os.getpid() and self._near and self.ticks in (0, start_ticks(self.pid) or 0)

    @property
    def presence(self) -> Literal["alive", "gone", "unknown"]:
        """Whether the process is there still; ``gone`` only with proof."""
        if not self._near:
            return "unknown"
        ticks = start_ticks(self.pid)
        if ticks is not None and self.ticks:
            return "alive" if ticks == self.ticks else "gone"
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return "gone"
        except OSError:
            return "unknown"
        return "unknown"

    @property
    def is_stopped(self) -> bool:
        """Whether the process is suspended, by Ctrl-Z for example, and lives."""
        return self.presence == "alive" and (status(self.pid) or [""])[0] in ("T", "t")

    @property
    def is_foreign(self) -> bool:
        """Whether it runs elsewhere, or ran before this boot: nothing can be known of it."""
        return not self._near

    @property
    def _near(self) -> bool:
        host, boot, namespace, _, _ = _identity(os.getpid())
        return (self.host, self.boot, self.namespace) == (host, boot, namespace)

    def describe(self, *, quiet_for: float) -> str:
        """``pid 4711 on ci-7 "miniuv pip install", step "build_wheel", running 2m14s, alive 1s ago``."""
        stopped = f" (it is stopped: `kill -CONT {self.pid}` lets it go on)" if self.is_stopped else ""
        return (
            f'pid {self.pid} on {self.host} "{self.command}", step "{self.step}", '
            f"running {duration(time.time() - self.since)}, alive {duration(quiet_for)} ago{stopped}"
        )


def read_owner(path: Path) -> Owner | None:
    """The record in the lock file ``path``; ``None`` where there is none that makes sense."""
    try:
        with path.open("rb") as file:
            return Owner.decode(file.read(2 * RECORD_LIMIT))
    except OSError:
        return None


def describe_holder(path: Path) -> str:
    """Say who holds the lock file ``path``, as well as record and kernel together know."""
    owner = read_owner(path)
    holders = kernel_locks().holders(path)
    if owner is not None and (not holders or owner.pid in holders) and owner.presence != "gone":
        return owner.describe(quiet_for=quiet_for(path))
    names = ", ".join(f'pid {pid} "{command_of(pid)}"' for pid in living_holders(path, holders))
    if owner is not None and owner.presence == "gone" and (not holders or owner.pid in holders):
        left = f"left to {names}" if names else "but its lock is still held by a process that inherited it"
        return f'pid {owner.pid} "{owner.command}" is gone, {left}'
    return names or "a process that left no record of itself"


def living_holders(path: Path, holders: Sequence[int]) -> list[int]:
    """The processes that keep the lock of ``path``: ``holders`` that live, else whoever has it open."""
    return [pid for pid in holders if Path(f"/proc/{pid}").exists()] or _processes_with_open(path)


def duration(seconds: float) -> str:
    """``7s``, ``2m14s``, ``1h02m``; a clock that ran backwards counts as now."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m"


@lru_cache(maxsize=1)
def _identity(pid: int) -> tuple[str, str, int, int, str]:
    command = _shorten(_command(sys.argv), _COMMAND_LIMIT)
    return host_name(), boot_id(), pid_namespace(), start_ticks(pid) or 0, command


def _command(argv: Iterable[str]) -> str:
    program, *arguments = list(argv) or ["?"]
    path = Path(program)
    name = path.parent.name if path.name == "__main__.py" else path.name
    return " ".join([name, *(shlex.quote(redact(argument)) for argument in arguments)])


def _shorten(text: str, limit: int) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def quiet_for(path: Path) -> float:
    """Seconds since the holder of ``path`` gave its last sign of life."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


class KernelLocks:
    """Everybody's locks at one moment, as ``/proc/locks`` gives them; none where there is no such thing."""

    def __init__(self, text: str) -> None:
        self._by_inode: dict[str, list[tuple[str, int]]] = {}
        for words in map(str.split, text.splitlines()):
            if len(words) >= 8 and words[1] == "FLOCK" and words[4].isdigit() and int(words[4]) > 0:
                device, _, inode = words[5].rpartition(":")
                self._by_inode.setdefault(inode, []).append((device, int(words[4])))

    def holders(self, path: Path) -> list[int]:
        """The pids of whoever holds the lock of ``path``."""
        try:
            facts = path.stat()
        except OSError:
            return []
        found = self._by_inode.get(str(facts.st_ino), [])
        device = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}"
        # btrfs and overlayfs show another device there than stat does: then the inode has to do.
        best = [each for each in found if each[0] == device] or found
        return sorted({pid for _, pid in best})


def kernel_locks() -> KernelLocks:
    """Look now."""
    try:
        return KernelLocks(Path("/proc/locks").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return KernelLocks("")


def _processes_with_open(path: Path) -> list[int]:
    try:
        wanted = path.stat()
        processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return []
    return sorted(pid for pid in processes if pid != os.getpid() and _has_open(pid, wanted))


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for name in descriptors:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(f"/proc/{pid}/fd/{name}"), wanted):
                return True
    return False


def command_of(pid: int) -> str:
    """What the process was started as, without secrets."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "?"
    return _shorten(_command([word.decode("utf-8", "replace") for word in words if word]), _COMMAND_LIMIT)
