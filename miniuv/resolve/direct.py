"""Candidates that come from one given place: a folder, a repository, an archive."""

from collections.abc import Mapping, Sequence

from packaging.utils import NormalizedName

from miniuv.errors import ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import ArchiveSource, DirectorySource, DirectSource, PinnedGit, PinnedSource
from miniuv.sources.catalog import Catalog
from miniuv.sources.once import Once


class DirectSources:
    """One candidate for each direct source; where the very same is installed, what is installed.

    Raises ``ResolutionError`` where a name is asked for from two places: nothing to backtrack to, since only
    the user and direct sources themselves name direct sources.
    """

    def __init__(self, *, catalog: Catalog, installed: Mapping[NormalizedName, InstalledDistribution]) -> None:
        """``installed`` holds what may stay; editables are never among it."""
        self._catalog = catalog
        self._installed = installed
        self._made = Once(self._make, label=lambda key: key[0])

    def candidate(self, requirements: Sequence[Requirement]) -> Candidate:
        """The candidate that all of ``requirements`` (with a source each) mean."""
        chosen = requirements[0]
        for other in requirements[1:]:
            if self._same_place(chosen.source, other.source):
                continue
            if _same_folder(chosen.source, other.source):
                chosen = chosen if chosen.editable else other  # the editable wins over the plain folder
                continue
            raise _two_places(chosen, other)
        assert chosen.source is not None
        return self._made((chosen.name, chosen.source, str(chosen.origin)))

    def matches(self, wanted: Requirement, candidate: Candidate) -> bool:
        """Whether ``candidate`` comes from where ``wanted`` says."""
        assert wanted.source is not None
        if isinstance(candidate.source, InstalledDistribution):
            return candidate == self._made((wanted.name, wanted.source, str(wanted.origin)))
        pinned = self._catalog.pin(wanted.source)
        return _identity(pinned) == _identity(candidate.source) or _same_folder(pinned, candidate.source)

    def _make(self, key: tuple[NormalizedName, DirectSource, str]) -> Candidate:
        name, source, origin = key
        installed = self._installed.get(name)
        pinned = self._catalog.pin(source)
        local = isinstance(pinned, ArchiveSource) and pinned.url.scheme == "file"
        digest = self._catalog.archive_digest(pinned) if local else None
        if installed is not None and installed.came_from(pinned, digest=digest):
            return Candidate(name=name, version=installed.metadata.version, source=installed)
        metadata = self._catalog.metadata(pinned)
        if metadata.name != name:
            raise ResolutionError(
                f"`{name}` was asked for, but {pinned} is `{metadata.name}`",
                where=origin,
                hint=f"write `{metadata.name}` in front of the `@`",
            )
        return Candidate(name=name, version=metadata.version, source=pinned)

    def _same_place(self, one: DirectSource | None, other: DirectSource | None) -> bool:
        if one == other:
            return True
        if one is None or other is None or type(one) is not type(other):
            return False
        return _identity(self._catalog.pin(one)) == _identity(self._catalog.pin(other))


def _identity(source: PinnedSource) -> object:
    match source:
        case PinnedGit():
            return source.identity
        case ArchiveSource(url=url, subdirectory=subdirectory):
            return url, subdirectory
        case _:
            return source


def _same_folder(one: object, other: object) -> bool:
    return isinstance(one, DirectorySource) and isinstance(other, DirectorySource) and one.path == other.path


def _two_places(one: Requirement, other: Requirement) -> ResolutionError:
    return ResolutionError(
        f"`{one.name}` is asked for from two places:\n"
        f"  {one.origin} requires {_place(one)}\n"
        f"  {other.origin} requires {_place(other)}",
        hint="keep one of the two, or make both name the same place",
    )


def _place(requirement: Requirement) -> str:
    return f"-e {requirement.source}" if requirement.editable else str(requirement.source)
