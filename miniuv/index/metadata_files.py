"""The ``.metadata`` file beside a wheel (PEP 658, 714): where the index answers it, no wheel is fetched for it."""

import threading
import time

from miniuv.cache.store import Store
from miniuv.errors import PackageIndexError
from miniuv.index.client import HttpClient
from miniuv.index.credentials import origin
from miniuv.index.digest import Digester, promised_sha256
from miniuv.index.http_cache import Bodies
from miniuv.index.local import local_path, read_local
from miniuv.index.simple import Page
from miniuv.models.source import IndexFile
from miniuv.models.url import Url

_LIMIT = 16 << 20
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
        self._asking: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def learn(self, page: Page) -> None:
        """Where a page advertises some, those that it does not advertise are not there."""
        hosts = {origin(file.url.shown) for file in page.files if file.metadata_hashes is not None}
        with self._guard:
            self._silent.update(dict.fromkeys(hosts, True))

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
        body = self._fetch(file) if file.metadata_hashes is not None else self._ask_unadvertised(file)
        if body is None:
            return None
        digest = self._bodies.keep(body)
        if promised_sha256(file.hashes):
            self._store.write_record(action, {"body": digest})
        return body

    def _known(self, file: IndexFile, action: str) -> bytes | None:
        if promised := promised_sha256(file.metadata_hashes or {}):
            return self._bodies.read(promised)
        record = self._store.read_record(action)
        digest = record.get("body") if record else None
        return self._bodies.read(digest) if isinstance(digest, str) and len(digest) == 64 else None

    def _ask_unadvertised(self, file: IndexFile) -> bytes | None:
        """The first one to ask a host tells the others whether it is worth their while."""
        host = origin(file.url.shown)
        with self._guard:
            asking = self._asking.setdefault(host, threading.Lock())
        with asking:
            silent = self._is_silent(host)
            if silent is None:
                body = self._fetch_if_answered(file)
                self._remember(host, silent=body is None)
                return body
        return None if silent else self._fetch_if_answered(file)

    def _fetch_if_answered(self, file: IndexFile) -> bytes | None:
        try:
            return self._fetch(file)
        except PackageIndexError:
            return None

    def _fetch(self, file: IndexFile) -> bytes | None:
        url = _metadata_url(file)
        answer = self._client.get(url, limit=_LIMIT)
        if answer.status != 200 or not answer.body.lstrip()[:9].lower().startswith((b"metadata-", b"name:")):
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
        record = self._store.read_record(f"no unadvertised metadata {host}")
        since = record.get("since") if record else None
        return True if isinstance(since, int | float) and 0 <= time.time() - since < _SILENT_SECONDS else None

    def _remember(self, host: str, *, silent: bool) -> None:
        self._silent[host] = silent
        if silent:
            self._store.write_record(f"no unadvertised metadata {host}", {"since": time.time()})


def _metadata_url(file: IndexFile) -> Url:
    base, mark, query = file.url.reveal().partition("?")
    return Url.parse(f"{base}.metadata{mark}{query}")


def _checked(body: bytes, file: IndexFile, *, where: str) -> bytes:
    if file.metadata_hashes:
        digester = Digester(file.metadata_hashes)
        digester.update(body)
        digester.check(filename=f"{file.filename}.metadata", where=where)
    return body
