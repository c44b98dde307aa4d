"""The six questions of resolvelib, answered from the sources, the index and what is installed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from resolvelib import AbstractProvider
from resolvelib.structs import RequirementInformation

from miniuv.models.installed import InstalledDistribution
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import IndexFile
from miniuv.resolve.dependencies import Dependencies
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.terms import Identifier, Impossible, Pick, Same, Term, Want


class Provider(AbstractProvider[Term, Pick, Identifier]):
    """Deterministic: what it answers depends on its inputs only, never on which thread came first."""

    def __init__(
        self,
        *,
        dependencies: Dependencies,
        direct: DirectSources,
        finder: Finder,
        preferred: Mapping[NormalizedName, InstalledDistribution],
        constraints: Mapping[NormalizedName, Sequence[Requirement]],
    ) -> None:
        """``preferred`` is installed and stays where it fits."""
        self._dependencies = dependencies
        self._direct = direct
        self._finder = finder
        self._preferred = preferred
        self._constraints = constraints
        self._seen: dict[str, int] = {}

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
    ) -> tuple[bool, bool, bool, int, Identifier]:
        """Impossible first, then direct sources, then what the last conflict was about, then as they came.

        Direct sources come before any index package, because only they may bring further direct URLs: when
        the first index package is looked at, every direct URL of the whole set is known.
        """
        del resolutions, candidates
        terms = [entry.requirement for entry in information[identifier]]
        name = identifier[0]
        return (
            not any(isinstance(term, Impossible) for term in terms),
            not any(self._is_direct(term) for term in terms),
            not any(cause.requirement.identifier == identifier for cause in backtrack_causes),
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
        candidates = self._candidates(NormalizedName(name), requirements)

        def matches() -> Iterator[Pick]:
            for candidate in candidates():
                pick = Pick(candidate, extra)
                if candidate not in excluded and all(self.is_satisfied_by(term, pick) for term in terms):
                    yield pick

        return matches

    def is_satisfied_by(self, requirement: Term, candidate: Pick) -> bool:
        """Whether ``candidate`` is what ``requirement`` asks for."""
        match requirement:
            case Impossible():
                return False
            case Same(candidate=same):
                return candidate.candidate == same
            case Want(requirement=wanted):
                if wanted.source is not None:
                    return self._direct.matches(wanted, candidate.candidate)
                # Pre-releases were accepted or not when the candidates were listed.
                return wanted.specifier.contains(candidate.candidate.version, prereleases=True)

    def get_dependencies(self, candidate: Pick) -> Iterable[Term]:
        """What ``candidate`` needs, markers evaluated for the target."""
        terms = self._dependencies.of(candidate)
        for term in terms:
            self._seen.setdefault(term.identifier[0], len(self._seen))
        return terms

    def _candidates(
        self, name: NormalizedName, requirements: Mapping[Identifier, Iterator[Term]]
    ) -> Callable[[], Iterable[Candidate]]:
        wants = [
            term.requirement
            for identifier in sorted(requirements)
            if identifier[0] == name
            for term in requirements[identifier]
            if isinstance(term, Want)
        ]
        constraints = self._constraints.get(name, ())
        if direct := [*(want for want in wants if want.source), *(limit for limit in constraints if limit.source)]:
            return lambda: [self._direct.candidate(direct)]
        specifier = SpecifierSet()
        for wanted in (*wants, *constraints):
            specifier &= wanted.specifier
        hashes = frozenset().union(*(want.hashes for want in (*wants, *constraints)))
        installed = self._preferred.get(name)

        def candidates() -> Iterator[Candidate]:
            if installed is not None and specifier.contains(installed.metadata.version, prereleases=True):
                yield Candidate(name=name, version=installed.metadata.version, source=installed)
            yield from self._finder.candidates(name, specifier, hashes)

        return candidates

    @staticmethod
    def _is_direct(term: Term) -> bool:
        match term:
            case Want(requirement=requirement):
                return requirement.source is not None
            case Same(candidate=candidate):
                return not isinstance(candidate.source, IndexFile | InstalledDistribution)
            case Impossible():
                return False
