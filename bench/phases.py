"""What is timed of each scenario: one process on a cold cache, on a warm one, with nothing to do; several at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from miniuv.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One way to run a scenario."""

    name: str
    cold: bool = False
    """The cache is empty."""
    processes: int = 1
    """How many start at once, with one cache and an environment each."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``cold``, ``warm``, ``no-op``, or a number: so many processes at once on a cold cache.

        Raises UsageError.
        """
        if text in ("cold", "warm", "no-op"):
            return cls(name=text, cold=text == "cold")
        if text.isascii() and text.isdigit() and int(text) > 1:
            return cls(name=f"{int(text)} at once", cold=True, processes=int(text))
        raise UsageError(
            f"`{text}` is no phase", hint="one of `cold`, `warm`, `no-op`, or how many processes at once: `2`"
        )


COLD = Phase.parse("cold")
WARM = Phase.parse("warm")
NO_OP = Phase.parse("no-op")


def at_once(*numbers: int) -> tuple[Phase, ...]:
    """Return the phase of each number of processes."""
    return tuple(Phase.parse(str(number)) for number in numbers)


def parse_phases(text: str) -> tuple[Phase, ...]:
    """Read names with commas between them."""
    return tuple(Phase.parse(part.strip()) for part in text.split(","))


def chosen(phases: Iterable[Phase], choice: Iterable[Phase]) -> tuple[Phase, ...]:
    """Return those of ``phases`` that are in ``choice`` too, which is everything where it is empty."""
    wanted = set(choice)
    return tuple(phase for phase in phases if not wanted or phase in wanted)
