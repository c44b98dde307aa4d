"""RECORD of an installed distribution: who owns which file.

https://packaging.python.org/specifications/recording-installed-packages/
"""

import binascii
import contextlib
import csv
import errno
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

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


def read_record(path: str | Path) -> bytes:
    """Read the RECORD of an installed distribution; raises ``OSError``, also where a fifo lies in its place."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    with open(descriptor, "rb") as stream:
        return stream.read()


def recorded_paths(record: bytes, location: str) -> Iterator[str]:
    """Yield the absolute form of every path in ``record``; ``location`` is the folder that it is relative to.

    Lines that no reader could make sense of are passed over: this describes what somebody else installed.
    """
    for name, *_ in _rows(record):
        if name and "\0" not in name:
            yield whole_path(name, location)


class RecordedFile(NamedTuple):
    """One line of the RECORD of an installed distribution."""

    name: str
    """The path as it is written there; it may be anything."""
    promise: str
    """``sha256=…`` or ``""``; it may be anything."""
    size: str
    """In bytes, or ``""``; it may be anything."""


def recorded_files(record: bytes) -> Iterator[RecordedFile]:
    """Yield every line of ``record`` that is not empty, whatever is in it."""
    for row in _rows(record):
        if any(row):
            name, promise, size = (*row, "", "")[:3]
            yield RecordedFile(name, promise, size)


def whole_path(name: str, location: str) -> str:
    """The absolute form of a path in RECORD; ``location`` is the folder that it is relative to."""
    if name.startswith("/"):
        return os.path.normpath(name)
    if name.startswith(".") or "/." in name or "//" in name or name.endswith("/"):
        return os.path.normpath(f"{location}/{name}")
    return f"{location}/{name}"


def _rows(record: bytes) -> list[list[str]]:
    text = record.decode("utf-8", "surrogateescape")
    if '"' in text:
        with contextlib.suppress(csv.Error):
            return [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    return [line.rsplit(",", 2) for line in text.replace("\r\n", "\n").split("\n")]
