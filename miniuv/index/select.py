"""Which files of a project fit the target, best first, and why the others do not; pure."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Generic, Protocol, TypeVar

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    BuildTag,
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from miniuv.index.simple import Rejection
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import IndexFile
from miniuv.values import dataclass

NO_BUILD = "builds are switched off"
"""What the reason says where ``no_build`` leaves a file out."""

_SDIST_SUFFIXES = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


class Named(Protocol):
    """What is asked of a file to know whether it fits."""

    @property
    def filename(self) -> str:
        """As on the page."""

    @property
    def requires_python(self) -> str | None:
        """As on the page."""

    @property
    def yanked(self) -> str | None:
        """``None`` where it was not."""


F = TypeVar("F", bound=Named)


@dataclass(frozen=True, slots=True)
class Release(Generic[F]):
    """What fits of one version: wheels by the target's preference, then sdists."""

    version: Version
    files: tuple[F, ...]

    @property
    def is_yanked(self) -> bool:
        """Whether every file of it that fits has been yanked."""
        return all(file.yanked is not None for file in self.files)


class Selection(Protocol):
    """The files that fit, by version."""

    @property
    def versions(self) -> Mapping[Version, tuple[IndexFile, ...]]:
        """Newest version first; in each, wheels by the target's preference, then sdists."""

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """In the order of the page."""

    @property
    def is_empty(self) -> bool:
        """Whether there is not even a file that does not fit."""

    def is_yanked(self, version: Version) -> bool:
        """Whether every file of that version that fits has been yanked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainSelection:
    """A ``Selection`` with everything at hand."""

    versions: Mapping[Version, tuple[IndexFile, ...]]
    """See ``Selection``."""
    rejections: tuple[Rejection, ...] = ()
    """See ``Selection``."""

    @property
    def is_empty(self) -> bool:
        """See ``Selection``."""
        return not self.versions and not self.rejections

    def is_yanked(self, version: Version) -> bool:
        """See ``Selection``."""
        return all(file.yanked is not None for file in self.versions[version])


def best_of(files: Sequence[IndexFile]) -> IndexFile:
    """The file of a version to install: one that is not yanked where there is one."""
    return next((file for file in files if file.yanked is None), files[0])


def select(
    files: Iterable[IndexFile], *, name: NormalizedName, interpreter: Interpreter, no_build: bool = False
) -> PlainSelection:
    """Sort ``files`` by version and fitness; ``no_build`` leaves the sdists out."""
    files = tuple(files)
    releases = fitting(files, name=name, interpreter=interpreter, no_build=no_build)
    return PlainSelection(
        versions={release.version: release.files for release in releases},
        rejections=rejected(files, name=name, interpreter=interpreter, no_build=no_build),
    )


def sieve(interpreter: Interpreter) -> Callable[[str], bool]:
    """Make a test that leaves out, by its file name and at little cost, most of what does not fit.

    Most files of a long page are wheels for something else.
    """
    ranks = _ranks(interpreter.tags)
    return lambda filename: not filename.endswith(".whl") or ranks.of(filename) is not None


def fitting(
    files: Iterable[F], *, name: NormalizedName, interpreter: Interpreter, no_build: bool
) -> tuple[Release[F], ...]:
    """What fits, newest version first."""
    check = _Check(name, interpreter, no_build=no_build)
    may_fit = sieve(interpreter)
    found: dict[Version, list[tuple[tuple[object, ...], F]]] = {}
    for file in files:
        if not may_fit(file.filename):
            continue
        try:
            version, order = check.file(file)
        except _UnfitError:
            continue
        found.setdefault(version, []).append((order, file))
    return tuple(
        Release(version, tuple(file for _, file in sorted(found[version], key=_order)))
        for version in sorted(found, reverse=True)
    )


def rejected(
    files: Iterable[Named], *, name: NormalizedName, interpreter: Interpreter, no_build: bool
) -> tuple[Rejection, ...]:
    """Why the others do not fit, in their order."""
    check = _Check(name, interpreter, no_build=no_build)
    rejections = []
    for file in files:
        try:
            check.file(file)
        except _UnfitError as reason:
            rejections.append(Rejection(filename=file.filename, reason=str(reason)))
    return tuple(rejections)


def admissible(selection: Selection, specifier: SpecifierSet, *, prereleases: bool = False) -> Iterator[Version]:
    """The versions that ``specifier`` admits, newest first.

    Pre-releases come only where they are asked for, or where nothing else fits. A yanked version only where the
    specifier pins it: PEP 592, "MUST ignore yanked releases, if the selection constraints can be satisfied with a
    non-yanked version", and pip and uv take a yanked one for ``==`` and ``===`` alone.
    """
    pinned = _is_pinned(specifier)
    offered = (version for version in selection.versions if pinned or not selection.is_yanked(version))
    return specifier.filter(offered, prereleases=True if prereleases else None)


def _is_pinned(specifier: SpecifierSet) -> bool:
    return any(
        each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*")) for each in specifier
    )


class _UnfitError(Exception):
    """Why a file does not fit."""


class _Ranks:
    """How much the target likes each compressed tag set, looked at once."""

    def __init__(self, tags: tuple[str, ...]) -> None:
        self._ranks = {tag: rank for rank, tag in enumerate(tags)}
        self._known: dict[str, int | None] = {}

    def of(self, filename: str) -> int | None:
        """The best rank among the tags of a wheel's name; ``None`` where none of them fits."""
        triple = "-".join(filename[:-4].rsplit("-", 3)[1:])
        try:
            return self._known[triple]
        except KeyError:
            known = (self._ranks[tag] for tag in _wheel_tags(triple) if tag in self._ranks)
            return self._known.setdefault(triple, min(known, default=None))


