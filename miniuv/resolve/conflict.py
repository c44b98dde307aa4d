"""Causes of a conflict, told in sentences: who requires what, where that stood, what to do."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.utils import NormalizedName
from resolvelib.structs import RequirementInformation

from miniuv.errors import ResolutionError
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import DirectorySource
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.limits import Limits
from miniuv.resolve.terms import Impossible, Pick, Term, Want

Causes = Collection[RequirementInformation[Term, Pick]]
Requirers = Mapping[NormalizedName, Sequence[tuple[Requirement, Candidate | None]]]
"""For each name what was required of it in the course of the search, and by whom; ``None``: the user."""

_MAX_CHAIN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Section:
    """What is to be said of one name."""

    lines: tuple[str, ...]
    """The first is its head."""
    hint: str | None


class Conflict:
    """Why there is no answer."""

    def __init__(
        self,
        *,
        finder: Finder,
        direct: DirectSources,
        limits: Limits,
        sources: Callable[[NormalizedName, Sequence[Requirement]], Sequence[Requirement]],
    ) -> None:
        """``sources`` says which requirements tell where a name comes from."""
        self._finder = finder
        self._direct = direct
        self._limits = limits
        self._sources = sources

    def explain(self, causes: Causes, requirers: Requirers) -> ResolutionError:
        """The error that tells ``causes``: of every name that nothing is left for, and how it came to be needed."""
        wanted: dict[NormalizedName, dict[Requirement, None]] = {}
        impossible: list[Impossible] = []
        for cause in causes:
            match cause.requirement:
                case Want(requirement=requirement):
                    wanted.setdefault(requirement.name, {})[requirement] = None
                case Impossible() as term:
                    impossible.append(term)
        groups = {name: list(wanted[name]) for name in sorted(wanted)}
        empty = {name: wants for name, wants in groups.items() if not self._fits(name, wants)}
        sections = [self._section(name, wants) for name, wants in empty.items()]
        if not empty and not impossible:
            sections.append(_together(groups))
        sections += [self._unusable(impossible)] if impossible else []
        parents = [cause.parent.candidate for cause in causes if cause.parent is not None]
        return ResolutionError(
            "\n  ".join(
                [*(line for section in sections for line in section.lines), *_chain(parents, sections, requirers)]
            ),
            hint=next((section.hint for section in sections), None),
        )

    def _fits(self, name: NormalizedName, wants: Sequence[Requirement]) -> bool:
        """Whether anything satisfies all of ``wants``, looked at without the rest of the world."""
        specifier = self._limits.specifier(name, wants)
        if direct := self._sources(name, wants):
            return specifier.contains(self._direct.candidate(direct).version, prereleases=True)
        return next(self._finder.candidates(name, specifier, self._limits.hashes(name)), None) is not None

    def _section(self, name: NormalizedName, wants: Sequence[Requirement]) -> _Section:
        limits = self._limits.on(name)
        direct = self._sources(name, wants)
        lines = sorted({_sentence(want) for want in (*wants, *(each for each in direct if each not in limits))})
        lines += [f"{limit.origin} limits {name} to {limit.source or limit.specifier}" for limit in limits]
        if direct:
            lines.append(f"what is there is `{self._direct.candidate(direct)}`")
            return _Section(
                lines=(f"not all of this can hold for `{name}`:", *lines),
                hint="change one of these requirements; a folder, repository or archive has one version only",
            )
        shortfall = self._finder.shortfall(name, [*wants, *limits])
        if len(lines) == 1:
            return _Section(lines=(f"{lines[0]}, but {shortfall.message}", *shortfall.details), hint=shortfall.hint)
        hint = shortfall.hint
        if all(self._fits(name, [want]) for want in wants):  # each alone could have its way
            hint = "change one of these requirements, or look for releases of the requirers that agree"
        return _Section(
            lines=(
                f"no version of `{name}` satisfies everything that is required of it:",
                *lines,
                shortfall.message,
                *shortfall.details,
            ),
            hint=hint,
        )

    def _unusable(self, impossible: Sequence[Impossible]) -> _Section:
        lines = sorted({f"`{term.candidate}` {term.reason}" for term in impossible})
        for name in sorted({term.candidate.name for term in impossible}):
            lines += self._finder.rejections(name)
        return _Section(
            lines=("no usable candidate is left:", *lines),
            hint="choose another release, or another interpreter with `--python`",
        )


def _chain(parents: Iterable[Candidate], sections: Iterable[_Section], requirers: Requirers) -> list[str]:
    """How ``parents`` came to be needed, as far up as the user or a folder of his."""
    told = {line for section in sections for line in section.lines}
    lines = dict.fromkeys(_requirements_of(parents, requirers))
    return [line for line in lines if line not in told][:_MAX_CHAIN]


def _requirements_of(parents: Iterable[Candidate], requirers: Requirers) -> Iterator[str]:
    queue, seen = list(dict.fromkeys(parents)), set[Candidate]()
    while queue:
        candidate = queue.pop(0)
        if candidate in seen or isinstance(candidate.source, DirectorySource):
            continue
        seen.add(candidate)
        for requirement, parent in requirers.get(candidate.name, ()):
            if requirement.specifier.contains(candidate.version, prereleases=True):
                yield _sentence(requirement)
                if parent is not None:
                    queue.append(parent)


def _together(groups: Mapping[NormalizedName, Sequence[Requirement]]) -> _Section:
    lines = sorted({_sentence(want) for wants in groups.values() for want in wants})
    return _Section(
        lines=("all of this cannot be had together:", *lines),
        hint="change one of these requirements, or look for releases of the requirers that agree",
    )


def _sentence(want: Requirement) -> str:
    return f"{want.origin} requires {want}" if want.source is None else f"{want.origin} requires {_from(want)}"


def _from(want: Requirement) -> str:
    extras = f"[{','.join(sorted(want.extras))}]" if want.extras else ""
    return f"{want.name}{extras} from {want.source}"
