"""What somebody asks for, and where that stood."""

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName

from miniuv.models.source import DirectorySource, DirectSource
from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a requirement stood, so that an error can point there."""

    place: str
    """``the command line``, ``requirements.txt:3``, ``proj1/pyproject.toml``, ``gunicorn 22.0.0``."""
    requirer: str | None = None
    """The package that requires it: ``proj1 1.0``; ``None`` where the user does."""
    trusted: bool = True
    """Whether a direct URL is accepted from here: not from the metadata of an index package."""

    def __str__(self) -> str:
        return f"{self.requirer} ({self.place})" if self.requirer and self.requirer != self.place else self.place


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A requirement whose marker holds for the target; the marker itself is behind us."""

    name: NormalizedName
    extras: frozenset[str] = frozenset()
    """Normalised (PEP 685)."""
    specifier: SpecifierSet = field(default_factory=SpecifierSet)
    source: DirectSource | None = None
    """``None``: from an index."""
    origin: Origin = field(compare=False)
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` forms from ``--hash`` of a requirement file."""

    @property
    def editable(self) -> bool:
        """Whether it asks for an editable install."""
        return isinstance(self.source, DirectorySource) and self.source.editable

    def __str__(self) -> str:
        extras = f"[{','.join(sorted(self.extras))}]" if self.extras else ""
        if self.source is not None:
            return f"{self.name}{extras} @ {self.source}"
        return f"{self.name}{extras}{self.specifier}"


@dataclass(frozen=True, kw_only=True, slots=True)
class UnnamedRequirement:
    """A path or a bare URL: its name is only known when its metadata has been read."""

    source: DirectSource
    extras: frozenset[str] = frozenset()
    origin: Origin = field(compare=False)
    hashes: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return str(self.source)
