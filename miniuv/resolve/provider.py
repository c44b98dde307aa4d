"""The six questions of resolvelib, answered from the sources, the index and what is installed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from packaging.utils import NormalizedName
from resolvelib import AbstractProvider
from resolvelib.structs import RequirementInformation

from miniuv.models.installed import InstalledDistribution
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import IndexFile
from miniuv.resolve.conflict import Requirers
from miniuv.resolve.dependencies import Dependencies
from miniuv.resolve.direct import DirectSources, place_of
from miniuv.resolve.finder import Finder
from miniuv.resolve.limits import Limits
from miniuv.resolve.terms import Identifier, Impossible, Pick, Same, Term, Want


class Provider(AbstractProvider[Term, Pick, Identifier]):
    """Deterministic: what it answers depends on its inputs only, never on which thread came first."""

    def __init__(
        self,
        *,
        dependencies: Dependencies,
        direct: DirectSources,
        sources: Mapping[NormalizedName, Sequence[Requirement]],
        finder: Finder,
        preferred: Mapping[NormalizedName, InstalledDistribution],
        limits: Limits,
        choose: Callable[[Candidate], None],
    ) -> None:
        """``sources`` is the closure of what is named by place; ``preferred`` is installed and stays where it fits.

        ``choose`` hears of each candidate that is tried and can be used.
        """
        self._dependencies = dependencies
        self._direct = direct
        self._sources = sources
        self._finder = finder
        self._preferred = preferred
        self._limits = limits
        self._choose = choose
        self._satisfied: dict[tuple[int, int], tuple[bool, Term, Pick]] = {}
        """By identity, with what keeps the identities: asked for the same objects in every round."""
        self._seen: dict[str, int] = {}
        self._latest: dict[NormalizedName, Candidate] = {}
        """The candidate of each name that was tried last, which its extras begin with."""
        self._requirers: dict[NormalizedName, dict[tuple[Requirement, Candidate | None], None]] = {}

    def identify(self, requirement_or_candidate: Term | Pick) -> Identifier:
        """See resolvelib."""
        return requirement_or_candidate.identifier

    def get_preference(
        self,
        identifier: Identifier,
        resolutions: Mapping[Identifier, Pick],
        candidates: Mapping[Identifier, Iterator[Pick]],
        information: Mapping[Identifier, Iterator[RequirementInformation[Term, Pick]]],
        backtrack_causes: Sequence[RequirementInformation[Term, Pick]],
    ) -> tuple[bool, bool, bool, bool, int, Identifier]:
        """Impossible first, then direct sources, then what the last conflict was about, then as they came.

        Direct sources come before any index package: there is nothing to choose among them. Extras come last:
        they bind themselves to one version, so all that is required of it should be known.
        """
        del resolutions, candidates
        terms = [entry.requirement for entry in information[identifier]]
        name = identifier[0]
        return (
            not any(isinstance(term, Impossible) for term in terms),
            not any(self._is_direct(term) for term in terms),
            not any(cause.requirement.identifier[0] == name for cause in backtrack_causes),
            bool(identifier[1]),
            self._seen.setdefault(name, len(self._seen)),
            identifier,
        )

    def find_matches(
        self,
        identifier: Identifier,
        requirements: Mapping[Identifier, Iterator[Term]],
        incompatibilities: Mapping[Identifier, Iterator[Pick]],
    ) -> Iterable[Pick] | Callable[[], Iterable[Pick]]:
        """Candidates for ``identifier``, best first; the index is only asked when what is installed does not do."""
        name, extra = identifier
        terms = list(requirements[identifier])
        if any(isinstance(term, Impossible) for term in terms):
            return []
        excluded = {pick.candidate for pick in incompatibilities[identifier]}
        candidates = self._candidates(NormalizedName(name), extra, requirements)

        def matches() -> Iterator[Pick]:
            for candidate in candidates():
                pick = Pick(candidate, extra)
                if candidate not in excluded and all(self.is_satisfied_by(term, pick) for term in terms):
                    yield pick

        return matches

    def is_satisfied_by(self, requirement: Term, candidate: Pick) -> bool:
        """Whether ``candidate`` is what ``requirement`` asks for."""
        key = id(requirement), id(candidate)
        if (known := self._satisfied.get(key)) is None:
            known = self._satisfied[key] = self._satisfies(requirement, candidate), requirement, candidate
        return known[0]

    def _satisfies(self, requirement: Term, candidate: Pick) -> bool:
        offered = candidate.candidate
        match requirement:
            case Impossible():
                return False
            case Same(candidate=same):
                return offered.version == same.version and place_of(offered.source) == place_of(same.source)
            case Want(requirement=wanted):
                if wanted.source is not None:
                    return self._direct.matches(wanted, offered)
                # Pre-releases were accepted or not when the candidates were listed.
                return wanted.specifier.contains(offered.version, prereleases=True)

    def get_dependencies(self, candidate: Pick) -> Iterator[Term]:
        """What ``candidate`` needs, markers evaluated for the target.

        An extra first needs its own distribution: where that is another version, its metadata is never read.
        """
        if candidate.extra:
            yield Same(candidate.candidate)
        else:
            self._latest[candidate.candidate.name] = candidate.candidate
        terms = self._dependencies.of(candidate)
        if not any(isinstance(term, Impossible) for term in terms):
            self._choose(candidate.candidate)
        for term in terms:
            self._seen.setdefault(term.identifier[0], len(self._seen))
            if isinstance(term, Want):
                self._requirers.setdefault(term.requirement.name, {})[term.requirement, candidate.candidate] = None
            yield term

    def sources(self, name: NormalizedName, wants: Sequence[Requirement]) -> list[Requirement]:
        """Every requirement that says where ``name`` comes from."""
        wanted = (want for want in wants if want.source is not None)
        return list(dict.fromkeys([*self._sources.get(name, ()), *wanted, *self._limits.sources(name)]))

    def requirers(self, roots: Sequence[Term]) -> Requirers:
        """Who required what of each name so far, the user's ``roots`` first."""
        found: dict[NormalizedName, list[tuple[Requirement, Candidate | None]]] = {}
        for root in roots:
            if isinstance(root, Want) and not root.extra:
                found.setdefault(root.requirement.name, []).append((root.requirement, None))
        for name, required in self._requirers.items():
            found.setdefault(name, []).extend(required)
        return found

    def _candidates(
        self, name: NormalizedName, extra: str, requirements: Mapping[Identifier, Iterator[Term]]
    ) -> Callable[[], Iterable[Candidate]]:
        wants = [
            term.requirement
            for identifier in sorted(requirements)
            if identifier[0] == name
            for term in requirements[identifier]
            if isinstance(term, Want)
        ]
        direct = self.sources(name, wants)
        specifier = self._limits.specifier(name, wants)
        hashes = self._limits.hashes(name)

        def candidates() -> Iterator[Candidate]:
            if direct:
                candidate = self._direct.candidate(direct)
                if specifier.contains(candidate.version, prereleases=True):
                    yield candidate
                return
            installed = self._preferred.get(name)
            if installed is not None and specifier.contains(installed.metadata.version, prereleases=True):
                yield Candidate(name=name, version=installed.metadata.version, source=installed)
            # Which pre-releases and yanked versions are acceptable is decided where the distribution itself is
            # picked, with everything in view that is required of it; its extras take what was decided.
            yield from self._finder.candidates(name, specifier, hashes, decided=bool(extra))

        def tried_first() -> Iterator[Candidate]:
            latest = self._latest.get(name)
            if latest is not None:
                yield latest
            yield from (candidate for candidate in candidates() if candidate != latest)

        return tried_first if extra else candidates

    @staticmethod
    def _is_direct(term: Term) -> bool:
        match term:
            case Want(requirement=requirement):
                return requirement.source is not None
            case Same(candidate=candidate):
                return not isinstance(candidate.source, IndexFile | InstalledDistribution)
            case Impossible():
                return False
