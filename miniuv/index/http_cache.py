"""Answers kept in the cache: immutable bodies named by their content, and one small record for each address.

No lock is needed: a body is published by a rename, a record is replaced by one; who comes last wins with what is
as good. A body is checked against its name whenever it is read.
"""

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from miniuv.cache.store import Store
from miniuv.cache.trouble import is_out_of_space
from miniuv.errors import CacheError, OfflineError, RequirementError
from miniuv.index.client import Answer, HttpClient, header_number
from miniuv.models.source import Sha256, as_sha256
from miniuv.models.url import HIDDEN, Url
from miniuv.values import dataclass, field, replace

HEURISTIC_SECONDS = 600.0
"""How long an answer without any word on caching and without a validator counts as fresh (RFC 9111, 4.2.2)."""

_HEADERS_KEPT = ("cache-control", "expires", "date", "age", "etag", "last-modified", "content-type")
_KEPT_STATUS = (200, 404, 410)
_DERIVED_KEPT = 8
"""How many things made from one body are remembered: one for each target."""

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE)


class Bodies:
    """Byte strings in the cache, by their SHA-256."""

    def __init__(self, *, store: Store) -> None:
        self._store = store

    def read(self, digest: str) -> bytes | None:
        """The bytes, or ``None`` where they are missing or are no longer what they were."""
        found = self._store.find("http", digest)
        if found is None:
            return None
        try:
            body = found.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(body).hexdigest() == digest:
            return body
        self._store.discard("http", digest)
        return None

    def has(self, digest: str) -> bool:
        """Whether the bytes are there; they stay for this run."""
        return self._store.find("http", digest) is not None

    def keep(self, body: bytes) -> Sha256:
        """Publish the bytes under their digest."""
        digest = Sha256(hashlib.sha256(body).hexdigest())
        if self._store.find("http", digest) is None:
            self._store.publish_bytes(body, "http", digest)
        return digest

    def remember(self, body: bytes) -> Sha256 | None:
        """As ``keep``, for what can be asked for again: ``None`` where the disk is full."""
        try:
            return self.keep(body)
        except CacheError as error:
            if is_out_of_space(error):
                return None
            raise


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What is known of an address; its body stays where it is until somebody reads it."""

    action: str
    url: Url
    """Of the answer, behind every redirect."""
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: str
    """The name of the body among ``Bodies``."""
    fetched: float
    derived: Mapping[str, str] = field(default_factory=dict)
    """Names of what was made from this body and kept, by what it is."""

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used unasked; a clock that went back makes it stale."""
        return 0 <= now - self.fetched < lifetime(self.headers, self.status)


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """An answer, as far as it had to be read."""

    kept: Kept
    fetched: bytes | None = None
    """The body, where it came this moment."""


