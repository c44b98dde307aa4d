"""Tar files, read member by member, with every foreign error translated and headers within bounds."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tarfile import TarFile, TarInfo
from typing import IO

from miniuv.archive.member import shown
from miniuv.archive.stream import BoundedReader, Format, open_decompressed
from miniuv.errors import ArchiveError


class TarMembers:
    """The members of one tar file, once, in their order; content is read before the next member is asked for."""

    def __init__(self, tar: TarFile, stream: BoundedReader, where: str) -> None:
        self._tar = tar
        self._stream = stream
        self._where = where
        self.limit = stream.limit
        """How many bytes the whole may unpack to."""

    def __iter__(self) -> Iterator[TarInfo]:
        while True:
            with self._stream.header():
                member = self._tar.next()
            if member is None:
                return
            # Else the next header would be read before the end of this one, and so for ever.
            if member.size < 0 or self._tar.offset < member.offset_data:
                raise ArchiveError(f"member {shown(member.name)} has a negative size", where=self._where)
            # tarfile keeps every member that it has met, with all that its headers said.
            self._tar.members.clear()  # type: ignore[attr-defined]
            yield member

    def content(self, member: TarInfo) -> IO[bytes]:
        """What is in a regular file. Raises ``ArchiveError``."""
        content = self._tar.extractfile(member)
        if content is None:
            raise ArchiveError(f"member {shown(member.name)} has no content", where=self._where)
        return content

    def check_rest(self) -> None:
        """After the last member: check that nothing but padding follows. Raises ``ArchiveError``."""
        self._stream.check_rest()


@contextmanager
def open_tar(path: Path, kind: Format, *, where: str) -> Iterator[TarMembers]:
    """Open a tar file; whatever goes wrong with it, then or while it is read, is an ``ArchiveError``."""
    import tarfile

    try:
        with closing(open_decompressed(path, kind, where=where)) as stream:
            with stream.header():  # that of the first member is read at once
                opened = tarfile.TarFile(fileobj=stream, errorlevel=2)  # type: ignore[arg-type]
            with opened as tar:
                yield TarMembers(tar, stream, where)
    except (tarfile.TarError, ValueError, OverflowError, LookupError, RecursionError) as error:
        raise ArchiveError(f"is no intact archive: {str(error) or type(error).__name__}", where=where) from error
