"""Which names come from a direct source, found out before the first index package is looked at."""

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

from packaging.utils import NormalizedName

from miniuv.models.requirement import Requirement
from miniuv.models.source import DirectorySource
from miniuv.resolve.dependencies import Dependencies
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.limits import Limits
from miniuv.resolve.prefetch import Prefetch
from miniuv.resolve.terms import Pick, Term, Want


def direct_closure(
    roots: Sequence[Term], *, direct: DirectSources, dependencies: Dependencies, limits: Limits, ahead: Prefetch
) -> Mapping[NormalizedName, Sequence[Requirement]]:
    """What the user's folders, repositories and archives name by place, directly or through one another.

    A direct source has one version, so all of it holds in any answer: a plain requirement on such a name is
    met by it, wherever it was found, and the index is not asked. Folders are read first; then ``ahead`` may
    begin on the plain names, for what is fetched takes its time.
    """
    extras: dict[NormalizedName, set[str]] = {}
    sources: dict[NormalizedName, list[Requirement]] = {}
    seen: set[tuple[NormalizedName, str]] = set()
    left: list[tuple[bool, NormalizedName, str]] = []
    """A heap: folders before others, then by name."""
    terms = roots
    while True:
        wanted = {term.requirement.name for term in terms if isinstance(term, Want)}
        for term in terms:
            if isinstance(term, Want):
                requirement = term.requirement
                extras.setdefault(requirement.name, set()).add(term.extra)
                places = sources.setdefault(requirement.name, limits.sources(requirement.name))
                if requirement.source is not None and not term.extra:
                    places.append(requirement)
        for name in wanted:
            for extra in extras[name] if sources[name] else ():
                if (name, extra) not in seen:
                    seen.add((name, extra))
                    heappush(left, (not _is_folder(sources[name]), name, extra))
        if not left:
            ahead.release()
            return {name: places for name, places in sources.items() if places}
        remote, name, extra = heappop(left)
        if remote:
            ahead.release()
        terms = dependencies.of(Pick(direct.candidate(sources[name]), extra))


def _is_folder(places: Sequence[Requirement]) -> bool:
    return isinstance(places[0].source, DirectorySource)
