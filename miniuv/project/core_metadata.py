"""Core metadata texts (METADATA, PKG-INFO) to facts: lenient with what is published, strict with junk."""

import re
from collections.abc import Sequence

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from miniuv.errors import MetadataError, RequirementError
from miniuv.models.metadata import CoreMetadata
from miniuv.project.pep508 import (
    MAX_REQUIREMENT_CHARACTERS,
    clipped,
    is_unreadable_number,
    parse_published,
    parse_version,
    repair_specifiers,
)

MAX_METADATA_BYTES = 16 * 1024 * 1024
MAX_REQUIREMENTS = 20_000

_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_FIELD = re.compile(r"From |([!-9;-~]*):")
"""What continues the headers, as ``email`` reads them, which is ten times as dear; without a name it is passed over."""

_FIELDS_NEEDED = frozenset({"version", "requires-dist", "requires-python", "provides-extra"})


def parse_metadata(data: bytes, *, where: str) -> CoreMetadata:
    """Read what an installer needs; ``where`` names the file. Raises ``MetadataError``."""
    return _facts(read_headers(data, where), where)


def static_sdist_metadata(pkg_info: bytes, *, where: str = "PKG-INFO") -> CoreMetadata | None:
    """Read the metadata of an sdist where it is promised to be that of every wheel built from it, else ``None``.

    PEP 643: "If a field is not marked as Dynamic, then the value of the field in any wheel built from the sdist
    MUST match the value in the sdist", from metadata version 2.2 on.
    """
    headers = read_headers(pkg_info, where)
    text = _single(headers, "metadata-version", where)
    try:
        version = parse_version(text)
    except InvalidVersion as error:
        raise MetadataError(f"`{clipped(text)}` is no metadata version", where=where) from error
    dynamic = {field.strip().lower() for field in headers.get("dynamic", ())}
    if version < Version("2.2") or not _FIELDS_NEEDED.isdisjoint(dynamic):
        return None
    return _facts(headers, where)


def parse_requires_python(text: str) -> SpecifierSet | None:
    """Read a published range of Python versions; ``None`` where nobody can tell what it means, as pip and uv do."""
    if len(text) > MAX_REQUIREMENT_CHARACTERS or is_unreadable_number(text):
        return None
    for candidate in (text, repair_specifiers(text)):
        try:
            return SpecifierSet(candidate)
        except InvalidSpecifier:
            continue
    return None


def read_headers(data: bytes, where: str) -> dict[str, list[str]]:
    """Field name in lower case to its values; the body, a long description, is not looked at."""
    if len(data) > MAX_METADATA_BYTES:
        raise MetadataError(f"metadata of {len(data)} bytes; {MAX_METADATA_BYTES} are allowed", where=where)
    block = _END_OF_HEADERS.split(data, maxsplit=1)[0]
    if b"\0" in block:
        raise MetadataError("metadata is binary, not text", where=where)
    if re.search(rb"\r(?!\r*\n)", block):
        raise MetadataError("metadata contains a carriage return inside a line", where=where)
    headers: dict[str, list[str]] = {}
    values: list[str] | None = None
    for line in _END_OF_LINE.split(block.decode("utf-8", "replace")):
        if line.startswith((" ", "\t")):
            if values is not None:
                values[-1] += f"\n{line}"
            continue
        field = _FIELD.match(line)
        if field is None:
            break
        values = headers.setdefault(field[1].lower(), []) if field[1] else None
        if values is not None:
            values.append(line[field.end() :].lstrip(" \t"))
    return headers


def _facts(headers: dict[str, list[str]], where: str) -> CoreMetadata:
    name = _single(headers, "name", where)
    try:
        canonicalize_name(name, validate=True)
        version = parse_version(_single(headers, "version", where))
    except InvalidName as error:
        raise MetadataError(f"`{clipped(name)}` is no valid project name", where=where) from error
    except InvalidVersion as error:
        raise MetadataError(
            f"the version of `{clipped(name)}` is not valid: {clipped(str(error))}", where=where
        ) from error
    requires_python = headers.get("requires-python", [""])[0].strip()
    return CoreMetadata(
        display_name=name,
        version=version,
        requires_dist=_requirements(headers.get("requires-dist", ()), where),
        requires_python=parse_requires_python(requires_python) if requires_python else None,
        provides_extra=frozenset(canonicalize_name(extra.strip()) for extra in headers.get("provides-extra", ())),
    )


def _requirements(texts: Sequence[str], where: str) -> tuple[str, ...]:
    if len(texts) > MAX_REQUIREMENTS:
        raise MetadataError(f"`Requires-Dist` is there {len(texts)} times; {MAX_REQUIREMENTS} are allowed", where=where)
    valid = []
    for text in texts:
        try:
            valid.append(parse_published(" ".join(text.split()))[0])
        except RequirementError as error:
            raise MetadataError(f"`Requires-Dist`: {error.message}", where=where) from error
    return tuple(valid)


def _single(headers: dict[str, list[str]], field: str, where: str) -> str:
    values = headers.get(field, [])
    if len(values) != 1 or not values[0].strip():
        problem = f"has `{field.title()}` {len(values)} times" if len(values) > 1 else f"has no `{field.title()}`"
        raise MetadataError(f"metadata {problem}", where=where)
    return values[0].strip()
