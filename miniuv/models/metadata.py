"""Core metadata, as far as an installer needs it."""

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreMetadata:
    """Facts of one distribution (https://packaging.python.org/specifications/core-metadata/)."""

    display_name: str
    """As the author writes it."""
    version: Version
    requires_dist: tuple[str, ...] = ()
    """Each checked to be a valid PEP 508 text; markers not yet evaluated."""
    requires_python: SpecifierSet | None = None
    provides_extra: frozenset[str] = frozenset()
    """Normalised."""

    @property
    def name(self) -> NormalizedName:
        """Normalised (PEP 503)."""
        return canonicalize_name(self.display_name)
