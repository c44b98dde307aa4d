"""What narrows a name down from outside of the graph: constraints, and the hashes of requirement files."""

from collections.abc import Mapping, Sequence

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from miniuv.errors import ResolutionError
from miniuv.models.requirement import Requirement


class Limits:
    """They hold for a name whoever requires it, and require nothing themselves."""

    def __init__(
        self, requirements: Sequence[Requirement], constraints: Mapping[NormalizedName, Sequence[Requirement]]
    ) -> None:
        """Raises ``ResolutionError`` where two lines give a name hashes that no file can have both of."""
        self._constraints = constraints
        self._hashes = _hashes([*requirements, *(limit for limits in constraints.values() for limit in limits)])

    def on(self, name: NormalizedName) -> Sequence[Requirement]:
        """The constraints on ``name``."""
        return self._constraints.get(name, ())

    def sources(self, name: NormalizedName) -> list[Requirement]:
        """The constraints that say where ``name`` comes from."""
        return [limit for limit in self.on(name) if limit.source is not None]

    def specifier(self, name: NormalizedName, wanted: Sequence[Requirement] = ()) -> SpecifierSet:
        """What the constraints, and all of ``wanted``, admit."""
        specifier = SpecifierSet()
        for requirement in (*wanted, *self.on(name)):
            specifier &= requirement.specifier
        return specifier

    def hashes(self, name: NormalizedName) -> frozenset[str]:
        """The artifact must have one of them; empty: any will do."""
        return self._hashes.get(name, frozenset())


def _hashes(requirements: Sequence[Requirement]) -> Mapping[NormalizedName, frozenset[str]]:
    found: dict[NormalizedName, Requirement] = {}
    allowed: dict[NormalizedName, frozenset[str]] = {}
    for requirement in requirements:
        name = requirement.name
        if not requirement.hashes:
            continue
        first = found.setdefault(name, requirement)
        allowed[name] = allowed.get(name, requirement.hashes) & requirement.hashes
        if not allowed[name]:
            raise ResolutionError(
                f"`{name}` is given hashes that have none in common:\n  {first.origin}\n  {requirement.origin}",
                hint="keep one of the two lines",
            )
    return allowed
