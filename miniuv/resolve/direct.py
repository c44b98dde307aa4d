"""Candidates that come from one given place: a folder, a repository, an archive."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import NormalizedName

from miniuv.errors import HashMismatchError, ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import ArchiveSource, DirectorySource, DirectSource, GitSource, PinnedGit, PinnedSource
from miniuv.resolve.limits import Limits
from miniuv.sources.catalog import Catalog
from miniuv.sources.once import Once
from miniuv.values import replace

Place = str | tuple[object, ...] | PinnedSource | InstalledDistribution


class Editables:
    """The folders that the user wants editable: they are, whoever else asks for them and how."""

    def __init__(self, sources: Iterable[DirectSource | None]) -> None:
        self._by_folder: dict[Path, DirectorySource] = {}
        for source in sources:
            if isinstance(source, DirectorySource) and source.editable:
                self._by_folder.setdefault(_real(source), source)

    def instead_of(self, source: DirectSource | None) -> DirectSource:
        """``source``, or the editable of the same folder."""
        assert source is not None
        return self._by_folder.get(_real(source), source) if isinstance(source, DirectorySource) else source


class DirectSources:
    """One candidate for each direct source; where the very same is installed, what is installed.

    Raises ``ResolutionError`` where a name is asked for from two places: nothing to backtrack to, since only
    the user and direct sources themselves name direct sources.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        installed: Mapping[NormalizedName, InstalledDistribution],
        requirements: Sequence[Requirement],
        limits: Limits,
        no_build: bool,
    ) -> None:
        """``installed`` may stay; ``requirements`` are the user's own, whose editables win over plain folders."""
        self._catalog = catalog
        self._installed = installed
        self._limits = limits
        self._no_build = no_build
        self._editables = Editables(requirement.source for requirement in requirements)
        self._made = Once(self._make, label=lambda key: key[0])

    def candidate(self, requirements: Sequence[Requirement]) -> Candidate:
        """The candidate that all of ``requirements`` (with a source each) mean."""
        first, *others = requirements
        source = self._editables.instead_of(first.source)
        for other in others:
            joined = self._joined(source, self._editables.instead_of(other.source))
            if joined is None:
                raise _two_places(first, other)
            source = joined
        return self._made((first.name, source, str(first.origin)))

    def matches(self, wanted: Requirement, candidate: Candidate) -> bool:
        """Whether ``candidate`` comes from where ``wanted`` says."""
        source = self._editables.instead_of(wanted.source)
        if isinstance(candidate.source, InstalledDistribution):
            return candidate == self._made((wanted.name, source, str(wanted.origin)))
        return place_of(self._catalog.pin(source)) == place_of(candidate.source)

    def _joined(self, one: DirectSource, other: DirectSource) -> DirectSource | None:
        """What serves both; ``None`` where they are different places or have different contents."""
        match one, other:
            case _ if one == other:
                return one
            case ArchiveSource(), ArchiveSource():
                hashes = {**other.hashes, **one.hashes}
                agree = all(one.hashes.get(name, digest) == digest for name, digest in other.hashes.items())
                return replace(one, hashes=hashes) if agree and place_of(one) == place_of(other) else None
            case (GitSource(), GitSource()) | (DirectorySource(), DirectorySource()):
                return one if place_of(self._catalog.pin(one)) == place_of(self._catalog.pin(other)) else None
            case _:
                return None

    def _make(self, key: tuple[NormalizedName, DirectSource, str]) -> Candidate:
        name, source, origin = key
        installed = self._installed.get(name)
        pinned = self._catalog.pin(source)
        local = isinstance(pinned, ArchiveSource) and pinned.url.scheme == "file"
        digest = self._catalog.archive_digest(pinned) if local else None
        if installed is not None and installed.came_from(pinned, digest=digest):
            return Candidate(name=name, version=installed.metadata.version, source=installed)
        if self._no_build and _must_be_built(pinned):
            raise ResolutionError(
                f"`{name}` would have to be built from {pinned}, and builds are switched off",
                where=origin,
                hint="name a wheel, or leave `--no-build` (`--only-binary`) out",
            )
        hashes = self._limits.hashes(name)
        try:
            self._catalog.check_hashes(pinned, hashes)
            metadata = self._catalog.metadata(pinned)
        except HashMismatchError as error:
            error.where = error.where or origin
            raise
        if metadata.name != name:
            raise ResolutionError(
                f"`{name}` was asked for, but {pinned} is `{metadata.name}`",
                where=origin,
                hint=f"write `{metadata.name}` in front of the `@`",
            )
        return Candidate(name=name, version=metadata.version, source=pinned, hashes=hashes)


def place_of(source: PinnedSource | InstalledDistribution) -> Place:
    """What makes two sources the same, however they are spelled."""
    match source:
        case PinnedGit():
            return source.identity
        case ArchiveSource(url=url, subdirectory=subdirectory):
            return url, subdirectory
        case DirectorySource():
            return str(_real(source))
        case _:
            return source


def _real(source: DirectorySource) -> Path:
    return Path(os.path.realpath(source.path))


def _must_be_built(source: PinnedSource) -> bool:
    match source:
        case DirectorySource(editable=editable):
            return not editable
        case ArchiveSource():
            return not source.filename.endswith(".whl")
        case _:
            return isinstance(source, PinnedGit)


def _two_places(one: Requirement, other: Requirement) -> ResolutionError:
    return ResolutionError(
        f"`{one.name}` is asked for from two places:\n"
        f"  {one.origin} requires {_place(one)}\n"
        f"  {other.origin} requires {_place(other)}",
        hint="keep one of the two, or make both name the same place",
    )


def _place(requirement: Requirement) -> str:
    if requirement.editable:
        return f"-e {requirement.source}"
    hashes = requirement.source.hashes if isinstance(requirement.source, ArchiveSource) else {}
    fragment = "&".join(f"{algorithm}={digest}" for algorithm, digest in sorted(hashes.items()))
    return f"{requirement.source}#{fragment}" if fragment else str(requirement.source)
