"""What the kernel tells of processes and of this machine, see proc(5). ``os`` only."""

import os


def host_name() -> str:
    """The machine's name, printable."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in os.uname().nodename)[:64] or "?"


def pid_namespace() -> int:
    """The inode of this process's pid namespace: a pid means nothing outside it. 0 where there is none."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def status(pid: int) -> list[str] | None:
    """The fields of ``/proc/<pid>/stat`` behind the name."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except (OSError, ValueError):
        return None


def start_ticks(pid: int) -> int | None:
    """When a process started, in the kernel's ticks."""
    try:
        return int((status(pid) or [])[19])  # field 22, counted behind the name
    except (ValueError, IndexError):
        return None
