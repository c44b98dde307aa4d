"""Requirements to a ``Resolution``: resolvelib turns the crank, the provider answers."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from packaging.utils import NormalizedName
from resolvelib import BaseReporter, ResolutionImpossible
from resolvelib.resolvers import Resolution as Search
from resolvelib.resolvers import ResolutionTooDeep

from miniuv.errors import ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import InstallOptions
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate, Resolution
from miniuv.reporter import Reporter
from miniuv.resolve.closure import direct_closure
from miniuv.resolve.conflict import Conflict
from miniuv.resolve.dependencies import Dependencies
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.gather import Asked
from miniuv.resolve.hashes import check_all_hashed
from miniuv.resolve.limits import Limits
from miniuv.resolve.prefetch import Prefetch
from miniuv.resolve.provider import Provider
from miniuv.resolve.terms import Identifier, Pick, Term, Want, wants_of
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
    cancel: Callable[[], None] | None = None,
) -> Resolution:
    """One candidate for every name that is needed; the same one in whatever order things were asked for.

    Raises ``ResolutionError`` with who requires what where there is no answer, and whatever the sources raise,
    after ``cancel`` has ended what was fetched ahead.
    """
    stays = _whole(installed, options)
    preferred = {name: stays[name] for name in stays if not _is_upgraded(name, options)}
    requirements = sorted(asked.requirements, key=lambda each: (each.name, str(each)))
    limits = Limits(requirements, asked.constraints)

    def is_settled(requirement: Requirement) -> bool:
        kept = preferred.get(requirement.name)
        if kept is None or requirement.source is not None:
            return False
        return limits.specifier(requirement.name, [requirement]).contains(kept.metadata.version, prereleases=True)

    direct = DirectSources(
        catalog=catalog, installed=stays, requirements=requirements, limits=limits, no_build=options.no_build
    )
    there = {(each.name, each.metadata.version) for each in installed}

    def is_fetched(candidate: Candidate) -> bool:
        if options.dry_run:
            return False
        return (candidate.name, candidate.version) not in there or candidate.name not in stays

    with Prefetch(
        catalog=catalog,
        direct=direct,
        finder=finder,
        limits=limits,
        is_settled=is_settled,
        is_fetched=is_fetched,
        cancel=cancel,
    ) as ahead:
        dependencies = Dependencies(
            catalog=catalog,
            interpreter=interpreter,
            directory=directory,
            follow=not options.no_deps,
            vouched=[*requirements, *(limit for each in asked.constraints.values() for limit in each)],
            announce=ahead.announce,
        )
        ahead.follow(dependencies.of)
        roots = [term for requirement in requirements for term in wants_of(requirement)]
        ahead.announce(roots)
        provider = Provider(
            dependencies=dependencies,
            direct=direct,
            sources=direct_closure(roots, direct=direct, dependencies=dependencies, limits=limits, ahead=ahead),
            finder=finder,
            preferred=preferred,
            limits=limits,
            choose=ahead.choose,
        )
        search: Search[Term, Pick, Identifier] = Search(provider, BaseReporter())
        try:
            mapping = search.resolve(roots, max_rounds=_MAX_ROUNDS).mapping
        except ResolutionImpossible as impossible:
            conflict = Conflict(finder=finder, direct=direct, limits=limits, sources=provider.sources)
            raise conflict.explain(impossible.causes, provider.requirers(roots)) from impossible
        except ResolutionTooDeep as error:
            hint = "narrow the requirements: lower bounds help most"
            raise ResolutionError(f"no answer after {_MAX_ROUNDS} rounds of resolution", hint=hint) from error
        picks = _needed(roots, mapping, dependencies)
        _warn_of_unknown_extras(picks, dependencies, reporter)
        resolution = _resolution(picks, dependencies, asked)
        if options.require_hashes:
            check_all_hashed(resolution, requirements)
        return resolution


def _needed(roots: Sequence[Term], mapping: Mapping[Identifier, Pick], dependencies: Dependencies) -> list[Pick]:
    """The picks that lead back to the ``roots``; ``mapping`` also has what only discarded picks wanted.

    ``resolvelib.Resolver`` would sort them out too, but never ends where those want each other.
    """
    queue, seen = [term.identifier for term in roots], set[Identifier]()
    while queue:
        identifier = queue.pop()
        if identifier in seen:
            continue
        seen.add(identifier)
        queue.append((identifier[0], ""))
        queue += [term.identifier for term in dependencies.of(mapping[identifier])]
    return [mapping[identifier] for identifier in sorted(seen)]


def _warn_of_unknown_extras(picks: Iterable[Pick], dependencies: Dependencies, reporter: Reporter) -> None:
    for pick in picks:
        if pick.extra and pick.extra not in dependencies.metadata(pick.candidate).provides_extra:
            reporter.warning(f"`{pick.candidate}` does not provide the extra `{pick.extra}`")


def _resolution(picks: Sequence[Pick], dependencies: Dependencies, asked: Asked) -> Resolution:
    candidates: dict[NormalizedName, Candidate] = {}
    edges: dict[NormalizedName, set[NormalizedName]] = {}
    reasons: dict[NormalizedName, dict[str, None]] = {}
    for wanted in asked.requirements:
        place = str(wanted.origin)
        where = f"on {place}" if place == "the command line" else f"in {place}"
        reasons.setdefault(wanted.name, {})[f"asked for {where}"] = None
    for pick in picks:
        candidate = pick.candidate
        if not pick.extra:
            candidates[candidate.name] = candidate
        for term in dependencies.of(pick):
            if isinstance(term, Want) and term.requirement.name != candidate.name:
                reasons.setdefault(term.requirement.name, {})[f"{candidate} requires {term.requirement}"] = None
        needed = {NormalizedName(term.identifier[0]) for term in dependencies.of(pick)}
        edges.setdefault(candidate.name, set()).update(needed - {candidate.name})
    return Resolution(
        candidates=candidates,
        metadata={name: dependencies.metadata(candidates[name]) for name in candidates},
        requested=frozenset(requirement.name for requirement in asked.requirements),
        dependencies={name: frozenset(edges[name]) for name in candidates},
        reasons={name: tuple(reasons.get(name, ())) for name in candidates},
    )


def _is_upgraded(name: str, options: InstallOptions) -> bool:
    return options.upgrade or name in options.upgrade_packages


def _whole(
    installed: Sequence[InstalledDistribution], options: InstallOptions
) -> Mapping[NormalizedName, InstalledDistribution]:
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
