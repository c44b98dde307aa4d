"""What kind of file system something lies on. ``os`` only."""

import os

_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "virtiofs"}
)
_MOUNTS = "/proc/self/mountinfo"


def is_remote(device: int) -> bool:
    """Whether ``device`` is a file system over a network; as far as anybody can tell, where there is no ``/proc``."""
    if os.major(device):
        return False  # a disk of this machine
    kind = kind_of(device)
    return kind in _REMOTE or kind.partition(".")[0] in ("fuse", "fuseblk")


def kind_of(device: int) -> str:
    """The kind of the file system ``device``, such as ``ext4``; empty where that cannot be told."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = file.read()
    except OSError:
        return ""
    return kinds(mounts).get(f"{os.major(device)}:{os.minor(device)}", "")


def kinds(mounts: str) -> dict[str, str]:
    """The kind of each file system in the text of proc(5)'s ``mountinfo``, by ``major:minor``."""
    found = {}
    for line in mounts.splitlines():
        place, dash, source = line.partition(" - ")
        words = place.split(" ")
        if dash and len(words) > 2:
            found[words[2]] = source.partition(" ")[0]
    return found
