"""What is remembered of an installation into an environment that had nothing in it. Imports next to nothing.

It is one text within a record of the cache, in lines of fields that are separated by ``NUL``. First comes what is told
once (``Facts``), then ``files``, then every file, in the folders that it is staged in. A file is a link to one of the
cache, a copy of one, or written: of pieces of text and, between these, of what differs between environments.
"""

from __future__ import annotations

from miniuv import state
from miniuv.hashes import sha256
from miniuv.names import CACHE_VERSION

TYPE_CHECKING = False  # `typing` and `collections.abc` take longer than most of what is done here
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEADER = "miniuv replay 1"
FILES = "files"
USUAL = frozenset({"pip", "setuptools", "wheel"})
"""What an environment may have from the start: as good as nothing, where nothing that is installed is one of them."""

FOLDER, LINK, COPY, TEXT = "d", "l", "c", "t"
PYTHON, PROMISE = "python", "promise"
"""In texts: the interpreter's path, and RECORD's hash and size of a text by its place among the texts."""

LONGEST_PYTHON = 120
"""Characters of an interpreter's path that any system takes in a first line."""


class Facts:
    """The lines before the files: fields by their key, and lists of them."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Raises ``ValueError`` for what is of another form."""
        self._fields: dict[str, list[list[str]]] = {}
        if not lines or lines[0] != HEADER:
            raise ValueError("of another form")
        for line in lines[1:]:
            key, *fields = line.split("\0")
            self._fields.setdefault(key, []).append(fields)

    def one(self, key: str) -> list[str]:
        """The fields of the only line of that key; raises ``ValueError`` where there is another number of them."""
        lines = self._fields.get(key, [])
        if len(lines) != 1:
            raise ValueError(f"{len(lines)} lines of {key}")
        return lines[0]

    def all(self, key: str) -> list[list[str]]:
        """The fields of each line of that key."""
        return self._fields.get(key, [])


def action(arguments: Sequence[str], environ: Mapping[str, str], directory: str) -> str:
    """Name the record of a command, whatever environment it is for."""
    return f"replay {state.key(['replay', *state.without_target(arguments)], environ, directory)}"


def place(cache: str, name: str) -> str:
    """The file of the record that is named so, in the cache folder."""
    return f"{cache}/{CACHE_VERSION}/index/{sha256(name.encode()).hexdigest()}.json"


def cache_folder(arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Where the cache is if no settings file says otherwise; empty where that takes more to tell.

    Whoever writes a record makes sure that it is so.
    """
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == "--cache-dir":
            named = value if equals else "".join(arguments[position + 1 : position + 2])
            return named if named[:1] == "/" else ""
    if named := environ.get("MINIUV_CACHE_DIR", ""):
        return named if named[:1] == "/" else ""
    if named := environ.get("XDG_CACHE_HOME", ""):
        return f"{named}/miniuv" if named[:1] == "/" else ""
    return f"{environ['HOME']}/.cache/miniuv" if environ.get("HOME", "")[:1] == "/" else ""


def is_usual(info: str) -> bool:
    """Whether a ``.dist-info`` folder is of a distribution that an environment may have from the start."""
    return info.endswith(".dist-info") and info.partition("-")[0] in USUAL
