"""A distribution that is already in the environment."""

from dataclasses import dataclass, field
from pathlib import Path

from packaging.direct_url import DirectUrl
from packaging.utils import NormalizedName

from miniuv.models.metadata import CoreMetadata


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

    def __str__(self) -> str:
        return f"{self.metadata.display_name} {self.metadata.version}"
