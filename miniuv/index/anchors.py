"""The anchors of an HTML page of the Simple API (PEP 503, 629); pure.

A page may be as long as its limit allows and as broken as its author likes, so this reads it once from its beginning
to its end: ``html.parser`` looks for the end of an unfinished tag again from each one, and raises on odd declarations.
"""

import html
import re
from collections.abc import Mapping

from miniuv.values import dataclass

_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
# A name, and what stands behind `=`: the three spellings of HTML, 13.1.2.3; a quote that is never closed fits none.
_ATTRIBUTE = re.compile(r"[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"'][^\s>]*)|(?=>)))?")
_UNFINISHED = re.compile(r"\s*=\s*[\"']")
_END = re.compile(r"[\s/]*>")
_RAW = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}
"""Elements whose text is no markup, and where they end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Anchors:
    """What counts of a page."""

    anchors: tuple[Mapping[str, str | None], ...]
    """The attributes of every ``<a>`` with an address, names in lower case; ``None``: without a value."""
    base: str
    """The address of the first ``<base>``; empty where there is none."""
    version: str
    """Of the API (PEP 629)."""


def read_anchors(text: str) -> Anchors:
    """Read a page, in time that grows with its length alone; what cannot be read is left out."""
    anchors = []
    base, version = "", "1.0"
    position = text.find("<")
    while position >= 0:
        name, values, position = _tag(text, position)
        if name == "a" and values.get("href"):
            anchors.append(values)
        elif name == "base" and not base:
            base = values.get("href") or ""
        elif name == "meta" and values.get("name") == "pypi:repository-version":
            version = values.get("content") or "1.0"
        if name in _RAW and position >= 0:
            end = _RAW[name].search(text, position)
            position = end.start() if end else -1
        position = text.find("<", position) if position >= 0 else -1
    return Anchors(anchors=tuple(anchors), base=base, version=version)


def _tag(text: str, start: int) -> tuple[str, dict[str, str | None], int]:
    """Name and attributes of the tag at ``start``, and what comes behind it: -1 where it has no end.

    No name where it is none that opens an element.
    """
    if text.startswith("<!--", start):
        return "", {}, _behind(text, "-->", start + 4)
    if text.startswith(("<!", "<?", "</"), start):
        return "", {}, _behind(text, ">", start)
    name = _NAME.match(text, start + 1)
    if name is None:
        return "", {}, start + 1
    values: dict[str, str | None] = {}
    position = name.end()
    while (end := _END.match(text, position)) is None:
        found = _ATTRIBUTE.match(text, position)
        if found is None or (found.end() == found.end(1) and _UNFINISHED.match(text, found.end())):
            return "", {}, -1
        key, double, single, bare = found.groups()
        value = next((each for each in (double, single, bare) if each is not None), None)
        values[key.lower()] = _unescaped(value) if value is not None else "" if found[0][-1:] == "=" else None
        position = found.end()
    return name[0].lower(), values, end.end()


def _behind(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return -1 if found < 0 else found + len(mark)


def _unescaped(value: str) -> str:
    try:
        return html.unescape(value) if "&" in value else value
    except ValueError:  # the number of a character, in thousands of digits
        return value
