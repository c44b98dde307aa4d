"""What can be had from the indexes: files of a project, their metadata, the files themselves."""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urljoin

from packaging.utils import NormalizedName

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.errors import OfflineError, PackageIndexError
from miniuv.index.client import HttpClient
from miniuv.index.coding import PAGE_LIMIT
from miniuv.index.download import Download, Downloads
from miniuv.index.find_links import FindLinks
from miniuv.index.http_cache import Bodies, HttpCache, Looked
from miniuv.index.local import local_path, read_local
from miniuv.index.metadata_files import MetadataFiles, advertising_hosts
from miniuv.index.offer import Offer, make_offer, offer_key, read_offer
from miniuv.index.offering import ask_for_offer
from miniuv.index.select import PlainSelection, Selection, select
from miniuv.index.simple import ACCEPT, Page, parse_page
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import ArchiveSource, IndexFile
from miniuv.models.url import Url
from miniuv.reporter import Reporter
from miniuv.settings import Settings
from miniuv.stamps import stamp
from miniuv.values import dataclass
from miniuv.workers import Workers


@dataclass(frozen=True, kw_only=True, slots=True)
class Consulted:
    """Which pages were looked at, and what they were."""

    bodies: Mapping[str, str]
    """Of the network: the digest of each page by what was asked for."""
    files: tuple[str, ...]
    """Of this machine: lines of ``miniuv.stamps``."""


