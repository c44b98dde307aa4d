"""Where a distribution comes from: as asked, and as pinned. They are different types on purpose."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NewType
from urllib.parse import unquote

from miniuv.models.url import Url
from miniuv.values import dataclass, field

CommitId = NewType("CommitId", str)
"""A full object id in lower-case hexadecimal, 40 or 64 digits."""

Sha256 = NewType("Sha256", str)
"""64 lower-case hexadecimal digits."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def as_sha256(value: object) -> Sha256 | None:
    """Take ``value`` for a SHA-256 where it is one: it may stand in a record that anybody wrote."""
    return Sha256(value) if isinstance(value, str) and _SHA256.fullmatch(value) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class DirectorySource:
    """A project folder on this machine."""

    path: Path
    """Absolute, not resolved through symbolic links."""
    editable: bool
    subdirectory: None = None

    def __str__(self) -> str:
        return self.path.as_uri()


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveSource:
    """One wheel or sdist, by address or by path (``file:``)."""

    url: Url
    """Without fragment."""
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Algorithm to hexadecimal digest, as the requirement's fragment promised."""
    subdirectory: str | None = None

    @property
    def filename(self) -> str:
        """The last part of the path, percent-decoded."""
        return unquote(self.url.path.rpartition("/")[2])

    def __str__(self) -> str:
        return f"{self.url}#subdirectory={self.subdirectory}" if self.subdirectory else str(self.url)


@dataclass(frozen=True, kw_only=True, slots=True)
class GitSource:
    """A repository and what to take from it, as asked."""

    repository: Url
    """Without the ``git+`` prefix, ref and fragment: ``https://host/org/repo.git``."""
    ref: str | None = None
    """Branch, tag, commit or ``refs/…``, percent-decoded; ``None`` is the default branch."""
    subdirectory: str | None = None
    """Relative, ``/``-separated, inside the tree."""

    def __str__(self) -> str:
        return _git_text(self.repository, self.ref, self.subdirectory)


@dataclass(frozen=True, kw_only=True, slots=True)
class PinnedGit:
    """A repository at one commit."""

    repository: Url
    commit: CommitId
    requested: str | None
    """The ref that was asked for; ``None`` was the default branch. Not part of the identity."""
    subdirectory: str | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether the very commit was asked for: a branch or a tag may lead to another one tomorrow."""
        return self.requested is not None and self.requested.lower() == self.commit

    @property
    def identity(self) -> tuple[str, str, str]:
        """What makes two git requirements the same: canonical repository, commit, subdirectory."""
        return canonical_repository(self.repository), self.commit, self.subdirectory or ""

    def __str__(self) -> str:
        return _git_text(self.repository, self.commit, self.subdirectory)


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """One file of a project on an index (PEP 503, PEP 691)."""

    filename: str
    url: Url
    index: str
    """The index it was found on, for people; the find-links place where there is no index."""
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    metadata_hashes: Mapping[str, str] | None = field(default=None, hash=False)
    """PEP 658: hashes of the ``.metadata`` file; empty where it is advertised without one, else ``None``."""
    requires_python: str | None = None
    yanked: str | None = None
    """The reason (possibly empty) where the file was yanked (PEP 592)."""
    size: int | None = None

    @property
    def is_wheel(self) -> bool:
        """Whether the file name says wheel; sdist otherwise."""
        return self.filename.endswith(".whl")

    def __str__(self) -> str:
        return self.filename


DirectSource = DirectorySource | ArchiveSource | GitSource
"""What a direct reference (PEP 440, PEP 508 ``name @ url``) or a path can ask for."""

PinnedSource = DirectorySource | ArchiveSource | PinnedGit | IndexFile
"""Exactly what is fetched or built."""


def canonical_repository(repository: Url) -> str:
    """The form under which two spellings of one repository meet: no user, no ``.git``, host in lower case.

    The scheme stays: ssh and https may be served differently.
    """
    from urllib.parse import urlsplit

    parts = urlsplit(repository.shown)
    host = (parts.hostname or "").lower()
    port = f":{parts.port}" if parts.port else ""
    path = parts.path.rstrip("/").removesuffix(".git").rstrip("/")
    return f"{parts.scheme.lower()}://{host}{port}{path}"


def _git_text(repository: Url, ref: str | None, subdirectory: str | None) -> str:
    from urllib.parse import quote

    at = f"@{quote(ref, safe='/')}" if ref else ""
    fragment = f"#subdirectory={quote(subdirectory, safe='/')}" if subdirectory else ""
    return f"git+{repository}{at}{fragment}"
