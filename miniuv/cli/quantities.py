"""Amounts as people write them: ``30d``, ``10GB``."""

import re

from miniuv.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"": 1, "b": 1} | {
    f"{letter}{ending}": base ** (power + 1)
    for power, letter in enumerate("kmgt")
    for ending, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_AMOUNT = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([a-z]*)", re.IGNORECASE)


def seconds(text: str, *, option: str) -> float:
    """``30d``, ``12h``, ``0``; raises ``UsageError``."""
    return _read(text, _SECONDS | {"": 0}, option=option, example="`30d`, `12h` or `0`")


def size(text: str, *, option: str) -> float:
    """``10GB``, ``512MiB``, ``0``; raises ``UsageError``."""
    return _read(text, _BYTES, option=option, example="`10GB` or `512MiB`")


def _read(text: str, units: dict[str, int], *, option: str, example: str) -> float:
    match = _AMOUNT.fullmatch(text.strip())
    unit = units.get(match[2].lower()) if match else None
    if match is None or unit is None or (unit == 0 and float(match[1]) != 0):
        raise UsageError(f"`{text}` is no value for `{option}`", hint=f"write for example {example}")
    return float(match[1]) * unit
