"""Candidates that come from an index, best first, and why there are none."""

import itertools
from collections.abc import Iterator, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from miniuv.index.package_index import PackageIndex
from miniuv.index.select import NO_BUILD, Selection, admissible, best_of, rejection_lines, version_of
from miniuv.models.interpreter import Interpreter
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import IndexFile
from miniuv.sources.once import Once
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Shortfall:
    """Why an index has nothing that fits."""

    message: str
    """Continues a sentence: ``… requires foo>=9, but <message>``."""
    details: tuple[str, ...] = ()
    hint: str | None = None
    offers: bool = False
    """Whether it lists versions that could be had."""


class Finder:
    """The index, seen from one target."""

    def __init__(
        self, *, index: PackageIndex, interpreter: Interpreter, no_build: bool = False, prereleases: bool = False
    ) -> None:
        self._index = index
        self._interpreter = interpreter
        self._no_build = no_build
        self._prereleases = prereleases
        self._selections = Once(self._select, label=lambda key: key[0])

    def candidates(
        self,
        name: NormalizedName,
        specifier: SpecifierSet,
        hashes: frozenset[str] = frozenset(),
        *,
        decided: bool = False,
    ) -> Iterator[Candidate]:
        """The versions that ``specifier`` admits, newest first; with ``hashes``, only files that may have one.

        An index folder of this machine comes first; what it cannot offer is looked for further on. ``decided``:
        pre-releases and yanked versions too, because somebody else chooses among them.
        """
        early_too = decided or self._prereleases or bool(specifier.prereleases)
        early: list[Candidate] = []
        found = False
        for selection in self._places(name):
            if decided:
                versions = specifier.filter(selection.versions, prereleases=True)
            else:
                versions = admissible(selection, specifier, prereleases=self._prereleases)
            for version in versions:
                fit = selection.versions[version]
                file = next((file for file in (best_of(fit), *fit) if _may_have(file, hashes)), None)
                if file is None:
                    continue
                candidate = Candidate(name=name, version=version, source=file, hashes=hashes)
                if version.is_prerelease and not early_too:
                    early.append(candidate)
                else:
                    found = True
                    yield candidate
        if not found:  # nothing but pre-releases, in any place
            yield from early

    def _places(self, name: NormalizedName) -> Iterator[Selection]:
        for position in itertools.count():
            selection = self._selections((name, position))
            if selection.is_empty:
                return
            yield selection

    def rejections(
        self, name: NormalizedName, specifier: SpecifierSet | None = None, *, usable: bool = True
    ) -> list[str]:
        """Why files of ``name`` cannot be used here, the most frequent reasons first.

        With ``specifier`` only of versions that it admits. Without ``usable`` nothing of versions that have other
        files, which can be used.
        """
        places = list(self._places(name))
        offered = set() if usable else {version for place in places for version in place.versions}

        def matters(filename: str) -> bool:
            version = version_of(filename)
            if version is None:
                return usable and specifier is None
            return version not in offered and (specifier is None or specifier.contains(version, prereleases=True))

        return rejection_lines([each for place in places for each in place.rejections if matters(each.filename)])

    def shortfall(self, name: NormalizedName, requirements: Sequence[Requirement]) -> Shortfall:
        """Say why nothing fits all of ``requirements``."""
        places = list(self._places(name))
        versions = sorted({version for place in places for version in place.versions}, reverse=True)
        if not places and not self._index.asks_indexes:
            where = "in none of the find-links places" if self._index.places else "not looked for anywhere"
            return Shortfall(
                message=f"`{name}` is {where}, and the indexes are switched off (`--no-index`)",
                hint=f"name a folder or page that has `{name}` with `--find-links`, or leave `--no-index` out",
            )
        if not places:
            return Shortfall(
                message=f"`{name}` is on none of the indexes",
                hint="check the spelling, or name the index that has it with `--index-url` or `--extra-index-url`",
            )
        if not versions:
            details = tuple(self.rejections(name))
            hint = "look for a release that supports this Python, or choose another one with `--python`"
            if any(NO_BUILD in line for line in details):
                hint = "drop `--no-build`, or look for a release that has a wheel for this Python"
            return Shortfall(message=f"no file of `{name}` can be used here", details=details, hint=hint)
        specifier = SpecifierSet()
        for requirement in requirements:
            specifier &= requirement.specifier
        fitting = list(specifier.filter(versions, prereleases=True))
        if fitting and all(
            place.is_yanked(version) for place in places for version in fitting if version in place.versions
        ):
            return Shortfall(
                message=f"the only versions that fit have been yanked: {_listed(fitting)}",
                hint=f"pin it to use it all the same: `{name}=={fitting[0]}`",
            )
        if fitting and any(requirement.hashes for requirement in requirements):
            return Shortfall(message="no file that fits has one of the given hashes", hint="check the `--hash` options")
        details = tuple(self.rejections(name, specifier, usable=False))
        hint = "ask for one of these versions, or name another index with `--extra-index-url`"
        if any(NO_BUILD in line for line in details):
            hint = "drop `--no-build`, or ask for one of these versions"
        return Shortfall(
            message=f"the versions that can be used here are {_listed(versions)}",
            details=details,
            hint=hint,
            offers=True,
        )

    def _select(self, key: tuple[NormalizedName, int]) -> Selection:
        name, position = key
        return self._index.selection(name, interpreter=self._interpreter, no_build=self._no_build, position=position)


def _may_have(file: IndexFile, hashes: frozenset[str]) -> bool:
    """Whether the file may have one of ``hashes``; where its page does not tell, its bytes will."""
    if not hashes:
        return True
    asked = {text.partition(":")[0] for text in hashes}
    told = {f"{algorithm}:{digest}" for algorithm, digest in file.hashes.items() if algorithm in asked}
    return not told or not told.isdisjoint(hashes)


def _listed(versions: Sequence[object], *, limit: int = 8) -> str:
    shown = ", ".join(str(version) for version in versions[:limit])
    return f"{shown} and {len(versions) - limit} more" if len(versions) > limit else shown
