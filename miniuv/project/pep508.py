"""PEP 508 texts, each parsed once in a process."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as ParsedRequirement
from packaging.version import InvalidVersion, Version

from miniuv.errors import RequirementError
from miniuv.models.url import redact

MAX_REQUIREMENT_CHARACTERS = 32 * 1024
_SHOWN_CHARACTERS = 200
_HUGE_NUMBER = re.compile(r"\d{1000}")
"""No part of a version is so long, and Python does not read a number of more than 4300 digits."""

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
    if len(text) > MAX_REQUIREMENT_CHARACTERS:
        raise _refusal(text, f"it is longer than {MAX_REQUIREMENT_CHARACTERS} characters")
    if is_unreadable_number(text):
        raise _refusal(text, "it holds a number of more than 1000 digits")
    try:
        return ParsedRequirement(text)
    except InvalidRequirement as error:
        raise _refusal(text, lower_first(str(error).partition("\n")[0])) from error
    except RecursionError as error:
        raise _refusal(text, "its marker is nested too deeply") from error


def parse_marker(text: str) -> Marker:
    """Read the part after the ``;``. Raises ``RequirementError``."""
    try:
        if len(text) > MAX_REQUIREMENT_CHARACTERS or is_unreadable_number(text):
            raise InvalidMarker(text)
        return Marker(text)
    except (InvalidMarker, RecursionError) as error:
        hint = "a marker reads `python_version >= '3.12'`"
        raise RequirementError(f"`{clipped(text)}` is no valid marker", hint=hint) from error


def is_unreadable_number(text: str) -> bool:
    """Whether ``text`` holds a number that no version or marker has, and whose comparison would fail."""
    return len(text) >= 1000 and _HUGE_NUMBER.search(text) is not None


def clipped(text: str) -> str:
    """As much of ``text`` as a message can hold."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def parse_version(text: str) -> Version:
    """Read a version; raises ``InvalidVersion``, also for a number that Python does not read."""
    if is_unreadable_number(text):
        raise InvalidVersion("it holds a number of more than 1000 digits")
    return Version(text)


def _refusal(text: str, reason: str) -> RequirementError:
    shown = redact(text[:MAX_REQUIREMENT_CHARACTERS])  # before it is cut, or half a password would look like none
    return RequirementError(f"`{clipped(shown)}` is no valid requirement: {reason}")


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
        if len(text) > MAX_REQUIREMENT_CHARACTERS:
            raise
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
