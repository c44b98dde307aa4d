"""Causes of a conflict, told in sentences: who requires what, where that stood, what to do."""

from collections.abc import Collection, Mapping, Sequence

from packaging.utils import NormalizedName
from resolvelib.structs import RequirementInformation

from miniuv.errors import ResolutionError
from miniuv.models.requirement import Requirement
from miniuv.resolve.finder import Finder
from miniuv.resolve.terms import Impossible, Pick, Same, Term, Want

Causes = Collection[RequirementInformation[Term, Pick]]


def explain(
    causes: Causes, *, finder: Finder, constraints: Mapping[NormalizedName, Sequence[Requirement]]
) -> ResolutionError:
    """The error that tells ``causes``."""
    if impossible := [cause.requirement for cause in causes if isinstance(cause.requirement, Impossible)]:
        return _unusable(impossible, finder)
    wants = sorted({_sentence(cause): cause.requirement for cause in causes}.items())
    names = sorted({name for _, term in wants if (name := term.identifier[0])})
    name = NormalizedName(names[0])
    lines = [sentence for sentence, _ in wants]
    limits = constraints.get(name, ())
    lines += [f"{limit.origin} limits {name} to {limit.specifier}" for limit in limits]
    requirements = [term.requirement for _, term in wants if isinstance(term, Want)]
    if any(requirement.source for requirement in requirements):
        return ResolutionError(
            "\n  ".join((f"not all of this can hold for `{name}`:", *lines)),
            hint="change one of these requirements; a folder, repository or archive has one version only",
        )
    shortfall = finder.shortfall(name, [*requirements, *limits])
    if len(lines) == 1:
        return ResolutionError(
            "\n  ".join((f"{lines[0]}, but {shortfall.message}", *shortfall.details)), hint=shortfall.hint
        )
    return ResolutionError(
        "\n  ".join(
            (f"no version of `{name}` satisfies everything that is required of it:", *lines, *shortfall.details)
        ),
        hint=shortfall.hint or "change one of these requirements, or look for releases of the requirers that agree",
    )


def _unusable(impossible: Sequence[Impossible], finder: Finder) -> ResolutionError:
    lines = sorted({f"`{term.candidate}` {term.reason}" for term in impossible})
    names = sorted({term.candidate.name for term in impossible})
    lines += [line for name in names for line in finder.rejections(name)]
    return ResolutionError(
        "\n  ".join(("no usable candidate is left:", *lines)),
        hint="choose another release, or another interpreter with `--python`",
    )


def _sentence(cause: RequirementInformation[Term, Pick]) -> str:
    match cause.requirement:
        case Want(requirement=requirement):
            place = requirement.source if requirement.source is not None else requirement.specifier
            asked = str(requirement) if requirement.source is None else f"{requirement.name} from {place}"
            return f"{requirement.origin} requires {asked}"
        case Same(candidate=candidate):
            parent = f"{cause.parent.candidate.name}[{cause.parent.extra}]" if cause.parent else candidate.name
            return f"`{parent}` stands for {candidate}"
        case Impossible(candidate=candidate, reason=reason):
            return f"`{candidate}` {reason}"
