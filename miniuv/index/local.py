"""``file:`` addresses: folders of archives, and indexes that lie on this machine."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from miniuv.errors import PackageIndexError
from miniuv.models.source import IndexFile
from miniuv.models.url import Url

ARCHIVE_SUFFIXES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")


def local_path(url: Url) -> Path:
    """The path behind a ``file:`` address; raises ``PackageIndexError`` where it names another machine."""
    parts = urlsplit(url.reveal())
    if parts.netloc not in {"", "localhost"}:
        raise PackageIndexError(f"`{url}` names the machine `{parts.netloc}`", hint="write `file:///path`")
    return Path(unquote(parts.path))


def read_local(path: Path, *, limit: int) -> bytes | None:
    """The content of a page; ``None`` where there is no such file."""
    try:
        if path.stat().st_size > limit:
            raise PackageIndexError(f"the page is longer than {limit >> 20} MiB", where=str(path))
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise PackageIndexError(
            f"it cannot be read: {(error.strerror or str(error)).lower()}", where=str(path)
        ) from error


def list_folder(folder: Path) -> Iterator[IndexFile]:
    """The archives that lie in ``folder``, sorted by name."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.name.endswith(ARCHIVE_SUFFIXES))
        for entry in entries:
            if entry.is_file():
                yield IndexFile(
                    filename=entry.name,
                    url=Url.parse(entry.as_uri()),
                    index=str(folder),
                    size=entry.stat().st_size,
                )
    except OSError as error:
        raise PackageIndexError(
            f"it cannot be listed: {(error.strerror or str(error)).lower()}", where=str(folder)
        ) from error
