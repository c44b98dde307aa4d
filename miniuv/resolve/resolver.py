"""Requirements to a ``Resolution``: resolvelib turns the crank, the provider answers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import NormalizedName
from resolvelib import BaseReporter, ResolutionImpossible, Resolver
from resolvelib.resolvers import ResolutionTooDeep, Result

from miniuv.errors import ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import InstallOptions
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate, Resolution
from miniuv.reporter import Reporter
from miniuv.resolve.conflict import explain
from miniuv.resolve.dependencies import Dependencies
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.gather import Asked
from miniuv.resolve.prefetch import Prefetch
from miniuv.resolve.provider import Provider
from miniuv.resolve.terms import Identifier, Pick, Term, wants_of
from miniuv.sources.catalog import Catalog

_MAX_ROUNDS = 200_000


def resolve(
    asked: Asked,
    *,
    catalog: Catalog,
    finder: Finder,
    interpreter: Interpreter,
    installed: Sequence[InstalledDistribution],
    options: InstallOptions,
    directory: Path,
    reporter: Reporter,
) -> Resolution:
    """One candidate for every name that is needed.

    Raises ``ResolutionError`` with who requires what where there is no answer, and whatever the sources raise.
    """
    stays = _whole(installed, options)
    preferred = {name: stays[name] for name in stays if not _is_upgraded(name, options)}

    def is_settled(requirement: Requirement) -> bool:
        kept = preferred.get(requirement.name)
        if kept is None or requirement.source is not None:
            return False
        return requirement.specifier.contains(kept.metadata.version, prereleases=True)

    direct = DirectSources(catalog=catalog, installed=stays)
    with Prefetch(catalog=catalog, direct=direct, finder=finder, is_settled=is_settled) as ahead:
        dependencies = Dependencies(
            catalog=catalog,
            interpreter=interpreter,
            directory=directory,
            reporter=reporter,
            follow=not options.no_deps,
            announce=ahead.announce,
        )
        provider = Provider(
            dependencies=dependencies,
            direct=direct,
            finder=finder,
            preferred=preferred,
            constraints=asked.constraints,
        )
        roots = [term for requirement in asked.requirements for term in wants_of(requirement)]
        ahead.announce(roots)
        result = _run(provider, roots, finder=finder, asked=asked)
        return _resolution(result, dependencies, asked)


def _run(provider: Provider, roots: Sequence[Term], *, finder: Finder, asked: Asked) -> Result[Term, Pick, Identifier]:
    resolver: Resolver[Term, Pick, Identifier] = Resolver(provider, BaseReporter())
    try:
        return resolver.resolve(roots, max_rounds=_MAX_ROUNDS)
    except ResolutionImpossible as impossible:
        raise explain(impossible.causes, finder=finder, constraints=asked.constraints) from impossible
    except ResolutionTooDeep as error:
        raise ResolutionError(
            f"no answer after {_MAX_ROUNDS} rounds of resolution",
            hint="narrow the requirements: lower bounds help most",
        ) from error


def _resolution(result: Result[Term, Pick, Identifier], dependencies: Dependencies, asked: Asked) -> Resolution:
    candidates: dict[NormalizedName, Candidate] = {}
    for pick in result.mapping.values():
        candidates.setdefault(pick.candidate.name, pick.candidate)
    names = sorted(candidates)
    return Resolution(
        candidates={name: candidates[name] for name in names},
        metadata={name: dependencies.metadata(candidates[name]) for name in names},
        requested=frozenset(requirement.name for requirement in asked.requirements),
        dependencies=_edges(result.mapping.values(), dependencies),
    )


def _edges(picks: Iterable[Pick], dependencies: Dependencies) -> Mapping[NormalizedName, frozenset[NormalizedName]]:
    edges: dict[NormalizedName, set[NormalizedName]] = {}
    for pick in picks:
        name = pick.candidate.name
        needed = {NormalizedName(term.identifier[0]) for term in dependencies.of(pick)}
        edges.setdefault(name, set()).update(needed - {name})
    return {name: frozenset(edges[name]) for name in sorted(edges)}


def _is_upgraded(name: str, options: InstallOptions) -> bool:
    return options.upgrade or name in options.upgrade_packages


def _whole(
    installed: Sequence[InstalledDistribution], options: InstallOptions
) -> dict[NormalizedName, InstalledDistribution]:
    """What may stay: neither broken, nor there twice, nor to be reinstalled."""
    counts = Counter(distribution.name for distribution in installed)
    return {
        distribution.name: distribution
        for distribution in installed
        if distribution.problem is None
        and counts[distribution.name] == 1
        and not options.reinstall
        and distribution.name not in options.reinstall_packages
    }
