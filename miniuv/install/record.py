"""RECORD of an installed distribution: who owns which file.

https://packaging.python.org/specifications/recording-installed-packages/
"""

import base64
import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator


def record_hash(sha256: str) -> str:
    """Spell a hexadecimal digest as RECORD does: urlsafe base64 "with trailing = characters removed"."""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")


def write_record(rows: Iterable[tuple[str, str, str]]) -> bytes:
    """Put rows of path, hash and size together, sorted by path."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode("utf-8", "surrogateescape")


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
