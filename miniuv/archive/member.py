"""Names of archive members: what may become a path below a folder of ours, and what may not."""

import unicodedata

from miniuv.errors import ArchiveError
from miniuv.values import dataclass, field

MAX_ENTRIES = 200_000
MAX_TOTAL_BYTES = 16 * 2**30
MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 1024
SUSPICIOUS_BYTES = 100 * 2**20
SUSPICIOUS_RATIO = 200

COPY_CHUNK = 1024 * 1024


def check_member_path(name: str, *, where: str) -> str:
    """Return ``name`` where every part of it is plain; a trailing ``/`` is not expected. Raises ``ArchiveError``."""
    problem = _problem(name)
    if problem:
        raise ArchiveError(f"member {shown(name)} {problem}", where=where)
    return name


def shown(name: str) -> str:
    """Quote a name that may hold anything, for a message."""
    text = name if len(name) <= 120 else f"{name[:117]}..."
    return f"`{text}`" if text.isprintable() else f"`{text!r}`"


def _problem(name: str) -> str | None:
    if name.startswith("/"):
        return "is an absolute path"
    if "\\" in name or ":" in name:
        return "contains a backslash or a colon"
    if not name.isprintable() and any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "contains a control character or is not valid text"
    parts = name.split("/")
    if ".." in parts:
        return "leaves its folder with `..`"
    if "" in parts or "." in parts:
        return "has an empty part"
    if len(name) > MAX_COMPONENT_BYTES // 4:
        if len(name.encode("utf-8")) > MAX_PATH_BYTES:
            return f"is longer than {MAX_PATH_BYTES} bytes"
        if any(len(part.encode("utf-8")) > MAX_COMPONENT_BYTES for part in parts):
            return f"has a part longer than {MAX_COMPONENT_BYTES} bytes"
    return None


@dataclass(kw_only=True, slots=True)
class MemberNames:
    """The names of one archive so far: each file once, also where case or accents are folded, none below another."""

    where: str
    _files: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)

    def add_file(self, name: str) -> None:
        """Admit a file (or link); its parents become folders."""
        key = _folded(name)
        if key in self._files:
            other = self._files[key]
            problem = "is there twice" if other == name else f"differs only in case or accents from {shown(other)}"
            raise ArchiveError(f"member {shown(name)} {problem}", where=self.where)
        if key in self._folders:
            raise ArchiveError(f"member {shown(name)} is a file and a folder", where=self.where)
        self._files[key] = name
        self._add_parents(name)

    def add_folder(self, name: str) -> None:
        """Admit a folder; it may be named any number of times."""
        key = _folded(name)
        if key in self._files:
            raise ArchiveError(f"member {shown(name)} is a file and a folder", where=self.where)
        self._folders[key] = name
        self._add_parents(name)

    def _add_parents(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        while parent:
            key = _folded(parent)
            if key in self._files:
                raise ArchiveError(f"member {shown(parent)} is a file and a folder", where=self.where)
            if key in self._folders:
                return
            self._folders[key] = parent
            parent = parent.rpartition("/")[0]


@dataclass(kw_only=True, slots=True)
class SizeBudget:
    """How much an archive may unpack to."""

    where: str
    entries: int = 0
    total: int = 0

    def spend(self, name: str, size: int, packed: int | None = None) -> None:
        """Count one member; ``packed`` is its size inside the archive where that is known."""
        self.entries += 1
        self.total += size
        if self.entries > MAX_ENTRIES:
            raise ArchiveError(f"holds more than {MAX_ENTRIES} members", where=self.where)
        if size < 0 or self.total > MAX_TOTAL_BYTES:
            raise ArchiveError(
                f"unpacks to more than {MAX_TOTAL_BYTES // 2**30} GiB at member {shown(name)}", where=self.where
            )
        if packed is not None and size > SUSPICIOUS_BYTES and size > SUSPICIOUS_RATIO * max(packed, 1):
            raise ArchiveError(
                f"member {shown(name)} is {packed} bytes that unpack to {size}: a decompression bomb", where=self.where
            )


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
