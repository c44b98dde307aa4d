"""``--find-links``: archives that lie in a folder, are linked from a page, or are named one by one."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import NormalizedName, canonicalize_name

from miniuv.index.local import ARCHIVE_SUFFIXES, list_folder, local_path
from miniuv.models.source import IndexFile
from miniuv.models.url import Url
from miniuv.reporter import Reporter
from miniuv.stamps import stamp


class FindLinks:
    """Every archive of every place, by project name; listed once, when first asked."""

    def __init__(
        self, places: Sequence[Url], *, read_page: Callable[[Url], tuple[IndexFile, ...]], reporter: Reporter
    ) -> None:
        """``read_page`` gives the links of a page of the network or of an HTML file."""
        self._places = tuple(places)
        self._read_page = read_page
        self._reporter = reporter
        self._guard = threading.Lock()
        self._by_name: Mapping[str, tuple[IndexFile, ...]] | None = None

    def files(self, name: NormalizedName) -> tuple[IndexFile, ...]:
        """The archives whose file names begin with the project's name, in the order of the places."""
        if not self._places:
            return ()
        with self._guard:
            if self._by_name is None:
                by_name: dict[str, list[IndexFile]] = {}
                for place in self._places:
                    for file in self._list(place):
                        for project in possible_projects(file):
                            by_name.setdefault(project, []).append(file)
                self._by_name = {project: tuple(files) for project, files in by_name.items()}
        return self._by_name.get(name, ())

    def stamps(self) -> list[str] | None:
        """Describe what was listed, as lines of ``miniuv.stamps``; ``None`` where it is not all folders."""
        lines: list[str] = []
        for place in self._places:
            if place.scheme != "file" or not (folder := local_path(place)).is_dir():
                return None
            lines += [stamp(str(folder)), *(stamp(str(local_path(file.url))) for file in list_folder(folder))]
        return lines

    def _list(self, place: Url) -> Iterator[IndexFile]:
        if place.path.endswith(ARCHIVE_SUFFIXES):
            yield _single(place)
        elif place.scheme != "file":
            yield from self._read_page(place)
        elif (folder := local_path(place)).is_dir():
            yield from list_folder(folder)
        elif folder.is_file():
            yield from self._read_page(place)
        else:
            self._warn(folder)

    def _warn(self, folder: Path) -> None:
        self._reporter.warning(
            f"the find-links folder `{folder}` does not exist, and is skipped",
            hint="it is named by `--find-links`, `PIP_FIND_LINKS`, `UV_FIND_LINKS` or a configuration file",
        )


def _single(place: Url) -> IndexFile:
    return IndexFile(filename=unquote(place.path.rpartition("/")[2]), url=place, index=str(place))


def possible_projects(file: IndexFile) -> Iterator[str]:
    """The projects that a file name may belong to; an sdist of old spelling leaves more than one."""
    parts = file.filename.split("-")
    if file.is_wheel:
        yield canonicalize_name(parts[0])
        return
    for end in range(1, len(parts)):
        yield canonicalize_name("-".join(parts[:end]))
