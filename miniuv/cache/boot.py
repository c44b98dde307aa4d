"""Which start of the machine this is: what was written in an earlier one may not have reached the disk whole."""

from functools import cache
from pathlib import Path

UNKNOWN = "unknown"
"""In place of a boot id: the kernel gives none."""
DURABLE = ""
"""In place of a boot id: was read back whole in a later boot than the one it was written in."""


@cache
def boot_id() -> str:
    """The kernel's boot id, or ``UNKNOWN``."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip() or UNKNOWN
    except (OSError, ValueError):
        return UNKNOWN


def may_be_torn(boot: str) -> bool:
    """Whether what was written in ``boot`` must be read back once before it is trusted."""
    return boot not in (DURABLE, boot_id())
