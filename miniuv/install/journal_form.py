"""How a journal is written, and made durable. Imports next to nothing, for whoever has little time writes one too."""

from __future__ import annotations

import os
import stat

from miniuv.hashes import sha256

try:
    from _json import encode_basestring_ascii as _quoted
except ImportError:
    from json.encoder import encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADER = "miniuv journal 1"


def facts_of(path: str) -> tuple[int, int, int, int]:
    """Mode, inode, size (0 of a folder) and time of modification in nanoseconds of what is at ``path`` itself.

    Raises ``OSError``.
    """
    status = os.lstat(path)
    return status.st_mode, status.st_ino, 0 if stat.S_ISDIR(status.st_mode) else status.st_size, status.st_mtime_ns


def sync_folder(folder: str) -> None:
    """Make the renames within ``folder`` durable; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def encode(
    titles: Sequence[str],
    folders: Sequence[str],
    moves: Iterable[tuple[str, str, str, Sequence[int], int]],
    *,
    start: str,
) -> bytes:
    """The content of a journal: a header with the sha256 of the second line, which is JSON.

    Each of ``moves`` is its kind, place and aside, the facts of what is moved, and the count of its entries or -1.
    Paths below ``start``, which ends with a slash, are written relative to it.
    """
    lines = []
    for kind, place, aside, facts, entries in moves:
        told = ",".join(map(str, facts))
        short = f'"place":{_quoted(place.removeprefix(start))},"aside":{_quoted(aside.removeprefix(start))}'
        counted = f',"entries":{entries}' if entries >= 0 else ""
        lines.append(f'{{{short},"kind":{_quoted(kind)},"facts":[{told}]{counted}}}')
    shown = ",".join(map(_quoted, titles))
    places = ",".join(_quoted(folder.removeprefix(start)) for folder in folders)
    text = f'{{"titles":[{shown}],"folders":[{places}],"moves":[{",".join(lines)}]}}'.encode("ascii")
    return f"{HEADER} {sha256(text).hexdigest()}\n".encode("ascii") + text + b"\n"
