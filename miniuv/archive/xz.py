"""xz files, decompressed in bounded memory: such a file may ask for a dictionary of up to 4 GiB."""

import lzma
from pathlib import Path

MEMORY_LIMIT = 256 * 2**20
"""Bytes; four times what the strongest preset, ``xz -9``, needs."""

_CHUNK = 64 * 1024


class XzReader:
    """The bytes of an xz file, forward only.

    Raises ``lzma.LZMAError``, also where more memory is asked for than is given, and ``EOFError``.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decompressor: lzma.LZMADecompressor | None = None
        self._packed = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer at the end only."""
        parts = []
        while size > 0 and (part := self._part(size)):
            parts.append(part)
            size -= len(part)
            self._position += len(part)
        return b"".join(parts)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go on to ``offset``, or to the end where that comes first."""
        if whence or offset < self._position:
            raise ValueError("an xz file is read forward")
        while self._position < offset and self.read(min(_CHUNK, offset - self._position)):
            continue
        return self._position

    def tell(self) -> int:
        """Say how many bytes have been read."""
        return self._position

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _part(self, size: int) -> bytes:
        """Give at least one byte; none at the end of the last stream of the file."""
        while True:
            if not self._packed and (self._decompressor is None or self._decompressor.needs_input):
                self._packed = self._file.read(_CHUNK)
                if not self._packed:
                    if self._decompressor is None:
                        return b""
                    raise EOFError("it ends in the middle")
            if self._decompressor is None:
                self._packed = self._packed.lstrip(b"\0")  # padding between streams
                if not self._packed:
                    continue
                self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_LIMIT)
            part = self._decompressor.decompress(self._packed, size)
            self._packed = b""
            if self._decompressor.eof:
                self._packed, self._decompressor = self._decompressor.unused_data, None
            if part:
                return part
