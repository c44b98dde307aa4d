"""The ``.metadata`` file beside a wheel (PEP 658, 714): where the index answers it, no wheel is fetched for it.

Where there is none, or none is promised of a long wheel, the metadata is read out of the wheel from afar, if its server
gives parts of files. A short one is fetched whole: it will be needed, and one request does it.
"""

import contextlib
import threading
import time
from collections.abc import Iterable

from miniuv.cache.store import Store
from miniuv.errors import CacheError, PackageIndexError
from miniuv.index.client import HttpClient
from miniuv.index.credentials import origin
from miniuv.index.digest import Digester, promised_sha256
from miniuv.index.http_cache import Bodies
from miniuv.index.local import local_path, read_local
from miniuv.index.ranges import SMALLEST, NoRangesError, read_metadata
from miniuv.index.simple import Listed
from miniuv.models.source import IndexFile, as_sha256
from miniuv.models.url import Url

_LIMIT = 16 << 20
_MISSES = 3
"""So many files without one, and not one with: the host has none."""

_ABSENT = (403, 404, 410)
_SILENT_SECONDS = 24 * 3600.0


class MetadataFiles:
    """Reads ``.metadata`` files, also of hosts that have them without saying so on the page."""

    def __init__(self, *, client: HttpClient, store: Store, bodies: Bodies, offline: bool) -> None:
        self._client = client
        self._store = store
        self._bodies = bodies
        self._offline = offline
        self._silent: dict[str, bool] = {}
        """Hosts, and whether they are known not to answer what they do not advertise."""
        self._misses: dict[str, int] = {}
        """How often a host has not answered, of those that never have."""
        self._whole: set[str] = set()
        """Hosts that give no parts of files."""
        self._asked: dict[str, int] = {}
        """How many questions a host of which nothing is known has been asked."""
        self._told: dict[str, str] = {}
        """The SHA-256 of what was read in this run, by the address of the wheel."""
        self._guard = threading.Condition()

    def learn(self, hosts: Iterable[str]) -> None:
        """Where a page advertises some of a host, those that it does not advertise are not there."""
        with self._guard:
            self._silent.update(dict.fromkeys(hosts, True))
            self._guard.notify_all()

    def read(self, file: IndexFile) -> bytes | None:
        """The metadata, checked; ``None`` where it must be read from the wheel itself."""
        if not file.is_wheel:
            return None
        if file.url.scheme == "file":
            return self._read_local(file)
        action = f"metadata {promised_sha256(file.hashes) or file.url}"
        known = self._known(file, action)
        if known is not None or self._offline:
            return known
        body = self._first_of(file)
        if body is None:
            return None
        digest = self._bodies.remember(body)
        if digest:
            self._told[str(file.url)] = digest
        if digest and promised_sha256(file.hashes):
            self._store.write_record(action, {"body": digest})
        return body

    def told(self, file: IndexFile) -> str | None:
        """The SHA-256 that the metadata inside of the wheel must have, for what stands beside it to be true.

        ``None`` where nothing beside it was promised or read.
        """
        return promised_sha256(file.metadata_hashes or {}) or self._told.get(str(file.url))

    def _first_of(self, file: IndexFile) -> bytes | None:
        """What costs least: a part of a long wheel is there more surely than what no page speaks of."""
        if file.metadata_hashes is not None:
            return self._fetch(file) or self._read_from_afar(file)
        if file.size is None:
            return self._ask_unadvertised(file) or self._read_from_afar(file)
        if file.size <= SMALLEST:
            return None
        return self._read_from_afar(file) or self._ask_unadvertised(file)

    def _known(self, file: IndexFile, action: str) -> bytes | None:
        if promised := promised_sha256(file.metadata_hashes or {}):
            return self._bodies.read(promised)
        record = self._store.read_record(action)
        digest = as_sha256(record.get("body")) if record else None
        if digest:
            self._told[str(file.url)] = digest
        return self._bodies.read(digest) if digest else None

    def _ask_unadvertised(self, file: IndexFile) -> bytes | None:
        """A few until a host has answered: then it does so for most; or given up when none of them was answered."""
        if self._was_noted(_absence(file)):
            return None
        host = origin(file.url.shown)
        is_first = False
        silent = self._is_silent(host)
        if silent is None:
            with self._guard:
                is_first = self._asked.get(host, 0) < _MISSES
                if is_first:
                    self._asked[host] = self._asked.get(host, 0) + 1
                else:
                    self._guard.wait_for(lambda: host in self._silent)
                    silent = self._silent[host]
        if not is_first:
            return None if silent else self._fetch_if_answered(file)
        body = None
        try:
            body = self._fetch_if_answered(file)
        finally:
            self._remember(host, silent=body is None)
        return body

    def _read_from_afar(self, file: IndexFile) -> bytes | None:
        host = origin(file.url.shown)
        if self._gives_no_parts(host) or file.url.scheme == "file" or (file.size is not None and file.size <= SMALLEST):
            return None
        try:
            body = read_metadata(self._client, file)
        except NoRangesError:
            self._whole.add(host)
            self._note(f"no parts of files {host}")
            return None
        return body if body is not None and _is_metadata(body) else None

    def _fetch_if_answered(self, file: IndexFile) -> bytes | None:
        with contextlib.suppress(PackageIndexError):
            return self._fetch(file)
        return None

    def _fetch(self, file: IndexFile) -> bytes | None:
        url = _metadata_url(file)
        answer = self._client.get(url, limit=_LIMIT)
        if answer.status in _ABSENT:
            self._note(_absence(file))
        if answer.status != 200 or not _is_metadata(answer.body):
            return None
        return _checked(answer.body, file, where=str(url))

    def _read_local(self, file: IndexFile) -> bytes | None:
        path = local_path(file.url)
        body = read_local(path.with_name(path.name + ".metadata"), limit=_LIMIT)
        return None if body is None else _checked(body, file, where=f"{path}.metadata")

    def _is_silent(self, host: str) -> bool | None:
        """Whether the host is known not to answer what it does not advertise; ``None``: not known."""
        if host in self._silent:
            return self._silent[host]
        return True if self._was_noted(f"no unadvertised metadata {host}") else None

    def _gives_no_parts(self, host: str) -> bool:
        if host not in self._whole and self._was_noted(f"no parts of files {host}"):
            self._whole.add(host)
        return host in self._whole

    def _was_noted(self, what: str) -> bool:
        record = self._store.read_record(what)
        since = record.get("since") if record else None
        return isinstance(since, float) and 0 <= time.time() - since < _SILENT_SECONDS

    def _note(self, what: str) -> None:
        with contextlib.suppress(CacheError):
            self._store.write_record(what, {"since": time.time()})

    def _remember(self, host: str, *, silent: bool) -> None:
        with self._guard:
            if silent:
                self._misses[host] = self._misses.get(host, 0) + 1
                if self._misses[host] < _MISSES or host in self._silent:
                    return
            self._silent[host] = silent
            self._guard.notify_all()
        if silent:
            self._note(f"no unadvertised metadata {host}")


def _is_metadata(body: bytes) -> bool:
    return body.lstrip()[:9].lower().startswith((b"metadata-", b"name:"))


def advertising_hosts(listed: Iterable[Listed]) -> frozenset[str]:
    """The hosts whose ``.metadata`` files are listed."""
    hosts = {"/".join(each.address.split("/", 3)[:3]) for each in listed if each.metadata_hashes is not None}
    return frozenset(map(origin, hosts))


def _absence(file: IndexFile) -> str:
    return f"no metadata {file.url}"


def _metadata_url(file: IndexFile) -> Url:
    base, mark, query = file.url.reveal().partition("?")
    return Url.parse(f"{base}.metadata{mark}{query}")


def _checked(body: bytes, file: IndexFile, *, where: str) -> bytes:
    if file.metadata_hashes:
        digester = Digester(file.metadata_hashes)
        digester.update(body)
        digester.check(filename=f"{file.filename}.metadata", where=where)
    return body
