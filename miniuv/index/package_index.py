"""What can be had from the indexes: files of a project, their metadata, the files themselves."""

import threading
from collections.abc import Iterator
from urllib.parse import urljoin

from packaging.utils import NormalizedName

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.errors import OfflineError, PackageIndexError
from miniuv.index.client import HttpClient
from miniuv.index.download import Download, Downloads
from miniuv.index.find_links import FindLinks
from miniuv.index.http_cache import Bodies, HttpCache
from miniuv.index.local import local_path, read_local
from miniuv.index.metadata_files import MetadataFiles
from miniuv.index.simple import ACCEPT, Page, parse_page
from miniuv.models.source import ArchiveSource, IndexFile
from miniuv.models.url import Url
from miniuv.reporter import Reporter
from miniuv.settings import Settings

_PAGE_LIMIT = 64 << 20


class PackageIndex:
    """The indexes and find-links places of the settings, behind one door. Thread-safe."""

    def __init__(
        self, *, settings: Settings, client: HttpClient, store: Store, jobs: JobRunner, reporter: Reporter
    ) -> None:
        self._settings = settings
        self._reporter = reporter
        bodies = Bodies(store=store)
        self._http = HttpCache(
            client=client, store=store, bodies=bodies, offline=settings.offline, refresh=settings.refresh
        )
        self._downloads = Downloads(
            client=client,
            store=store,
            jobs=jobs,
            reporter=reporter,
            offline=settings.offline,
            refresh=settings.refresh,
        )
        self._metadata = MetadataFiles(client=client, store=store, bodies=bodies, offline=settings.offline)
        self._find_links = FindLinks(settings.find_links, read_page=self._linked, reporter=reporter)
        self._places: dict[str, _Places] = {}
        self._guard = threading.Lock()
        self._missing: set[str] = set()
        self._warned: set[str] = set()

    @property
    def places(self) -> tuple[str, ...]:
        """Where files are looked for, in that order, for people."""
        return tuple(str(place) for place in (*self._settings.find_links, *self._indexes()))

    @property
    def asks_indexes(self) -> bool:
        """Whether there is more than find-links: not with ``--no-index``."""
        return not self._settings.no_index

    def files(self, name: NormalizedName, *, position: int = 0) -> tuple[IndexFile, ...]:
        """The files of a project at one place; empty after the last one.

        The places are the index folders of this machine that have the name, in their order, up to and including
        the first index of the network that has it. Never two of the network: whoever may upload to one could
        otherwise take over a name of the other. Find-links files count to the first place. A further place is only
        looked at when ``position`` gets there.
        Raises ``PackageIndexError`` where an index fails, ``OfflineError`` (it lists what is missing so far).
        """
        with self._guard:
            is_first = not self._places
            places = self._places.setdefault(name, _Places(self._having(name)))
        if is_first:
            self._reporter.note(f"packages are looked for on {', then '.join(self.places) or 'no index'}")
        return places.at(position)

    def metadata(self, file: IndexFile) -> bytes | None:
        """The core metadata of a wheel from its ``.metadata`` file; ``None``: read it from the file itself.

        Raises ``HashMismatchError`` where it is not what the index promised.
        """
        return self._metadata.read(file)

    def download(self, file: IndexFile | ArchiveSource) -> Download:
        """Make sure that the archive is in the cache; see ``Downloads.obtain``."""
        try:
            return self._downloads.obtain(file)
        except OfflineError as error:
            raise self._offline(file.filename) from error

    def _indexes(self) -> tuple[Url, ...]:
        if self._settings.no_index:
            return ()
        return tuple(dict.fromkeys((*self._settings.extra_index_urls, self._settings.index_url)))

    def _having(self, name: NormalizedName) -> Iterator[tuple[IndexFile, ...]]:
        linked = self._find_links.files(name)
        for index in self._indexes():
            try:
                page = self._local_page(index, name) if index.scheme == "file" else self._page(index, name)
            except OfflineError as error:
                raise self._offline(name) from error
            if page is None or not (page.files or page.skipped):
                continue
            for rejection in page.skipped:
                self._reporter.note(f"skipped on {index}: {rejection}")
            yield (*linked, *page.files)
            linked = ()
            if index.scheme != "file":
                return
        if linked:
            yield linked

    def _page(self, index: Url, name: NormalizedName) -> Page | None:
        url = _project_url(index, name)
        answer = self._http.get(url, accept=ACCEPT, limit=_PAGE_LIMIT)
        if answer.status in {404, 410}:
            return None
        if answer.status != 200:
            raise _refused(answer.status, url)
        content_type = answer.headers.get("content-type", "")
        page = parse_page(answer.body, content_type=content_type, url=answer.url, index=str(index))
        self._metadata.learn(page)
        return page

    def _local_page(self, index: Url, name: NormalizedName) -> Page | None:
        root = local_path(index)
        data = read_local(root / name / "index.html", limit=_PAGE_LIMIT)
        if data is None:
            if not root.is_dir():
                self._warn_once(
                    f"the index folder `{root}` does not exist, and is skipped",
                    hint="it is named by `--index-url`, `--extra-index-url` or a configuration file of pip or uv",
                )
            return None
        return parse_page(data, content_type="text/html", url=_project_url(index, name), index=str(index))

    def _linked(self, place: Url) -> tuple[IndexFile, ...]:
        """The links of a find-links page."""
        if place.scheme == "file":
            data = read_local(local_path(place), limit=_PAGE_LIMIT) or b""
            return parse_page(data, content_type="text/html", url=place, index=str(place)).files
        try:
            answer = self._http.get(place, accept=ACCEPT, limit=_PAGE_LIMIT)
        except OfflineError as error:
            raise self._offline(str(place)) from error
        if answer.status != 200:
            raise _refused(answer.status, place)
        content_type = answer.headers.get("content-type", "")
        return parse_page(answer.body, content_type=content_type, url=answer.url, index=str(place)).files

    def _offline(self, missing: str) -> OfflineError:
        with self._guard:
            self._missing.add(missing)
            listed = ", ".join(f"`{each}`" for each in sorted(self._missing))
        return OfflineError(
            f"the network is switched off, and the cache does not hold {listed}",
            hint="run the command once without `--offline`",
        )

    def _warn_once(self, message: str, *, hint: str) -> None:
        with self._guard:
            if message in self._warned:
                return
            self._warned.add(message)
        self._reporter.warning(message, hint=hint)


