"""The metadata of a wheel whose server has no ``.metadata`` file: a few ranges of the wheel instead of all of it."""

import io
import re
from typing import TYPE_CHECKING

from miniuv.archive.dist_info import MAX_TEXT_BYTES, find_dist_info
from miniuv.archive.zip_file import open_zip, read_text
from miniuv.errors import ArchiveError, PackageIndexError
from miniuv.index.client import HttpClient
from miniuv.models.source import IndexFile

if TYPE_CHECKING:
    import httpx

SMALLEST = 512 << 10
"""A wheel that is not longer is fetched whole: it will be needed, and one request does it."""

_STEP = 32 << 10
_MOST = 16 << 20
"""Where so much had to be read, something is wrong."""

_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})", re.ASCII)


class NoRangesError(Exception):
    """The server answers with the whole file, or not at all."""


def read_metadata(client: HttpClient, file: IndexFile) -> bytes | None:
    """The METADATA inside of a wheel of the network; ``None`` where the wheel has to be looked at whole.

    Raises ``NoRangesError`` where it is of no use to ask the server again.
    """
    try:
        with open_zip(io.BufferedReader(_Remote(client, file), _STEP), where=file.filename) as archive:
            info = archive.getinfo(f"{find_dist_info(archive.namelist(), where=file.filename)}/METADATA")
            return read_text(archive, info, limit=MAX_TEXT_BYTES)
    except (ArchiveError, PackageIndexError, KeyError):
        return None  # whoever reads the whole wheel says what is wrong with it


class _Remote(io.RawIOBase):
    """A file behind an address, of which only what is read is fetched."""

    def __init__(self, client: HttpClient, file: IndexFile) -> None:
        super().__init__()
        self._client = client
        self._url = file.url
        self._parts: list[tuple[int, bytes]] = []
        self._position = 0
        self._fetched = 0
        self._size = file.size
        # a directory of many members is long, and the end of the file is all but always enough
        self._tail = max(_STEP, min((file.size or 0) >> 6, 512 << 10))
        self._size = self._fetch_end()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # typeshed's Buffer is newer than Python 3.11
        size = self._size or 0
        if self._position >= size or not view:
            return 0
        if (part := self._held()) is None:
            self._fetch(self._position, min(size, self._position + max(len(view), _STEP)) - 1)
            part = self._held()
            assert part is not None
        start, data = part
        chunk = data[self._position - start :][: len(view)]
        view[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def _held(self) -> tuple[int, bytes] | None:
        return next((part for part in self._parts if part[0] <= self._position < part[0] + len(part[1])), None)

    def _fetch_end(self) -> int:
        if self._size:
            return self._fetch(max(0, self._size - self._tail), self._size - 1)
        return self._ask(f"bytes=-{self._tail}", None)

    def _fetch(self, first: int, last: int) -> int:
        return self._ask(f"bytes={first}-{last}", (first, last))

    def _ask(self, wanted: str, span: tuple[int, int] | None) -> int:
        """Fetch what is ``wanted``; the size of the whole file."""

        def consume(response: "httpx.Response") -> tuple[int, int, bytes]:
            told = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
            if response.status_code != 206 or told is None:
                raise NoRangesError
            first, last, size = (int(number) for number in told.groups())
            if span not in {None, (first, last)} or self._size not in {None, 0, size} or last >= size:
                raise NoRangesError
            if last + 1 - first > _MOST - self._fetched:
                raise NoRangesError
            data = bytearray()
            for chunk in response.iter_raw():
                data += chunk
                if len(data) > last + 1 - first:
                    raise NoRangesError
            if len(data) != last + 1 - first:
                raise NoRangesError
            return first, size, bytes(data)

        headers = {"Accept-Encoding": "identity", "Range": wanted}
        first, size, data = self._client.stream(self._url, headers=headers, consume=consume)
        self._parts.append((first, data))
        self._fetched += len(data)
        return size
