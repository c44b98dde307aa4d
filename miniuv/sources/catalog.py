"""All kinds of source behind one door."""

from miniuv.errors import HashMismatchError
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import (
    ArchiveSource,
    DirectorySource,
    DirectSource,
    GitSource,
    IndexFile,
    PinnedGit,
    PinnedSource,
)
from miniuv.models.wheel import UnpackedWheel
from miniuv.sources.archive import Archives
from miniuv.sources.directory import Directories
from miniuv.sources.git import GitSources


class Catalog:
    """Answers for every ``PinnedSource`` by its kind.

    ``metadata`` and ``wheel`` may take long, wait for other processes and raise any ``MiniuvError``; they are called
    with nothing held, from many threads, and do their work once a run for each ``pinned``.
    """

    def __init__(self, *, archives: Archives, directories: Directories, git: GitSources) -> None:
        self._archives = archives
        self._directories = directories
        self._git = git
        self.asked: dict[DirectSource | PinnedSource, PinnedSource] = {}
        """Every direct source that this run has looked at."""
        self.looked_at: list[IndexFile] = []
        """Every file of an index whose metadata this run has asked for."""

    def pin(self, source: DirectSource) -> PinnedSource:
        """What was asked for, made exact: a git ref becomes a commit, once a run."""
        pinned = self.asked[source] = self._git.pin(source) if isinstance(source, GitSource) else source
        return pinned

    def metadata(self, pinned: PinnedSource) -> CoreMetadata:
        """The cheapest trustworthy core metadata: no download and no build where less is enough."""
        match pinned:
            case DirectorySource():
                return self._directories.metadata(pinned)
            case PinnedGit():
                return self._git.metadata(pinned)
            case IndexFile():
                self.looked_at.append(pinned)
                return self._archives.metadata(pinned)
            case _:
                return self._archives.metadata(pinned)

    def wheel(self, pinned: PinnedSource) -> UnpackedWheel:
        """The wheel, validated and unpacked in the cache."""
        match pinned:
            case DirectorySource():
                return self._directories.wheel(pinned)
            case PinnedGit():
                return self._git.wheel(pinned)
            case _:
                return self._archives.wheel(pinned)

    def evidence(self, pinned: DirectorySource) -> tuple[str, ...] | None:
        """What the wheel of a folder rests on, as lines of ``miniuv.stamps``; ``None`` where nothing tells."""
        return self._directories.evidence(pinned)

    def check_hashes(self, pinned: PinnedSource, hashes: frozenset[str]) -> None:
        """Raise ``HashMismatchError`` where ``hashes`` were given and ``pinned`` has none of them."""
        if not hashes:
            return
        if isinstance(pinned, DirectorySource | PinnedGit):
            raise HashMismatchError(
                f"{pinned} cannot be checked against a hash",
                hint="leave `--hash` out: a git requirement is pinned by its full commit id, a folder not at all",
            )
        self._archives.check_hashes(pinned, hashes)

    def archive_digest(self, pinned: PinnedSource) -> str | None:
        """The sha256 of a direct archive's bytes, for its ``direct_url.json``."""
        return self._archives.download(pinned).sha256 if isinstance(pinned, ArchiveSource) else None
