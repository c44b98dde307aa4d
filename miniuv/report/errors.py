"""Errors for people."""

from collections.abc import Iterator

from miniuv.errors import MiniuvError
from miniuv.models.url import redact
from miniuv.report.style import Style


def error_lines(error: MiniuvError, *, style: Style) -> Iterator[str]:
    """What was wrong, where, and, after a blank line, what to do."""
    first, *rest = redact(str(error)).split("\n")
    yield f"{style('error', 'red', 'bold')}: {first}"
    yield from rest
    if hint := error.hint or error.usual_hint:
        yield ""
        yield f"{style('hint', 'cyan', 'bold')}: {redact(hint)}"
