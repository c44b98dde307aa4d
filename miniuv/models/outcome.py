"""What was done."""

from collections.abc import Callable

from miniuv.models.interpreter import Interpreter
from miniuv.models.plan import Plan
from miniuv.models.resolution import Resolution
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What an outcome rests on, as lines of ``miniuv.stamps``: while it holds, the same again would change nothing."""

    interpreter: Interpreter
    environment: tuple[str, ...]
    """What is installed, as it was seen before it was read, or under the lock under which it was changed."""
    inputs: tuple[str, ...]
    """Files that were read when the command had begun."""
    builds: tuple[str, ...] = ()
    """What the builds of editables and local folders rest on; what they wrote themselves is newer than the command."""
    questions: tuple[tuple[str, ...], ...] = ()
    """With ``--upgrade``, the pages of indexes to be asked for, see ``index.http_cache.HttpCache.question``."""

    target: str | None = None
    """The path that named the environment, where one did."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The end of one command that may have changed an environment."""

    plan: Plan
    resolution: Resolution | None = None
    """``None`` where nothing was resolved: ``pip uninstall``."""
    dry_run: bool = False
    basis: Basis | None = None
    """``None`` where the same command has to be run again to know."""
    keep: Callable[..., None] | None = None
    """Writes down how to do it again elsewhere, see ``replay.keep``; ``None`` where that cannot be said."""