class PackageIndex:
    """The indexes and find-links places of the settings, behind one door. Thread-safe."""

    def __init__(
        self,
        *,
        settings: Settings,
        client: HttpClient,
        store: Store,
        jobs: JobRunner,
        reporter: Reporter,
        workers: Workers | None = None,
    ) -> None:
        """``workers`` do what ``offering`` makes."""
        self._settings = settings
        self._store = store
        self._workers = workers
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
        self._local_pages: list[str] = []

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
        place = self._place(name, position)
        if place is None:
            return ()
        page = self._whole(place)
        self._metadata.learn(advertising_hosts(page.listed))
        return (*place.linked, *page.files)

    def selection(
        self, name: NormalizedName, *, interpreter: Interpreter, no_build: bool = False, position: int = 0
    ) -> Selection:
        """What of ``files`` fits the target, and why the others do not; empty after the last place."""
        place = self._place(name, position)
        if place is None:
            return PlainSelection(versions={})
        if place.looked is not None and not place.linked:
            offer = self._offer(place, name, interpreter, no_build=no_build)
            if offer is not None:
                return offer
        return select(self.files(name, position=position), name=name, interpreter=interpreter, no_build=no_build)

    def consulted(self) -> Consulted | None:
        """What this run was told of so far; ``None`` where it may be told something else at any time."""
        bodies = dict(self._http.answers)
        linked = [self._find_links.stamps(), self._local_pages]
        if self._warned or not all(bodies.values()) or None in linked:
            return None
        return Consulted(bodies=bodies, files=tuple(line for lines in linked for line in lines or ()))

    def is_unchanged(self, bodies: Mapping[str, str]) -> bool:
        """Whether every page would be the same as in ``Consulted``, without asking anybody."""
        return all(self._http.is_unchanged(action, str(body)) for action, body in bodies.items())

    def freshness(self, action: str, body: str) -> tuple[Path, float, float] | None:
        """Where the answer is recorded, when it came, and until when it is fresh; seconds since the epoch."""
        return self._http.freshness(action, body)

    def question(self, action: str, body: str) -> tuple[str, ...] | None:
        """See ``HttpCache.question``."""
        return self._http.question(action, body, accept=ACCEPT)

    def confirm(self, action: str, body: str) -> bool:
        """Whether one page is the same as in ``Consulted``, asked of the server where it may not be answered for.

        Whoever needs the page afterwards is not made to wait for it again. Raises ``PackageIndexError``.
        """
        return self._http.confirm(action, body, accept=ACCEPT, limit=PAGE_LIMIT)

    def metadata(self, file: IndexFile) -> bytes | None:
        """The core metadata of a wheel from its ``.metadata`` file; ``None``: read it from the file itself.

        Raises ``HashMismatchError`` where it is not what the index promised.
        """
        return self._metadata.read(file)

    def metadata_digest(self, file: IndexFile) -> str | None:
        """The SHA-256 of what ``metadata`` answers, as far as it is known without reading it."""
        return self._metadata.told(file)

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

    def _place(self, name: NormalizedName, position: int) -> "_Place | None":
        with self._guard:
            is_first = not self._places
            places = self._places.setdefault(name, _Places(self._having(name)))
        if is_first:
            self._reporter.note(f"packages are looked for on {', then '.join(self.places) or 'no index'}")
        return places.at(position)

    def _having(self, name: NormalizedName) -> Iterator["_Place"]:
        linked = self._find_links.files(name)
        for index in self._indexes():
            try:
                place = self._local(index, name, linked) if index.scheme == "file" else self._page(index, name, linked)
            except OfflineError as error:
                raise self._offline(name) from error
            if place is None:
                continue
            yield place
            linked = ()
            if index.scheme != "file":
                return
        if linked:
            yield _Place(linked=linked)

    def _page(self, index: Url, name: NormalizedName, linked: tuple[IndexFile, ...]) -> "_Place | None":
        url = _project_url(index, name)
        looked = self._http.look(url, accept=ACCEPT, limit=PAGE_LIMIT)
        answer = looked.kept
        if answer.status in {404, 410}:
            return None
        if answer.status != 200:
            raise _refused(answer.status, url)

        def parse() -> Page:
            content_type = answer.headers.get("content-type", "")
            body = self._http.body(looked, limit=PAGE_LIMIT)
            return parse_page(body, content_type=content_type, url=answer.url, index=str(index))

        place = _Place(linked=linked, looked=looked, index=str(index), parse=parse)
        if looked.fetched is None and looked.kept.derived:
            return place  # it had files when the offer was worked out
        # Of the last index it makes no difference whether it has an empty page or none, so that need not be known yet.
        return place if index == self._indexes()[-1] or place.page.count else None

    def _offer(
        self, place: "_Place", name: NormalizedName, interpreter: Interpreter, *, no_build: bool
    ) -> Offer | None:
        """What a page of the network offers, from the cache where it was worked out before."""
        looked = place.looked
        assert looked is not None
        where = f"{name} {place.index} {looked.kept.url} {looked.kept.headers.get('content-type', '')}"
        key = offer_key(interpreter, no_build=no_build, where=where)
        data = self._http.derived(looked, key)
        is_new = data is None
        if data is None:
            data = self._made_elsewhere(looked, name, place.index, no_build=no_build) or make_offer(
                place.page, name=name, interpreter=interpreter, no_build=no_build
            )
        offer = read_offer(
            data,
            name=name,
            interpreter=interpreter,
            no_build=no_build,
            index=place.index,
            page=lambda: self._whole(place),
        )
        if offer is not None:
            self._metadata.learn(offer.advertising)
            if is_new and not offer.is_empty:
                self._http.derive(looked, key, data)
        return offer

    def _made_elsewhere(self, looked: Looked, name: NormalizedName, index: str, *, no_build: bool) -> bytes | None:
        if self._workers is None:
            return None
        return ask_for_offer(
            looked, workers=self._workers, store=self._store, name=name, index=index, no_build=no_build
        )

    def _whole(self, place: "_Place") -> Page:
        """The whole page, with a note on each link that breaks a rule."""
        if not place.is_noted:
            place.is_noted = True
            for rejection in place.page.skipped:
                self._reporter.note(f"skipped on {place.index}: {rejection}")
        return place.page

    def _local(self, index: Url, name: NormalizedName, linked: tuple[IndexFile, ...]) -> "_Place | None":
        root = local_path(index)
        self._local_pages += [stamp(str(root)), stamp(str(root / name / "index.html"))]
        data = read_local(root / name / "index.html", limit=PAGE_LIMIT)
        if data is None:
            if not root.is_dir():
                self._warn_once(
                    f"the index folder `{root}` does not exist, and is skipped",
                    hint="it is named by `--index-url`, `--extra-index-url` or a configuration file of pip or uv",
                )
            return None
        page = parse_page(data, content_type="text/html", url=_project_url(index, name), index=str(index))
        return _Place(linked=linked, index=str(index), parse=lambda: page) if page.count else None

    def _linked(self, place: Url) -> tuple[IndexFile, ...]:
        """The links of a find-links page."""
        if place.scheme == "file":
            data = read_local(local_path(place), limit=PAGE_LIMIT) or b""
            return parse_page(data, content_type="text/html", url=place, index=str(place)).files
        try:
            answer = self._http.get(place, accept=ACCEPT, limit=PAGE_LIMIT)
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


class _Place:
    """The files of one project at one place; its page is parsed when somebody asks what an offer does not tell."""

    def __init__(
        self,
        *,
        linked: tuple[IndexFile, ...],
        looked: Looked | None = None,
        index: str = "",
        parse: Callable[[], Page] = lambda: Page((), (), index="", base="", url=Url.parse("file:///")),
    ) -> None:
        self.linked = linked
        self.looked = looked
        self.index = index
        self.is_noted = False
        """Whether its bad links were told of."""
        self._parse = parse
        self._page: Page | None = None
        self._guard = threading.Lock()

    @property
    def page(self) -> Page:
        """The page of the index; empty where only find-links have the project."""
        with self._guard:
            if self._page is None:
                self._page = self._parse()
            return self._page


class _Places:
    """The places of one project, looked at as they are needed, by one thread at a time."""

    def __init__(self, places: Iterator[_Place]) -> None:
        self._coming = places
        self._found: list[_Place | None] = []
        self._error: Exception | None = None
        self._guard = threading.Lock()

    def at(self, position: int) -> _Place | None:
        """One place; ``None`` after the last."""
        with self._guard:
            while len(self._found) <= position:
                if self._error is not None:
                    raise self._error
                try:
                    self._found.append(next(self._coming, None))
                except Exception as error:
                    self._error = error
                    raise
            return self._found[position]
