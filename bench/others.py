"""How busy other programs kept the machine while the bench ran."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_COUNTERS = Path("/proc/stat")
_IDLE = {3, 4}
"""Columns of time in which nothing ran: idle, waiting for the disk."""
_COLUMNS = 8
"""Up to ``steal``; guests are counted as users' time already."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Processor seconds until a moment."""

    moment: float
    everybody: float
    own: float
    """Of this process and of its children that are over."""

    @classmethod
    def now(cls) -> Self:
        """Read the clocks; nobody's time is known off Linux."""
        counters = _COUNTERS.read_text("ascii") if _COUNTERS.exists() else ""
        own = os.times()
        return cls(moment=time.monotonic(), everybody=busy_seconds(counters), own=sum(own[:4]))

    def others_since(self, earlier: "Usage") -> float:
        """Return how many cores others kept busy since ``earlier``, on average."""
        others = (self.everybody - earlier.everybody) - (self.own - earlier.own)
        return max(0.0, others / max(self.moment - earlier.moment, 1e-9))


def busy_seconds(counters: str) -> float:
    """Return the time of all processors that was used for anything, from the text of ``/proc/stat``."""
    for line in counters.splitlines():
        name, *ticks = line.split()
        if name == "cpu":
            used = [int(tick) for column, tick in enumerate(ticks[:_COLUMNS]) if column not in _IDLE]
            return sum(used) / os.sysconf("SC_CLK_TCK")
    return 0.0
