"""Causes of a conflict, told in sentences: who requires what, where that stood, what to do."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from packaging.utils import NormalizedName
from packaging.version import Version
from resolvelib.structs import RequirementInformation

from miniuv.errors import ResolutionError
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate
from miniuv.models.source import DirectorySource
from miniuv.resolve.direct import DirectSources
from miniuv.resolve.finder import Finder
from miniuv.resolve.limits import Limits
from miniuv.resolve.terms import Impossible, Pick, Term, Want
from miniuv.values import dataclass

Causes = Collection[RequirementInformation[Term, Pick]]
Requirers = Mapping[NormalizedName, Sequence[tuple[Requirement, Candidate | None]]]
"""For each name what was required of it in the course of the search, and by whom; ``None``: the user."""

_MAX_CHAIN = 8

_DISAGREEMENT = "change one of these requirements, or look for releases of the requirers that agree"


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
        groups = {name: _with_siblings(wanted[name], requirers.get(name, ())) for name in sorted(wanted)}
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
        lines = _sentences([*wants, *(each for each in direct if each not in limits)])
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
        return _Section(
            lines=(
                f"no version of `{name}` satisfies everything that is required of it:",
                *lines,
                shortfall.message,
                *shortfall.details,
            ),
            hint=_DISAGREEMENT if shortfall.offers else shortfall.hint,
        )

    def _unusable(self, impossible: Sequence[Impossible]) -> _Section:
        lines = sorted({f"`{term.candidate}` {term.reason}" for term in impossible})
        for name in sorted({term.candidate.name for term in impossible}):
            lines += self._finder.rejections(name, usable=False)
        return _Section(
            lines=("no usable candidate is left:", *lines),
            hint="choose another release, or another interpreter with `--python`",
        )


def _with_siblings(
    wants: Iterable[Requirement], required: Iterable[tuple[Requirement, Candidate | None]]
) -> list[Requirement]:
    """Add what other releases of the same requirers said in the same words: the search skips them where it can."""
    said = [(each, _requirer(each)) for each in wants]
    known = {(requirer, _wanted(each)) for each, requirer in said if requirer}
    siblings = (each for each, parent in required if parent and (_requirer(each), _wanted(each)) in known)
    return [*(each for each, _ in said), *siblings]


def _requirer(want: Requirement) -> str:
    """The name of the package whose release says so; empty where it is the user, or a folder of his."""
    return (want.origin.requirer or "").rpartition(" ")[0] if str(want.origin) == want.origin.requirer else ""


def _chain(parents: Iterable[Candidate], sections: Iterable[_Section], requirers: Requirers) -> list[str]:
    """How ``parents`` came to be needed, as far up as the user or a folder of his: his own words are never left out."""
    told = {line for section in sections for line in section.lines}
    reasons = list(dict.fromkeys(_requirements_of(parents, requirers)))
    own = [_sentence(requirement) for requirement, parent in reasons if parent is None]
    further = [
        line for line in _sentences([each for each, parent in reasons if parent is not None]) if line not in told
    ]
    return [*further[:_MAX_CHAIN], *(line for line in dict.fromkeys(own) if line not in told)]


def _requirements_of(
    parents: Iterable[Candidate], requirers: Requirers
) -> Iterator[tuple[Requirement, Candidate | None]]:
    queue, seen = list(dict.fromkeys(parents)), set[Candidate]()
    while queue:
        candidate = queue.pop(0)
        if candidate in seen or isinstance(candidate.source, DirectorySource):
            continue
        seen.add(candidate)
        for requirement, parent in requirers.get(candidate.name, ()):
            if requirement.specifier.contains(candidate.version, prereleases=True):
                yield requirement, parent
                if parent is not None:
                    queue.append(parent)


def _together(groups: Mapping[NormalizedName, Sequence[Requirement]]) -> _Section:
    lines = _sentences(want for wants in groups.values() for want in wants)
    return _Section(
        lines=("all of this cannot be had together:", *lines),
        hint=_DISAGREEMENT,
    )


def _sentences(wants: Iterable[Requirement]) -> list[str]:
    """One for each requirer and what it requires; the releases of one that require the same are told together."""
    releases: dict[tuple[str, str], set[Version]] = {}
    lines = set()
    for want in wants:
        if name := _requirer(want):
            version = str(want.origin).rpartition(" ")[2]
            releases.setdefault((name, _wanted(want)), set()).add(Version(version))
        else:
            lines.add(_sentence(want))
    for (name, wanted), versions in releases.items():
        first, *others = sorted(versions)
        if not others:
            lines.add(f"{name} {first} requires {wanted}")
        elif len(others) == 1:
            lines.add(f"{name} {first} and {others[0]} require {wanted}")
        else:
            lines.add(f"{name} {first} to {others[-1]} require {wanted} ({len(versions)} releases)")
    return sorted(lines)


def _sentence(want: Requirement) -> str:
    return f"{want.origin} requires {_wanted(want)}"


def _wanted(want: Requirement) -> str:
    if want.source is None:
        return str(want)
    extras = f"[{','.join(sorted(want.extras))}]" if want.extras else ""
    return f"{want.name}{extras} from {want.source}"
