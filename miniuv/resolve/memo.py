"""Whole resolutions, remembered for as long as everything that they rest on is as it was.

The key is all that is asked for and of whom; the record tells what else was looked at: pages of indexes, each of which
must still be fresh by its own word and be the very same, and files of this machine. With ``--upgrade`` every page is
asked for again, all at once, and must be the very same. In doubt nothing is remembered.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import packaging

import miniuv
from miniuv.backend.variables import variables_digest, whole_environment_digest
from miniuv.cache.lock_keys import text_digest
from miniuv.cache.store import Store
from miniuv.errors import MiniuvError
from miniuv.index.local import local_path
from miniuv.index.package_index import PackageIndex
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import InstallOptions
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Resolution
from miniuv.models.source import (
    ArchiveSource,
    DirectorySource,
    DirectSource,
    GitSource,
    IndexFile,
    PinnedGit,
    PinnedSource,
)
from miniuv.project.pyproject import static_metadata
from miniuv.resolve.gather import Asked
from miniuv.resolve.resolution_record import asked_from_record, resolution_from_record, resolution_to_record
from miniuv.settings import Settings
from miniuv.sources.catalog import Catalog
from miniuv.sources.folder import read_project
from miniuv.sources.parallel import in_parallel
from miniuv.stamps import TICK, holds, newest_time, stamp
from miniuv.values import dataclass

_FORMAT = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a resolution answers."""

    asked: Asked
    installed: Sequence[InstalledDistribution]
    options: InstallOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class Footing:
    """What a resolution rests on: nothing of it has changed as long as all of this holds."""

    files: Sequence[str]
    """Stamps of files, also of what builds rest on."""
    pages: Sequence[str]
    """Stamps of the cache's records of answers of indexes."""
    begin: float
    """Seconds since the epoch: all answers had come by then."""
    end: float
    """When the first of them is stale."""