@functools.lru_cache(maxsize=8)
def _ranks(tags: tuple[str, ...]) -> _Ranks:
    return _Ranks(tags)


def _wheel_tags(triple: str) -> tuple[str, ...]:
    """Expand a compressed tag set: ``py2.py3-none-any``."""
    parts = triple.lower().split("-")
    return tuple("-".join(tag) for tag in product(*(part.split(".") for part in parts)))


class _Check:
    """What a file must be for one project and target."""

    def __init__(self, name: NormalizedName, interpreter: Interpreter, *, no_build: bool) -> None:
        self.ranks = _ranks(interpreter.tags)
        self._name = name
        self._interpreter = interpreter
        self._python = str(interpreter.version)
        self._no_build = no_build

    def file(self, file: Named) -> tuple[Version, tuple[object, ...]]:
        """Its version, and its place among the files of that version; raises ``_UnfitError``."""
        filename = file.filename
        project, version, order = self._wheel(filename) if filename.endswith(".whl") else self._sdist(filename)
        if project != self._name:
            raise _UnfitError(f"it belongs to another project, `{project}`")
        if file.requires_python and not _admits(file.requires_python, self._python):
            raise _UnfitError(f"it requires Python {file.requires_python}, and the target is {self._python}")
        return version, order

    def _wheel(self, filename: str) -> tuple[NormalizedName, Version, tuple[object, ...]]:
        parts = filename[:-4].split("-")
        if len(parts) not in {5, 6}:
            raise _UnfitError("its name is no wheel file name")
        # the tags go first: they tell most wheels apart
        rank = self.ranks.of(filename)
        if rank is None:
            raise _UnfitError(f"none of its tags fits {_target(self._interpreter)}")
        try:
            project, build = _wheel_frame(parts[0], *parts[2:])
            version = parse_version(parts[1])
        except (InvalidWheelFilename, InvalidVersion):
            raise _UnfitError(f"its name is no wheel file name: {_problem(filename)}") from None
        number, letters = build or (-1, "")
        return project, version, (0, rank, -number, _Descending(letters), filename)

    def _sdist(self, filename: str) -> tuple[NormalizedName, Version, tuple[object, ...]]:
        suffix = next((suffix for suffix in _SDIST_SUFFIXES if filename.endswith(suffix)), None)
        if suffix is None:
            raise _UnfitError("it is neither a wheel nor a source archive")
        if self._no_build:
            raise _UnfitError(f"it is a source archive, and {NO_BUILD}")
        name, _, version = filename.removesuffix(suffix).rpartition("-")
        try:
            project = _sdist_project(name)
            parsed = parse_version(version)
        except (InvalidSdistFilename, InvalidVersion):
            problem = _sdist_problem(f"{filename.removesuffix(suffix)}.tar.gz")
            raise _UnfitError(f"its name is no source archive's name: {problem}") from None
        return project, parsed, (1, _SDIST_SUFFIXES.index(suffix), 0, _Descending(""), filename)


def _order(pair: tuple[tuple[object, ...], object]) -> tuple[object, ...]:
    return pair[0]


@functools.lru_cache(maxsize=16384)
def parse_version(text: str) -> Version:
    """Read ``text``, each once; raises ``InvalidVersion``."""
    return Version(text)


@functools.lru_cache(maxsize=16384)
def _wheel_frame(name: str, *rest: str) -> tuple[NormalizedName, BuildTag]:
    """What surrounds the version in a wheel's name, by the whole grammar; raises ``InvalidWheelFilename``."""
    project, _, build, _ = parse_wheel_filename("-".join((name, "1", *rest)) + ".whl")
    return project, build


@functools.lru_cache(maxsize=16384)
def _sdist_project(name: str) -> NormalizedName:
    """What stands before the version in an sdist's name, by the whole grammar; raises ``InvalidSdistFilename``."""
    return parse_sdist_filename(f"{name}-1.tar.gz")[0]


def _sdist_problem(filename: str) -> str:
    try:
        parse_sdist_filename(filename)
    except InvalidSdistFilename as error:
        return str(error)
    return "it cannot be read"


def _problem(filename: str) -> str:
    try:
        parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        return str(error)
    return "it cannot be read"


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class _Descending:
    """Turns the order of a text round."""

    text: str

    def __lt__(self, other: "_Descending") -> bool:
        return self.text > other.text


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
