"""What will be done to the environment, and why."""

from typing import Literal

from miniuv.models.installed import InstalledDistribution
from miniuv.models.resolution import Candidate
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedInstall:
    """One candidate to be installed, perhaps instead of what is there."""

    candidate: Candidate
    replaces: tuple[InstalledDistribution, ...]
    """Usually none or one; more where an earlier tool left duplicates."""
    requested: bool
    reason: str
    """For ``--explain`` and ``-v``: ``not installed``, ``commit changed from 1a2b3c to 4d5e6f``."""

    @property
    def kind(self) -> Literal["install", "reinstall", "upgrade", "downgrade"]:
        """The last three where something of that name is there already."""
        if not self.replaces:
            return "install"
        newest = max(old.metadata.version for old in self.replaces)
        if newest == self.candidate.version:
            return "reinstall"
        return "upgrade" if newest < self.candidate.version else "downgrade"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedRemoval:
    """One installed distribution to be removed."""

    installed: InstalledDistribution
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The whole change; everything is sorted by name."""

    installs: tuple[PlannedInstall, ...] = ()
    removals: tuple[PlannedRemoval, ...] = ()
    kept: tuple[InstalledDistribution, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return not self.installs and not self.removals
