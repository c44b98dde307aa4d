"""What a look at one thing has shown."""

from collections.abc import Iterable, Iterator
from typing import Literal

from miniuv.errors import MiniuvError
from miniuv.reporter import Reporter
from miniuv.values import dataclass

Level = Literal["good", "note", "wrong"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line, and what to do about it."""

    text: str
    level: Level = "good"
    """``note``: it is worth knowing, and nothing need be done."""
    advice: str | None = None


def wrong(text: str, advice: str) -> Finding:
    """Something that keeps miniuv, or what is installed, from working as it should."""
    return Finding(text=text, level="wrong", advice=advice)


def note(text: str, advice: str | None = None) -> Finding:
    """Something that may explain what is seen."""
    return Finding(text=text, level="note", advice=advice)


def of_error(error: MiniuvError | OSError) -> Finding:
    """What could not be looked at is itself a finding."""
    if isinstance(error, MiniuvError):
        return wrong(str(error), error.hint or error.usual_hint or "`-v` tells more")
    place = f"{error.filename}: " if error.filename is not None else ""
    return wrong(f"{place}{error.strerror or error}", "check that it is there, and that it is yours to read")


def told(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield ``findings``; an error ends them as one of them."""
    try:
        yield from findings
    except (MiniuvError, OSError) as error:
        yield of_error(error)


class Warnings(Reporter):
    """Keeps warnings as findings."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def warning(self, message: str, *, hint: str | None = None) -> None:
        """See ``Reporter``."""
        self.findings.append(wrong(message, hint or "`miniuv pip check` tells more"))
