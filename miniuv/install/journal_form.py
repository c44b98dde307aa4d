"""How a journal is written. Imports next to nothing, for whoever has little time writes one too."""

from __future__ import annotations

from miniuv.hashes import sha256

try:
    from _json import encode_basestring_ascii as _quoted
except ImportError:
    from json.encoder import encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEADER = "miniuv journal 1"


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
