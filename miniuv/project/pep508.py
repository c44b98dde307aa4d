"""PEP 508 texts, each parsed once in a process."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from packaging.markers import Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as ParsedRequirement

from miniuv.errors import RequirementError
from miniuv.models.url import redact

# What published packages get wrong often enough that pip's predecessors and uv read it all the same.
_REPAIRS = (
    (re.compile(r"(?P<operator>>=|<=|~=|>|<)\s*(?P<release>\d+(?:\.\d+)*)\.\*"), r"\g<operator>\g<release>"),
    (re.compile(r"(?P<before>[\d*])\s+(?P<operator>===|[~=!<>]=|[<>])"), r"\g<before>,\g<operator>"),
    (re.compile(r"(?P<release>\d)\.(?=\s*(?:[,;)]|$))"), r"\g<release>"),
    (re.compile(r"(?P<operator>[~=!<>]=|[<>])\s*['\"](?P<version>[\w.*+!-]+)['\"]"), r"\g<operator>\g<version>"),
)


@lru_cache(maxsize=16384)
def parse_pep508(text: str) -> ParsedRequirement:
    """Read ``text``; the result is shared, so nobody may change it. Raises ``RequirementError``."""
    try:
        return ParsedRequirement(text)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise RequirementError(f"`{redact(text)}` is no valid requirement: {lower_first(reason)}") from error


def repair_specifiers(text: str) -> str:
    """Rewrite the slips that older packages are known for: ``>=3.6.*``, ``>=1 <2``, ``>='3.8'``."""
    for pattern, replacement in _REPAIRS:
        text = pattern.sub(replacement, text)
    return text


def parse_published(text: str) -> tuple[str, ParsedRequirement]:
    """Read a requirement out of published metadata, with the text that is valid: known slips are repaired."""
    try:
        return text, parse_pep508(text)
    except RequirementError:
        before, semicolon, marker = text.partition(";")
        repaired = repair_specifiers(before) + semicolon + marker
        if repaired == text:
            raise
        return repaired, parse_pep508(repaired)


def marker_holds(marker: Marker | None, markers: Mapping[str, str], extras: Iterable[str] = ()) -> bool:
    """Evaluate ``marker`` for the target that ``markers`` describes: with no extra, then with each of ``extras``."""
    if marker is None:
        return True
    try:
        return any(marker.evaluate({**markers, "extra": extra}) for extra in ("", *extras))
    except (UndefinedComparison, UndefinedEnvironmentName) as error:
        raise RequirementError(f"marker `{marker}` cannot be evaluated: {lower_first(str(error))}") from error


def lower_first(text: str) -> str:
    """Fit a foreign message into a sentence of ours."""
    return text[:1].lower() + text[1:].rstrip(".")