class Memo:
    """Remembers for one target; to be made before anything is read for it."""

    def __init__(
        self,
        *,
        store: Store,
        index: PackageIndex,
        catalog: Catalog,
        interpreter: Interpreter,
        settings: Settings,
        environ: Mapping[str, str],
        directory: Path,
        refresh: bool,
    ) -> None:
        """``refresh``: it was asked for, and so nothing is remembered; ``settings`` may have it for other reasons."""
        self._store = store
        self._index = index
        self._catalog = catalog
        self._interpreter = interpreter
        self._settings = settings
        self._environ = environ
        self._directory = directory
        self._refresh = refresh
        self._started = time.time_ns()
        self._rests_on: tuple[Mapping[str, str], Sequence[str]] | None = None
        """The pages and files of the resolution that was found or kept."""

    def find(self, question: Question) -> Resolution | None:
        """The resolution that ``question`` led to before, where nothing of what it rested on has changed."""
        if not self._applies(question):
            return None
        match self._store.read_record(self._action(question)):
            case {
                "pages": dict(pages),
                "files": list(files),
                "environ": None | str() as environ,
                "resolution": dict(resolution),
            } if environ in (None, whole_environment_digest(self._environ)):
                if not all(isinstance(line, str) and holds(line) for line in files):
                    return None
                found = resolution_from_record(resolution, installed=question.installed)
                asked = asked_from_record(resolution)
                if found is None or asked is None or not self._are_unchanged(pages, ask=question.options.upgrade):
                    return None
                for pinned in asked:
                    self._catalog.asked[pinned] = pinned
                self._rests_on = pages, files
                return found
            case _:
                return None

    def keep(self, question: Question, resolution: Resolution) -> None:
        """Remember ``resolution``, after everything of it was prepared; where that is not sound, do nothing."""
        pages = self._index.consulted()
        if not self._applies(question) or pages is None:
            return
        asked = list(self._catalog.asked.values())
        record = resolution_to_record(resolution, asked=asked)
        if record is None:
            return
        files, builds = [*pages.files], list[str]()
        for pinned in (*asked, *self._catalog.looked_at):
            found = self._files_of(pinned)
            if found is None:
                return
            files += found[0]
            builds += found[1]
        # What was read may have changed meanwhile, unless it is older; what a build left behind is younger.
        if newest_time(files) >= self._started - TICK or not all(map(holds, (*files, *builds))):
            return
        lines = [*dict.fromkeys((*files, *builds))]
        self._store.write_record(
            self._action(question),
            {
                "pages": dict(pages.bodies),
                "files": lines,
                "environ": whole_environment_digest(self._environ) if builds else None,
                "resolution": record,
            },
        )
        self._rests_on = pages.bodies, lines

    def subject(self, question: Question) -> str | None:
        """What ``question`` has in common with others that ``find`` would answer alike; ``None``: it answers none."""
        return self._action(question) if self._applies(question) else None

    def may_keep(self, question: Question) -> bool:
        """Whether ``keep`` is likely to remember what ``question`` was just resolved to."""
        pinned = (*self._catalog.asked.values(), *self._catalog.looked_at)
        return self._applies(question) and self._index.consulted() is not None and all(map(_is_lasting, pinned))

    def footing(self) -> Footing | None:
        """Of the resolution that was found or kept; ``None`` where neither was."""
        if self._rests_on is None:
            return None
        pages, files = self._rests_on
        known = [self._index.freshness(page, body) for page, body in pages.items()]
        if None in known:
            return None
        told = [each for each in known if each is not None]
        return Footing(
            files=tuple(files),
            pages=tuple(stamp(str(path)) for path, _, _ in told),
            begin=max((began for _, began, _ in told), default=0.0),
            end=min((end for _, _, end in told), default=math.inf),
        )

    def questions(self) -> tuple[tuple[str, ...], ...] | None:
        """To ask whether the pages of ``footing`` are still the same, see ``index.http_cache.HttpCache.question``.

        ``None`` where they are not, or there is no such footing.
        """
        if self._rests_on is None:
            return None
        pages, _ = self._rests_on
        asked = [self._index.question(page, body) for page, body in pages.items()]
        return None if None in asked else tuple(each for each in asked if each is not None)

    def _applies(self, question: Question) -> bool:
        options = question.options
        return not (options.reinstall or options.reinstall_packages or self._refresh or self._settings.offline)

    def _are_unchanged(self, pages: Mapping[str, str], *, ask: bool) -> bool:
        if not ask:
            return self._index.is_unchanged(pages)
        workers = self._settings.concurrent_downloads
        return all(in_parallel(lambda page: self._index.confirm(*page), [*pages.items()], workers=workers))

    def _files_of(self, pinned: PinnedSource) -> tuple[list[str], list[str]] | None:
        """What the metadata of ``pinned`` rests on: files, and what a build has looked at; ``None``: it may change."""
        if not _is_lasting(pinned):
            return None
        match pinned:
            case DirectorySource(path=path):
                return self._files_of_folder(pinned, path)
            case IndexFile(url=url) | ArchiveSource(url=url) if url.scheme == "file":
                return [stamp(str(local_path(url)))], []
            case _:
                return [], []

    def _files_of_folder(self, pinned: DirectorySource, path: Path) -> tuple[list[str], list[str]] | None:
        files = [stamp(str(path / name)) for name in ("pyproject.toml", "setup.py", "setup.cfg")]
        try:
            is_static = static_metadata(read_project(path, title=str(path))) is not None
        except MiniuvError:
            return None
        if is_static:
            return files, []
        proof = self._catalog.evidence(pinned)
        return (files, list(proof)) if proof else None

    def _action(self, question: Question) -> str:
        interpreter, options, settings = self._interpreter, question.options, self._settings
        last = [settings.configured_index_url] if settings.configured_index_url else []
        constraints = sorted(question.asked.constraints.items())
        key = {
            "format": _FORMAT,
            "miniuv": [miniuv.__version__, packaging.__version__],
            "requirements": [_requirement(each) for each in question.asked.requirements],
            "constraints": [[name, [_requirement(each) for each in limits]] for name, limits in constraints],
            "installed": [_installed(each) for each in question.installed],
            "options": [options.no_deps, options.prereleases, options.no_build, options.require_hashes],
            "upgrade": [options.upgrade, sorted(options.upgrade_packages)],
            "indexes": [
                settings.no_index,
                [each.reveal() for each in (*settings.find_links, *settings.extra_index_urls, *last)],
            ],
            "python": [interpreter.implementation, str(interpreter.version), str(interpreter.real_executable)],
            "target": [list(interpreter.tags), sorted(interpreter.markers.items())],
            "variables": variables_digest(self._environ),
            "directory": str(self._directory),
        }
        return f"resolution {text_digest(json.dumps(key, ensure_ascii=True))}"


def _is_lasting(pinned: PinnedSource) -> bool:
    """Whether the metadata of ``pinned`` may be remembered for as long as some files are as they were."""
    match pinned:
        case PinnedGit():
            return pinned.is_fixed
        case IndexFile(is_wheel=False):
            return False  # its metadata may come from a build
        case IndexFile(url=url, hashes=hashes) | ArchiveSource(url=url, hashes=hashes):
            return url.scheme == "file" or bool(hashes)
        case DirectorySource():
            return True


def _requirement(requirement: Requirement) -> list[object]:
    origin = requirement.origin
    return [
        requirement.name,
        sorted(requirement.extras),
        str(requirement.specifier),
        _source(requirement.source),
        [origin.place, origin.requirer, origin.trusted],
        sorted(requirement.hashes),
    ]


def _source(source: DirectSource | None) -> list[object]:
    match source:
        case None:
            return []
        case DirectorySource(path=path, editable=editable):
            return ["folder", str(path), editable]
        case ArchiveSource():
            return ["archive", source.url.reveal(), sorted(source.hashes.items()), source.subdirectory]
        case GitSource():
            return ["git", source.repository.reveal(), source.ref, source.subdirectory]


def _installed(distribution: InstalledDistribution) -> list[object]:
    metadata = distribution.metadata
    origin = distribution.direct_url
    return [
        str(distribution.info),
        metadata.display_name,
        str(metadata.version),
        list(metadata.requires_dist),
        str(metadata.requires_python),
        sorted(metadata.provides_extra),
        origin.to_dict() if origin is not None else None,
        distribution.problem,
    ]
