"""RECORD of an installed distribution: who owns which file.

https://packaging.python.org/specifications/recording-installed-packages/
"""

import binascii
import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator

_URLSAFE = bytes.maketrans(b"+/", b"-_")


def record_hash(sha256: str) -> str:
    """Spell a hexadecimal digest as RECORD does: urlsafe base64 "with trailing = characters removed"."""
    encoded = binascii.b2a_base64(bytes.fromhex(sha256), newline=False)
    return "sha256=" + encoded.translate(_URLSAFE).decode().rstrip("=")


def write_record(rows: Iterable[tuple[str, str, str]]) -> bytes:
    """Put rows of path, hash and size together, sorted by path."""
    lines = sorted(rows)
    text = "".join([f"{path},{promise},{size}\n" for path, promise, size in lines])
    if '"' in text or "\r" in text or text.count(",") + text.count("\n") != 3 * len(lines):  # a path must be quoted
        quoted = io.StringIO()
        csv.writer(quoted, lineterminator="\n").writerows(lines)
        text = quoted.getvalue()
    return text.encode("utf-8", "surrogateescape")


def recorded_paths(record: bytes, location: str) -> Iterator[str]:
    """Yield the absolute form of every path in ``record``; ``location`` is the folder that it is relative to.

    Lines that no reader could make sense of are passed over: this describes what somebody else installed.
    """
    for name in _names(record.decode("utf-8", "surrogateescape")):
        if not name or "\0" in name:
            continue
        if name.startswith("/"):
            yield os.path.normpath(name)
        elif "../" in name or "./" in name or "//" in name:
            yield os.path.normpath(f"{location}/{name}")
        else:
            yield f"{location}/{name}"


def _names(text: str) -> list[str]:
    if '"' in text:
        with contextlib.suppress(csv.Error):
            return [row[0] for row in csv.reader(io.StringIO(text, newline="")) if row]
    return [line.rsplit(",", 2)[0] for line in text.replace("\r\n", "\n").split("\n")]
