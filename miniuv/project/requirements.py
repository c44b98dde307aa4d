"""One requirement, as typed or as written in metadata, to a ``Requirement``."""

import re
from collections.abc import Mapping
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement as ParsedRequirement
from packaging.utils import NormalizedName, canonicalize_name

from miniuv.errors import RequirementError
from miniuv.models.requirement import Origin, Requirement, UnnamedRequirement
from miniuv.models.source import DirectSource
from miniuv.models.url import redact
from miniuv.project.direct_reference import absolute_path, looks_direct, parse_direct_source
from miniuv.project.git_reference import refuse_scp
from miniuv.project.pep508 import marker_holds, parse_marker, parse_pep508

_NAMED_URL = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*@\s*(?P<rest>.+)", re.DOTALL
)
_TRAILING_EXTRAS = re.compile(r"(?P<body>.*[^\s\[])\s*\[(?P<extras>[\w\s.,-]*)\]$", re.DOTALL)
_VERSION = re.compile(r"v?\d[\w.+!-]*")
_MARKER = re.compile(r"\s*;\s+|\s+;\s*")


def parse_requirement(
    text: str,
    *,
    origin: Origin,
    base: Path,
    markers: Mapping[str, str],
    extras: frozenset[str] = frozenset(),
    hashes: frozenset[str] = frozenset(),
) -> Requirement | UnnamedRequirement | None:
    """Read a PEP 508 text, a URL or a path; ``None`` where its marker does not hold for ``markers``.

    ``extras`` are those that were asked of the distribution whose requirement it is. Paths start from ``base``.
    Raises ``RequirementError``.
    """
    with _told_from(origin):
        text = text.strip()
        refuse_scp(text)
        if looks_direct(text):
            return _parse_unnamed(text, origin=origin, base=base, markers=markers, hashes=hashes, editable=False)
        parsed = _parse_named(text)
        if not marker_holds(parsed.marker, markers, extras):
            return None
        return _named(parsed, origin=origin, base=base, hashes=hashes, editable=False)


def parse_editable(
    text: str, *, origin: Origin, base: Path, markers: Mapping[str, str] | None = None
) -> Requirement | UnnamedRequirement | None:
    """Read what follows ``-e``: ``path``, ``path[extra]``, a file URL, ``name[extra] @ path``.

    ``None`` only where ``markers`` are given and the marker of the text does not hold. Raises ``RequirementError``.
    """
    with _told_from(origin):
        text = text.strip()
        if not text:
            raise RequirementError("`-e` needs a folder", hint="write `-e .` for the current one")
        named = _NAMED_URL.fullmatch(text)
        refuse_scp(text)
        if named and not looks_direct(text):
            url, marker = _split_marker(named["rest"])
            if markers is not None and not marker_holds(marker, markers):
                return None
            source, _ = parse_direct_source(url, base=base, editable=True)
            return Requirement(
                name=canonicalize_name(named["name"]),
                extras=_extras(named["extras"] or "", text),
                source=source,
                origin=origin,
            )
        return _parse_unnamed(text, origin=origin, base=base, markers=markers, hashes=frozenset(), editable=True)


class _told_from:  # noqa: N801  # reads as a statement
    """Add the place of ``origin`` to whatever error is raised inside."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, RequirementError) and error.where is None:
            error.where = str(self._origin)


def _parse_named(text: str) -> ParsedRequirement:
    try:
        return parse_pep508(text)
    except RequirementError as error:
        error.hint = _hint(text)
        raise


def _hint(text: str) -> str | None:
    bare = text.strip()
    if re.fullmatch(r"[\w.-]+=[^=].*", bare):
        return "write `==` for an exact version"
    if re.search(r"\s-{1,2}\w", bare):
        return "options go on lines of their own, or before the requirement"
    if "@" in bare:
        return "a direct reference reads `name @ URL ; marker`, with a space before the `;`"
    return None


def _named(
    parsed: ParsedRequirement, *, origin: Origin, base: Path, hashes: frozenset[str], editable: bool
) -> Requirement:
    name = canonicalize_name(parsed.name)
    source: DirectSource | None = None
    if parsed.url is not None:
        _check_trust(name, parsed.url, origin)
        if _VERSION.fullmatch(parsed.url) and not _exists(parsed.url, base):
            hint = f"write `{parsed.name}=={parsed.url}` for that version"
            raise RequirementError(f"`{parsed.name}@{parsed.url}`: what follows `@` must be a URL", hint=hint)
        source, _ = parse_direct_source(parsed.url, base=base, editable=editable)
    return Requirement(
        name=name,
        extras=frozenset(canonicalize_name(extra) for extra in parsed.extras),
        specifier=parsed.specifier,
        source=source,
        origin=origin,
        hashes=hashes,
    )


def _check_trust(name: NormalizedName, url: str, origin: Origin) -> None:
    if not origin.trusted:
        raise RequirementError(
            f"requires `{name}` from `{redact(url)}`, and a package from an index may not name a URL of its own",
            hint=f"if you trust it, ask for `{name} @ {redact(url)}` yourself",
        )


def _parse_unnamed(
    text: str,
    *,
    origin: Origin,
    base: Path,
    markers: Mapping[str, str] | None,
    hashes: frozenset[str],
    editable: bool,
) -> Requirement | UnnamedRequirement | None:
    body, marker = _split_path_marker(text, base)
    if markers is not None and not marker_holds(marker, markers):
        return None
    body, extras = _split_extras(body, base)
    source, egg = parse_direct_source(body, base=base, editable=editable)
    if egg:
        named = _parse_egg(egg, text)
        return Requirement(
            name=canonicalize_name(named.name),
            extras=extras | {canonicalize_name(extra) for extra in named.extras},
            source=source,
            origin=origin,
            hashes=hashes,
        )
    return UnnamedRequirement(source=source, extras=extras, origin=origin, hashes=hashes)


def _parse_egg(egg: str, text: str) -> ParsedRequirement:
    try:
        named = parse_pep508(egg)
    except RequirementError:
        named = None
    if named is None or named.specifier or named.url or named.marker:
        hint = "leave `#egg=` out: the project itself says its name"
        raise RequirementError(f"`{redact(text)}`: `#egg={egg}` is no project name", hint=hint)
    return named


def _split_path_marker(text: str, base: Path) -> tuple[str, Marker | None]:
    if ";" not in text or _exists(text, base):
        return text, None
    return _split_marker(text)


def _split_marker(text: str) -> tuple[str, Marker | None]:
    parts = _MARKER.split(text, maxsplit=1)
    if len(parts) == 1:
        return text.strip(), None
    return parts[0].strip(), parse_marker(parts[1])


def _split_extras(text: str, base: Path) -> tuple[str, frozenset[str]]:
    match = _TRAILING_EXTRAS.fullmatch(text)
    if match is None or "#" in match["body"] or _exists(text, base):
        return text, frozenset()
    return match["body"], _extras(match["extras"], text)


def _extras(listed: str, text: str) -> frozenset[str]:
    names = [name.strip() for name in listed.split(",")]
    if names == [""]:
        return frozenset()
    if not all(re.fullmatch(r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?", name, re.ASCII) for name in names):
        hint = "write extras as `[one,two]`"
        raise RequirementError(f"`{redact(text)}`: `[{listed}]` is no list of extras", hint=hint)
    return frozenset(canonicalize_name(name) for name in names)


def _exists(text: str, base: Path) -> bool:
    try:
        return absolute_path(text, base).exists()
    except (OSError, ValueError, RequirementError):
        return False