class HttpCache:
    """``GET`` through the cache, by ``Cache-Control``, ``ETag`` and ``Last-Modified``."""

    def __init__(
        self,
        *,
        client: HttpClient,
        store: Store,
        bodies: Bodies,
        offline: bool,
        refresh: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._store = store
        self._bodies = bodies
        self._offline = offline
        self._refresh = refresh
        self._clock = clock
        self._began = clock()
        self.answers: dict[str, str] = {}
        """What this run was told: the name of the body by action; empty where it was not kept."""
        self._confirmed: dict[str, Looked] = {}
        """Answers that nobody has looked at yet."""

    def get(self, url: Url, *, accept: str, limit: int) -> Answer:
        """Answer from the cache where that is allowed, else from the server; raises ``OfflineError`` at need."""
        looked = self.look(url, accept=accept, limit=limit)
        kept = looked.kept
        return Answer(status=kept.status, headers=kept.headers, body=self.body(looked, limit=limit), url=kept.url)

    def look(self, url: Url, *, accept: str, limit: int) -> Looked:
        """As ``get``, without reading a body that is in the cache."""
        action = f"get {accept} {url}"
        looked = self._confirmed.pop(action, None) or self._look(action, url, accept=accept, limit=limit)
        self.answers[action] = looked.kept.body
        return looked

    def is_unchanged(self, action: str, body: str) -> bool:
        """Whether ``look`` would answer with this very body, and ask nobody."""
        kept = None if self._offline or self._refresh else self._load(action)
        return kept is not None and kept.body == body and kept.is_fresh(self._clock())

    def freshness(self, action: str, body: str) -> tuple[Path, float, float] | None:
        """The record of an answer with ``body``, when it came, and until when it is fresh.

        ``None`` where another answer is kept, or none.
        """
        kept = self._load(action)
        if kept is None or kept.body != body:
            return None
        end = kept.fetched + lifetime(kept.headers, kept.status)
        return self._store.record_path(action), kept.fetched, end

    def question(self, action: str, body: str, *, accept: str) -> tuple[str, ...] | None:
        """How to ask whether an answer still has ``body``, see ``asking``; its first three where that does not do.

        ``None`` where another answer is kept, or none.
        """
        kept = self._load(action)
        if kept is None or kept.body != body:
            return None
        address = action.removeprefix(f"get {accept} ")
        told = accept, address, kept.body
        if str(kept.url) != address or HIDDEN in address or (way := self._client.way(kept.url)) is None:
            return told
        asked = validators(kept.headers)
        return *told, asked.get("If-None-Match", ""), asked.get("If-Modified-Since", ""), *way

    def confirm(self, action: str, body: str, *, accept: str, limit: int) -> bool:
        """Whether ``look`` answers with this very body, which is asked now; whoever looks then is told the same.

        Another run may have asked since ours began: what it was told then is believed.
        """
        kept = self._load(action)
        address = action.removeprefix(f"get {accept} ")
        if kept is None or kept.body != body or address == action or HIDDEN in address:
            return False
        is_told = self._began <= kept.fetched <= self._clock()
        looked = Looked(kept=kept) if is_told else self._look(action, Url.parse(address), accept=accept, limit=limit)
        self._confirmed[action] = looked
        return looked.kept.body == body

    def _look(self, action: str, url: Url, *, accept: str, limit: int) -> Looked:
        kept = self._load(action)
        if kept is not None and (self._offline or (not self._refresh and kept.is_fresh(self._clock()))):
            return Looked(kept=kept)
        if self._offline:
            raise OfflineError(f"`{url}` is not in the cache, and the network is switched off")
        asked = validators(kept.headers) if kept is not None else {}
        answer = self._client.get(url, headers={"Accept": accept, **asked}, limit=limit)
        if answer.status == 304 and kept is not None:
            # what it is about did not change, so neither did its kind, whatever a server says here
            news = {name: value for name, value in answer.headers.items() if name != "content-type"}
            kept = replace(kept, headers={**kept.headers, **news}, fetched=self._clock())
            self._write(kept)
            return Looked(kept=kept)
        return self._keep(action, answer, kept)

    def body(self, looked: Looked, *, limit: int) -> bytes:
        """The body of an answer; one that was damaged in the cache is fetched anew."""
        if looked.fetched is not None:
            return looked.fetched
        kept = looked.kept
        if (body := self._bodies.read(kept.body)) is not None:
            return body
        if self._offline:
            raise OfflineError(f"`{kept.url}` is damaged in the cache, and the network is switched off")
        accept = kept.action.split(" ", 1)[1].removesuffix(f" {kept.url}")
        answer = self._client.get(kept.url, headers={"Accept": accept}, limit=limit)
        self._keep(kept.action, answer, None)
        return answer.body

    def derived(self, looked: Looked, what: str) -> bytes | None:
        """What was made from this very body and kept as ``what``; ``None`` where there is no such thing."""
        name = looked.kept.derived.get(what)
        return self._bodies.read(name) if name is not None else None

    def derive(self, looked: Looked, what: str, data: bytes) -> None:
        """Keep ``data``, made from the body of ``looked``; that it cannot be kept is no reason to fail."""
        with contextlib.suppress(CacheError):
            others = list(looked.kept.derived.items())[-_DERIVED_KEPT + 1 :]
            self._write(replace(looked.kept, derived={**dict(others), what: self._bodies.keep(data)}))

    def _load(self, action: str) -> Kept | None:
        record = self._store.read_record(action)
        if record is None:
            return None
        headers, digest, status = recorded_headers(record), as_sha256(record.get("body")), record.get("status")
        fetched, url, derived = record.get("fetched"), record.get("url"), record.get("derived", {})
        if headers is None or not (isinstance(status, int) and status in _KEPT_STATUS):
            return None
        if not (isinstance(fetched, float) and isinstance(url, str) and isinstance(derived, dict)):
            return None
        try:
            address = Url.parse(url)
        except RequirementError:
            return None
        if digest is None or not self._bodies.has(digest):
            return None
        return Kept(
            action=action,
            url=address,
            status=status,
            headers=headers,
            body=digest,
            fetched=fetched,
            derived={what: sha256 for what, name in derived.items() if (sha256 := as_sha256(name))},
        )

    def _keep(self, action: str, answer: Answer, before: Kept | None) -> Looked:
        headers = {name: answer.headers[name] for name in _HEADERS_KEPT if name in answer.headers}
        kept = Kept(
            action=action, url=answer.url, status=answer.status, headers=headers, body="", fetched=self._clock()
        )
        if answer.status in _KEPT_STATUS and "no-store" not in headers.get("cache-control", "").lower():
            kept = replace(kept, body=self._bodies.keep(answer.body))
            if before is not None and before.body == kept.body:
                kept = replace(kept, derived=before.derived)
            self._write(kept)
        return Looked(kept=kept, fetched=answer.body)

    def _write(self, kept: Kept) -> None:
        if not kept.body:
            return
        self._store.write_record(
            kept.action,
            {
                "status": kept.status,
                "headers": {name: kept.headers[name] for name in _HEADERS_KEPT if name in kept.headers},
                "body": kept.body,
                "fetched": kept.fetched,
                "url": str(kept.url),
                "derived": dict(kept.derived),
            },
        )


def recorded_headers(record: Mapping[str, object]) -> dict[str, str] | None:
    """The headers of an answer as a record has them; ``None`` where it has none."""
    headers = record.get("headers")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        return None
    return headers


def validators(headers: Mapping[str, str]) -> dict[str, str]:
    """The request headers that ask whether an answer with ``headers`` still holds."""
    asked = {"If-None-Match": headers.get("etag"), "If-Modified-Since": headers.get("last-modified")}
    return {name: value for name, value in asked.items() if value and value.isascii() and value.isprintable()}


def lifetime(headers: Mapping[str, str], status: int) -> float:
    """Seconds for which an answer is fresh from when it came (RFC 9111, 4.2.1)."""
    control = headers.get("cache-control", "").lower()
    if "no-cache" in control:
        return 0.0
    if match := _MAX_AGE.search(control):
        return max(0.0, float(match[1]) - (header_number(headers.get("age", "")) or 0))
    if "expires" in headers:
        return _until(headers["expires"], headers.get("date", ""))
    # something that was missing may be uploaded any minute; what has a validator costs little to ask about again
    return HEURISTIC_SECONDS if status == 200 and not validators(headers) else 0.0


def _until(expires: str, date: str) -> float:
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(expires) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
