"""Which files of a project fit the target, best first, and why the others do not; pure."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from miniuv.index.simple import Rejection
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import IndexFile

NO_BUILD = "builds are switched off"
"""What the reason says where ``no_build`` leaves a file out."""

_SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """The files that fit, by version."""

    versions: Mapping[Version, tuple[IndexFile, ...]]
    """Newest version first; in each, wheels by the target's preference, then sdists."""
    rejections: tuple[Rejection, ...] = ()
    """In the order of the page."""

    def is_yanked(self, version: Version) -> bool:
        """Whether every file of that version that fits has been yanked."""
        return all(file.yanked is not None for file in self.versions[version])

    def best(self, version: Version) -> IndexFile:
        """The file to install: one that is not yanked where there is one."""
        files = self.versions[version]
        return next((file for file in files if file.yanked is None), files[0])


def select(
    files: Iterable[IndexFile], *, name: NormalizedName, interpreter: Interpreter, no_build: bool = False
) -> Selection:
    """Sort ``files`` by version and fitness; ``no_build`` leaves the sdists out."""
    ranks = _ranks(interpreter.tags)
    fitting: dict[Version, list[tuple[tuple[object, ...], IndexFile]]] = {}
    rejections: list[Rejection] = []
    for file in files:
        try:
            if file.is_wheel:
                version, order = _check_wheel(file, name, ranks, interpreter)
            else:
                version, order = _check_sdist(file, name, no_build)
            _check_python(file, interpreter)
        except _UnfitError as reason:
            rejections.append(Rejection(filename=file.filename, reason=str(reason)))
        else:
            fitting.setdefault(version, []).append((order, file))
    versions = {
        version: tuple(file for _, file in sorted(fitting[version], key=lambda pair: pair[0]))
        for version in sorted(fitting, reverse=True)
    }
    return Selection(versions=versions, rejections=tuple(rejections))


def admissible(selection: Selection, specifier: SpecifierSet, *, prereleases: bool = False) -> Iterator[Version]:
    """The versions that ``specifier`` admits, newest first.

    Pre-releases come only where they are asked for, or where nothing else fits. A yanked version only where the
    specifier pins it: PEP 592, "MUST ignore yanked releases, if the selection constraints can be satisfied with a
    non-yanked version", and pip and uv take a yanked one for ``==`` and ``===`` alone.
    """
    pinned = _is_pinned(specifier)
    offered = [version for version in selection.versions if pinned or not selection.is_yanked(version)]
    return iter(list(specifier.filter(offered, prereleases=True if prereleases else None)))


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(
        each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*")) for each in specifier
    )


class _UnfitError(Exception):
    """Why a file does not fit."""


@functools.lru_cache(maxsize=8)
def _ranks(tags: tuple[str, ...]) -> Mapping[str, int]:
    return {tag: rank for rank, tag in enumerate(tags)}


@functools.lru_cache(maxsize=16384)
def _wheel_tags(triple: str) -> tuple[str, ...]:
    """Expand a compressed tag set: ``py2.py3-none-any``."""
    parts = triple.lower().split("-")
    return tuple("-".join(tag) for tag in product(*(part.split(".") for part in parts)))


def _check_wheel(
    file: IndexFile, name: NormalizedName, ranks: Mapping[str, int], interpreter: Interpreter
) -> tuple[Version, tuple[object, ...]]:
    parts = file.filename.removesuffix(".whl").split("-")
    if len(parts) not in {5, 6}:
        raise _UnfitError("its name is no wheel file name")
    # the tags go first: they tell most wheels apart, and the whole grammar is dear on pages with thousands of files
    triple = "-".join(parts[-3:])
    rank = min((ranks[tag] for tag in _wheel_tags(triple) if tag in ranks), default=None)
    if rank is None:
        raise _UnfitError(f"none of its tags fits {_target(interpreter)}")
    try:
        project, version, build, _ = parse_wheel_filename(file.filename)
    except InvalidWheelFilename as error:
        raise _UnfitError(f"its name is no wheel file name: {error}") from error
    _check_name(project, name)
    number, letters = build or (-1, "")
    return version, (0, rank, -number, _Descending(letters), file.filename)


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class _Descending:
    """Turns the order of a text round."""

    text: str

    def __lt__(self, other: "_Descending") -> bool:
        return self.text > other.text


def _check_sdist(file: IndexFile, name: NormalizedName, no_build: bool) -> tuple[Version, tuple[object, ...]]:
    suffix = next((suffix for suffix in _SDIST_SUFFIXES if file.filename.endswith(suffix)), None)
    if suffix is None:
        raise _UnfitError("it is neither a wheel nor a source archive")
    if no_build:
        raise _UnfitError(f"it is a source archive, and {NO_BUILD}")
    stem = file.filename.removesuffix(suffix)
    try:
        project, version = parse_sdist_filename(f"{stem}.tar.gz")
    except InvalidSdistFilename as error:
        raise _UnfitError(f"its name is no source archive's name: {error}") from error
    _check_name(project, name)
    return version, (1, _SDIST_SUFFIXES.index(suffix), 0, _Descending(""), file.filename)


def _check_name(project: str, name: NormalizedName) -> None:
    if canonicalize_name(project) != name:
        raise _UnfitError(f"it belongs to another project, `{project}`")


def _check_python(file: IndexFile, interpreter: Interpreter) -> None:
    if file.requires_python and not _admits(file.requires_python, str(interpreter.version)):
        raise _UnfitError(f"it requires Python {file.requires_python}, and the target is {interpreter.version}")


@functools.lru_cache(maxsize=4096)
def _admits(requires_python: str, version: str) -> bool:
    """Whether the range holds ``version``; a range that cannot be read excludes nobody, as in pip."""
    try:
        return SpecifierSet(requires_python).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def _target(interpreter: Interpreter) -> str:
    platform = next((tag.split("-")[2] for tag in interpreter.tags), "any")
    return f"{interpreter.implementation} {interpreter.version} on {platform}"


def version_of(filename: str) -> Version | None:
    """The version that a file's name tells."""
    try:
        if filename.endswith(".whl"):
            return parse_wheel_filename(filename)[1]
        stem = next((filename.removesuffix(suffix) for suffix in _SDIST_SUFFIXES if filename.endswith(suffix)), "")
        return parse_sdist_filename(f"{stem}.tar.gz")[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def rejection_lines(rejections: Sequence[Rejection], *, limit: int = 5) -> list[str]:
    """The reasons in words, equal ones together: for the error that ends a search."""
    by_reason: dict[str, list[str]] = {}
    for rejection in rejections:
        by_reason.setdefault(rejection.reason, []).append(rejection.filename)
    lines = []
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"`{names[-1]}`{others}: {reason}")
    hidden = len(lines) - limit
    return [*lines[:limit], f"and {hidden} more reasons"] if hidden > 0 else lines
