"""Names of archive members: what may become a path below a folder of ours, and what may not."""

import unicodedata

from miniuv.archive.rules import Rules
from miniuv.errors import ArchiveError
from miniuv.values import dataclass, field

MAX_ENTRIES = 200_000
MAX_TOTAL_BYTES = 16 * 2**30
MAX_COMPONENT_BYTES = 255
MAX_PATH_BYTES = 1024
MAX_PARTS = 200
SUSPICIOUS_BYTES = 100 * 2**20
SUSPICIOUS_RATIO = 200

COPY_CHUNK = 1024 * 1024

_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Categories of characters that steer a display, or are no text; a character that Unicode gains later is fine."""


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
    if not name.isprintable() and any(unicodedata.category(character) in _UNSEEN for character in name):
        return "contains a control character or is not valid text"
    parts = name.split("/")
    if ".." in parts:
        return "leaves its folder with `..`"
    if "" in parts or "." in parts:
        return "has an empty part"
    if len(name) > MAX_COMPONENT_BYTES // 4:
        if len(parts) > MAX_PARTS:
            return f"has more than {MAX_PARTS} parts"
        if len(name.encode("utf-8")) > MAX_PATH_BYTES:
            return f"is longer than {MAX_PATH_BYTES} bytes"
        if any(len(part.encode("utf-8")) > MAX_COMPONENT_BYTES for part in parts):
            return f"has a part longer than {MAX_COMPONENT_BYTES} bytes"
    return None


@dataclass(kw_only=True, slots=True)
class MemberNames:
    """The names of one archive so far: each file once, also where case or accents are folded, none below another."""

    rules: Rules
    _files: dict[str, str] = field(default_factory=dict)
    _folders: dict[str, str] = field(default_factory=dict)

    def add_file(self, name: str) -> None:
        """Admit a file (or link); its parents become folders."""
        key = _folded(name)
        if key in self._files:
            key = self._other_key(name, self._files[key], "is there twice")
        if key in self._folders:
            key = self._other_key(name, self._folders[key], "is a file and a folder")
        self._files[key] = name
        self._add_parents(name)

    def add_folder(self, name: str) -> None:
        """Admit a folder; it may be named any number of times."""
        key = _folded(name)
        if key in self._files:
            key = self._other_key(name, self._files[key], "is a file and a folder")
        self._folders[key] = name
        self._add_parents(name)

    def _add_parents(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        while parent:
            key = _folded(parent)
            if key in self._files:
                key = self._other_key(parent, self._files[key], "is a file and a folder")
            if key in self._folders:
                return
            self._folders[key] = parent
            parent = parent.rpartition("/")[0]

    def _other_key(self, name: str, other: str, problem: str) -> str:
        """Refuse ``name`` beside ``other``, or, where that may be so, give a key under which nothing is folded."""
        if other != name and self.rules.waivable:
            self.rules.broken("case", f"member {shown(name)} differs only in case or accents from {shown(other)}")
            if (exact := f"/{name}") not in self._files and exact not in self._folders:
                return exact
        elif other != name and problem == "is there twice":
            problem = f"differs only in case or accents from {shown(other)}"
        raise self.rules.refuse(f"member {shown(name)} {problem}")


@dataclass(kw_only=True, slots=True)
class SizeBudget:
    """How much an archive may unpack to."""

    rules: Rules
    entries: int = 0
    total: int = 0
    packed: int = 0

    def spend(self, name: str, size: int, packed: int | None = None) -> None:
        """Count one member; ``packed`` is its size inside the archive where that is known."""
        self.entries += 1
        self.total += size
        self.packed += packed or 0
        if self.entries > MAX_ENTRIES:
            self.rules.broken("size", f"holds more than {MAX_ENTRIES} members")
        if size < 0 or self.total > MAX_TOTAL_BYTES:
            self.rules.broken("size", f"unpacks to more than {MAX_TOTAL_BYTES // 2**30} GiB at member {shown(name)}")
        if packed is not None and size > SUSPICIOUS_BYTES and size > SUSPICIOUS_RATIO * max(packed, 1):
            problem = f"member {shown(name)} is {packed} bytes that unpack to {size}: a decompression bomb"
            self.rules.broken("size", problem)

    def conclude(self) -> None:
        """Judge the whole of an archive whose members all have a packed size."""
        if self.total > SUSPICIOUS_BYTES and self.total > SUSPICIOUS_RATIO * self.packed:
            self.rules.broken("size", f"is {self.packed} bytes that unpack to {self.total}: a decompression bomb")


def _folded(name: str) -> str:
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()
