"""Colour or not: one decision, a handful of styles."""

from collections.abc import Mapping
from typing import Literal, TextIO

from miniuv.values import dataclass

ColorChoice = Literal["auto", "always", "never"]

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


@dataclass(frozen=True, slots=True)
class Style:
    """Marks text up, or leaves it alone."""

    colored: bool

    def __call__(self, text: str, *names: str) -> str:
        """``text`` in the given styles: ``style("error", "red", "bold")``."""
        if not self.colored:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


def color_rule(choice: ColorChoice, environ: Mapping[str, str]) -> Literal["always", "never", "terminal"]:
    """``NO_COLOR`` wins over everything but an explicit ``--color``; ``FORCE_COLOR`` over the terminal."""
    if choice != "auto":
        return choice
    if environ.get("NO_COLOR"):
        return "never"
    if environ.get("FORCE_COLOR") or environ.get("CLICOLOR_FORCE"):
        return "always"
    return "never" if environ.get("TERM") == "dumb" else "terminal"


def wants_color(choice: ColorChoice, stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether what is written to ``stream`` is coloured."""
    rule = color_rule(choice, environ)
    return stream.isatty() if rule == "terminal" else rule == "always"
