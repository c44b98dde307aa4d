"""What was done."""

from dataclasses import dataclass

from miniuv.models.plan import Plan
from miniuv.models.resolution import Resolution


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The end of one command that may have changed an environment."""

    plan: Plan
    resolution: Resolution | None = None
    """``None`` where nothing was resolved: ``pip uninstall``."""
    dry_run: bool = False
