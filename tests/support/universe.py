"""A small universe of packages in memory: what an index lists and what metadata says, without files or network."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import cast

from packaging.utils import NormalizedName

from miniuv.errors import ResolutionError
from miniuv.index.package_index import PackageIndex
from miniuv.index.select import Selection, select
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.request import InstallOptions
from miniuv.models.requirement import Origin, Requirement
from miniuv.models.resolution import Resolution
from miniuv.models.source import CommitId, DirectorySource, DirectSource, GitSource, IndexFile, PinnedGit, PinnedSource
from miniuv.models.url import Url
from miniuv.project.core_metadata import parse_metadata
from miniuv.project.requirements import parse_requirement
from miniuv.reporter import Reporter
from miniuv.resolve.finder import Finder
from miniuv.resolve.gather import Asked
from miniuv.resolve.resolver import resolve
from miniuv.sources.catalog import Catalog
from tests.support.pythons import Listener, here


@cache
def metadata(
    name: str, version: str, requires: tuple[str, ...] = (), extras: tuple[str, ...] = (), python: str | None = None
) -> CoreMetadata:
    """Core metadata as a METADATA file would say it."""
    lines = ["Metadata-Version: 2.2", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {text}" for text in requires]
    return parse_metadata("\n".join(lines).encode(), where=name)


@dataclass(kw_only=True)
class Universe:
    """Packages by name and version, projects by place; it remembers what was asked of it."""

    base: Path = Path("/nonexistent")
    """The working directory: its sub-folders are projects."""
    releases: dict[str, dict[str, CoreMetadata]] = field(default_factory=dict)
    yanked: set[str] = field(default_factory=set)
    """File names."""
    projects: dict[str, CoreMetadata] = field(default_factory=dict)
    """By the text of the source: ``file:///folder/one``, ``git+https://host/one@main``."""
    listed: list[str] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    listener: Listener = field(default_factory=Listener)
    places: tuple[str, ...] = ()
    """See ``PackageIndex``."""
    asks_indexes: bool = True
    """See ``PackageIndex``."""

    def release(self, name: str, version: str, *requires: str, extras: Sequence[str] = (), **more: str) -> None:
        """Put a wheel on the index."""
        self.releases.setdefault(name, {})[version] = metadata(name, version, requires, tuple(extras), **more)

    def project(self, place: str, name: str, version: str, *requires: str, extras: Sequence[str] = ()) -> None:
        """Put a project into a sub-folder of the working directory, or where an address leads."""
        if "://" not in place:
            (self.base / place).mkdir()
            place = (self.base / place).as_uri()
        self.projects[place] = metadata(name, version, requires, tuple(extras))

    def selection(
        self, name: NormalizedName, *, interpreter: Interpreter, no_build: bool = False, position: int = 0
    ) -> Selection:
        """See ``PackageIndex``."""
        files = () if position else self._files(name)
        return select(files, name=name, interpreter=interpreter, no_build=no_build)

    def _files(self, name: NormalizedName) -> tuple[IndexFile, ...]:
        self.listed.append(name)
        names = [f"{name.replace('-', '_')}-{version}-py3-none-any.whl" for version in self.releases.get(name, {})]
        return tuple(
            IndexFile(
                filename=filename,
                url=Url.parse(f"https://index.invalid/{filename}"),
                index="the index",
                yanked="" if filename in self.yanked else None,
            )
            for filename in names
        )

    def pin(self, source: DirectSource) -> PinnedSource:
        """See ``Catalog``."""
        if not isinstance(source, GitSource):
            return source
        commit = CommitId({None: "a" * 40, "main": "a" * 40}.get(source.ref, source.ref or ""))
        return PinnedGit(
            repository=source.repository, commit=commit, requested=source.ref, subdirectory=source.subdirectory
        )

    def metadata(self, pinned: PinnedSource) -> CoreMetadata:
        """See ``Catalog``."""
        self.read.append(str(pinned))
        if isinstance(pinned, IndexFile):
            name, version = pinned.filename.split("-")[:2]
            return self.releases[name.replace("_", "-")][version]
        return self.projects[str(pinned)]

    def check_hashes(self, pinned: PinnedSource, hashes: frozenset[str]) -> None:
        """See ``Catalog``."""

    def archive_digest(self, pinned: PinnedSource) -> None:
        """See ``Catalog``."""

    def resolve(
        self,
        *texts: str,
        editables: Sequence[str] = (),
        constraints: Sequence[str] = (),
        installed: Sequence[InstalledDistribution] = (),
        prereleases: bool = False,
        **options: object,
    ) -> Resolution:
        """Resolve requirements of the command line."""
        asked = Asked(
            requirements=(*map(self.editable, editables), *map(self.requirement, texts)),
            constraints=_by_name([self.requirement(each, place="constraints.txt:1") for each in constraints]),
        )
        finder = Finder(index=cast(PackageIndex, self), interpreter=here(), prereleases=prereleases)
        return resolve(
            asked,
            catalog=cast(Catalog, self),
            finder=finder,
            interpreter=here(),
            installed=installed,
            options=InstallOptions(**options),  # type: ignore[arg-type]
            directory=self.base,
            reporter=cast(Reporter, self.listener),
        )

    def requirement(self, text: str, *, place: str = "the command line") -> Requirement:
        """A named requirement."""
        parsed = parse_requirement(text, origin=Origin(place=place), base=self.base, markers=here().markers)
        assert isinstance(parsed, Requirement)
        return parsed

    def editable(self, text: str) -> Requirement:
        """``-e folder[extra]``."""
        folder, _, extras = text.removesuffix("]").partition("[")
        source = DirectorySource(path=self.base / folder, editable=True)
        return Requirement(
            name=self.projects[str(source)].name,
            extras=frozenset(extras.split(",")) - {""},
            source=source,
            origin=Origin(place="the command line"),
        )

    def versions(self, *texts: str, **options: object) -> dict[str, str]:
        """Name and version of what ``resolve`` answers."""
        resolution = self.resolve(*texts, **options)  # type: ignore[arg-type]
        return {name: str(candidate.version) for name, candidate in resolution.candidates.items()}


def installed(name: str, version: str, *requires: str, **more: object) -> InstalledDistribution:
    """What is in the environment already."""
    place = Path("/site-packages")
    facts: Mapping[str, object] = {"info": place / f"{name}-{version}.dist-info", "location": place, **more}
    return InstalledDistribution(metadata=metadata(name, version, requires), **facts)  # type: ignore[arg-type]


def _by_name(limits: Sequence[Requirement]) -> dict[NormalizedName, tuple[Requirement, ...]]:
    found: dict[NormalizedName, tuple[Requirement, ...]] = {}
    for limit in limits:
        found[limit.name] = (*found.get(limit.name, ()), limit)
    return found


def outcome(call: Callable[[], dict[str, str]]) -> dict[str, str] | None:
    """What ``call`` answers; ``None`` where there is no answer."""
    with suppress(ResolutionError):
        return call()
    return None
