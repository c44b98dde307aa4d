"""The answer of the resolver: one candidate for each name."""

from collections.abc import Mapping

from packaging.utils import NormalizedName
from packaging.version import Version

from miniuv.models.installed import InstalledDistribution
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import PinnedSource
from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One distribution that can be installed: a name, a version and where exactly it comes from."""

    name: NormalizedName
    version: Version
    source: PinnedSource | InstalledDistribution
    """``InstalledDistribution``: what is there already fits."""
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` forms that the artifact must have one of, from requirement files."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """Every name with its candidate, and who required what."""

    candidates: Mapping[NormalizedName, Candidate]
    """Sorted by name."""
    metadata: Mapping[NormalizedName, CoreMetadata]
    requested: frozenset[NormalizedName]
    """Named by the user, so REQUESTED is written for them."""
    dependencies: Mapping[NormalizedName, frozenset[NormalizedName]] = field(default_factory=dict)
    """Edges of the graph, for people and for the order of installation."""
    reasons: Mapping[NormalizedName, tuple[str, ...]] = field(default_factory=dict)
    """For people: ``flask 3.1.3 requires click>=8.1.3``; first what the user asked for."""
