"""What a server sends, made into what it means: the content codings of HTTP (RFC 9110, 8.4), a bounded step at a time.

httpx would undo any number of codings and each chunk at once: a few kilobytes can become gigabytes so. And it takes a
stream that breaks off for one that ends.
"""

import zlib
from collections.abc import Iterable, Iterator

ACCEPTED = "gzip"
"""What to say in ``Accept-Encoding``."""

PAGE_LIMIT = 64 << 20
"""Bytes of a page of an index, its coding undone."""

_STEP = 1 << 20
_GZIP = 31
"""``wbits`` of zlib for a gzip header and trailer."""


class TransferError(Exception):
    """A body that broke off or is not what it says: worth another try."""


def decoded(chunks: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Undo ``coding``, the value of ``Content-Encoding``, in pieces of at most 1 MiB; raises ``TransferError``."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        yield from chunks
    elif coding in ("gzip", "x-gzip"):
        try:
            yield from _unzipped(chunks)
        except zlib.error as error:
            raise TransferError(f"the answer is no gzip, as it says: {error}") from error
    else:
        raise TransferError(f"the answer has the content coding `{coding[:40]}`, which was not asked for")


def _unzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member, is_within = zlib.decompressobj(wbits=_GZIP), False
    for chunk in chunks:
        piece = b""
        while chunk or len(piece) == _STEP:
            piece, is_within = member.decompress(chunk, _STEP), True
            yield piece
            chunk = member.unconsumed_tail
            if member.eof:
                chunk, piece, is_within = member.unused_data, b"", False
                member = zlib.decompressobj(wbits=_GZIP)
    if is_within:
        raise TransferError("the answer broke off within its gzip")
