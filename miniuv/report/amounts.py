"""Bytes and times in words, and rows in columns."""

from collections.abc import Sequence

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def size(count: int) -> str:
    """``0 B``, ``1.5 KiB``, ``12.3 GiB``."""
    if count < _STEP:
        return f"{count} B"
    amount, units = count / _STEP, iter(_UNITS)
    unit = next(units)
    while amount >= _STEP - 0.05 and (larger := next(units, None)):
        amount, unit = amount / _STEP, larger
    return f"{amount:.1f} {unit}"


def ago(seconds: float) -> str:
    """``now``, ``7 minutes``, ``1 hour``, ``3 days``: as much as anybody wants to know."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
    return "now"


def counted(count: int, singular: str, plural: str) -> str:
    """``1 entry``, ``3 entries``."""
    return f"{count} {singular if count == 1 else plural}"


def columns(heads: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """A table with a head and a rule, as ``pip list`` has it; the columns in ``right`` are set to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    table = [heads, ["-" * width for width in widths], *rows]
    return [
        " ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