def _project_url(index: Url, name: NormalizedName) -> Url:
    """PEP 503: "All URLs which respond with an HTML5 page MUST end with a ``/``"."""
    base, mark, query = index.reveal().partition("?")
    return Url.parse(urljoin(base.rstrip("/") + "/", f"{name}/") + mark + query)


def _refused(status: int, url: Url) -> PackageIndexError:
    hint = None
    if status in {401, 403}:
        hint = "give a user and password in the address of the index, or in `~/.netrc`"
    elif status == 407:
        hint = "the proxy wants a user and password: give them in `HTTPS_PROXY`"
    return PackageIndexError(f"the index answered with status {status}", where=str(url), hint=hint)


class _Places:
    """The places of one project, looked at as they are needed, by one thread at a time."""

    def __init__(self, places: Iterator[tuple[IndexFile, ...]]) -> None:
        self._coming = places
        self._found: list[tuple[IndexFile, ...]] = []
        self._error: Exception | None = None
        self._guard = threading.Lock()

    def at(self, position: int) -> tuple[IndexFile, ...]:
        """The files of one place; empty after the last."""
        with self._guard:
            while len(self._found) <= position:
                if self._error is not None:
                    raise self._error
                try:
                    self._found.append(next(self._coming, ()))
                except Exception as error:
                    self._error = error
                    raise
            return self._found[position]
