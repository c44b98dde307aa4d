"""What kind of archive a file is, and its bytes decompressed within bounds."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal, cast

from miniuv.archive.member import MAX_TOTAL_BYTES, SUSPICIOUS_BYTES, SUSPICIOUS_RATIO
from miniuv.archive.xz import XzReader
from miniuv.errors import ArchiveError

Format = Literal["zip", "gzip", "bzip2", "xz", "tar"]

# Long names and pax headers are read in one piece by tarfile; no honest one is larger.
MAX_HEADER_BYTES = 4 * 2**20
"""Of all headers that come before one member."""
MAX_HEADER_READS = 64
"""tarfile goes a level deeper for each header before the member's own."""
MAX_PADDING_BYTES = 16 * 2**20

_BLOCK = 64 * 1024

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_SUFFIXES: tuple[tuple[tuple[str, ...], Format], ...] = (
    ((".zip",), "zip"),
    ((".tar.gz", ".tgz"), "gzip"),
    ((".tar.bz2", ".tbz"), "bzip2"),
    ((".tar.xz", ".txz"), "xz"),
    ((".tar",), "tar"),
)


def detect_format(path: Path, filename: str) -> Format:
    """Tell by the first bytes, which have to agree with ``filename``'s suffix. Raises ``ArchiveError``."""
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise ArchiveError(f"cannot be read: {error.strerror or error}", where=filename) from error
    found: Format | None = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if found is None and start[257:262] == b"ustar":
        found = "tar"
    if found is None:
        raise ArchiveError(f"is no archive that can be read{_what(start)}", where=filename)
    named: Format | None = next((kind for suffixes, kind in _SUFFIXES if filename.lower().endswith(suffixes)), None)
    if named is not None and named != found:
        raise ArchiveError(f"is named like {named} and is {found} inside", where=filename)
    return found


class BoundedReader:
    """Decompressed bytes for ``tarfile``: no single read is huge, the whole has an end, errors are ours."""

    def __init__(self, stream: IO[bytes], *, packed: int, where: str) -> None:
        self._stream = stream
        self.limit = max(SUSPICIOUS_BYTES, min(MAX_TOTAL_BYTES, SUSPICIOUS_RATIO * packed))
        """How many bytes there may be."""
        self._where = where
        self._last = b""
        self._header: tuple[int, int] | None = None
        """While the headers of a member are read: how many bytes and reads are left for them."""

    @contextmanager
    def header(self) -> Iterator[None]:
        """Read the headers before one member, which have an end too."""
        self._header = MAX_HEADER_BYTES, MAX_HEADER_READS
        yield
        self._header = None

    def read(self, size: int = -1) -> bytes:
        """Read ``size`` bytes; raises ``ArchiveError`` where that would be more than any header needs."""
        if size < 0 or size > MAX_HEADER_BYTES:
            raise ArchiveError("has a header that is unreasonably large", where=self._where)
        if self._header is not None:
            left, reads = self._header
            self._header = left - size, reads - 1
            if size > left or not reads:
                raise ArchiveError("has a header that is unreasonably large", where=self._where)
        with _intact(self._where):
            data = self._stream.read(size)
            self._check_limit(self._stream.tell())
        self._last = data
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go on to ``offset``; a compressed stream is read through to there."""
        self._check_limit(offset)
        with _intact(self._where):
            return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Say how many decompressed bytes have been read."""
        return self._stream.tell()

    def close(self) -> None:
        """Close the stream and the file behind it."""
        self._stream.close()

    def check_rest(self) -> None:
        """Check that only padding follows the last member: a tar file that goes on is something else as well."""
        # tarfile ends quietly at a header that it does not understand: that was the last thing read.
        block = self._last
        if not block:
            raise ArchiveError("ends without the mark of its end: it may be truncated", where=self._where)
        for _ in range(MAX_PADDING_BYTES // _BLOCK):
            if block.count(0) != len(block):
                raise ArchiveError("goes on after its end, or holds a broken header", where=self._where)
            block = self.read(_BLOCK)
            if not block:
                return
        raise ArchiveError("is padded without end", where=self._where)

    def _check_limit(self, offset: int) -> None:
        if offset > self.limit:
            raise ArchiveError(
                f"unpacks to more than {self.limit // 2**20} MiB: a decompression bomb", where=self._where
            )


def open_decompressed(path: Path, kind: Format, *, where: str) -> BoundedReader:
    """Open a tar file of that ``kind``; raises ``OSError``."""
    packed = path.stat().st_size
    if kind == "gzip":
        return BoundedReader(cast("IO[bytes]", gzip.open(path)), packed=packed, where=where)
    if kind == "bzip2":
        return BoundedReader(bz2.open(path), packed=packed, where=where)
    if kind == "xz":
        return BoundedReader(cast("IO[bytes]", XzReader(path)), packed=packed, where=where)
    return BoundedReader(path.open("rb"), packed=packed, where=where)


@contextmanager
def _intact(where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise ArchiveError(f"is no intact archive: {str(error) or type(error).__name__}", where=where) from error


def _what(start: bytes) -> str:
    if not start:
        return ": it is empty"
    return ": it is a web page" if start.lstrip()[:9].lower() in (b"<!doctype", b"<html><he") else ""
