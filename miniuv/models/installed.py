"""A distribution that is already in the environment."""

from pathlib import Path

from packaging.direct_url import DirectUrl
from packaging.utils import NormalizedName

from miniuv.errors import RequirementError
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import ArchiveSource, PinnedGit, PinnedSource, canonical_repository
from miniuv.models.url import Url
from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledDistribution:
    """What a ``.dist-info`` folder (or a legacy ``.egg-info``) says."""

    metadata: CoreMetadata
    info: Path
    """The ``.dist-info`` folder, or the legacy ``.egg-info`` file or folder."""
    location: Path
    """The folder that ``info`` lies in: a site-packages."""
    direct_url: DirectUrl | None = field(default=None, compare=False)
    """PEP 610; ``None`` where it came from an index."""
    installer: str = ""
    requested: bool = False
    problem: str | None = None
    """Why it cannot be relied on as it is, such as a missing METADATA: it is to be replaced, never kept."""

    @property
    def name(self) -> NormalizedName:
        """Normalised."""
        return self.metadata.name

    @property
    def editable_location(self) -> Path | None:
        """The project folder of an editable install, else ``None``."""
        from urllib.parse import unquote, urlsplit

        if self.direct_url is None or self.direct_url.dir_info is None or not self.direct_url.dir_info.editable:
            return None
        return Path(unquote(urlsplit(self.direct_url.url).path))

    def came_from(self, source: PinnedSource, *, digest: str | None = None) -> bool:
        """Whether this very ``source`` is what was installed, so that nothing need be fetched or built.

        A folder never is: its content may have changed. ``digest`` is the sha256 of a local archive, which may
        have been replaced under its name.
        """
        recorded = self.direct_url
        if recorded is None:
            return False
        match source:
            case PinnedGit():
                if recorded.vcs_info is None or recorded.vcs_info.vcs != "git":
                    return False
                try:
                    repository = canonical_repository(Url.parse(recorded.url))
                except RequirementError:  # another tool's way to write an address
                    return False
                there = (repository, recorded.vcs_info.commit_id, recorded.subdirectory or "")
                return there == source.identity
            case ArchiveSource():
                if recorded.archive_info is None or recorded.url != str(source.url):
                    return False
                if (recorded.subdirectory or None) != source.subdirectory:
                    return False
                hashes = recorded.archive_info.hashes or {}
                expected = dict(source.hashes) | ({"sha256": digest} if digest else {})
                return all(hashes.get(algorithm) == value for algorithm, value in expected.items())
            case _:
                return False

    def __str__(self) -> str:
        return f"{self.metadata.display_name} {self.metadata.version}"
