"""Which start of the machine this is: what was written in an earlier one may not have reached the disk whole.

Imports nothing: a command that has little to do reads it too.
"""

UNKNOWN = "unknown"
"""In place of a boot id: the kernel gives none."""
DURABLE = ""
"""In place of a boot id: was read back whole in a later boot than the one it was written in."""

_known: list[str] = []


def boot_id() -> str:
    """The kernel's boot id, or ``UNKNOWN``."""
    if not _known:
        _known.append(_asked())
    return _known[0]


def may_be_torn(boot: str) -> bool:
    """Whether what was written in ``boot`` must be read back once before it is trusted."""
    return boot not in (DURABLE, boot_id())


def _asked() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip() or UNKNOWN
    except (OSError, ValueError):
        return UNKNOWN
