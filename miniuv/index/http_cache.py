"""Answers kept in the cache: immutable bodies named by their content, and one small record for each address.

No lock is needed: a body is published by a rename, a record is replaced by one; who comes last wins with what is
as good. A body is checked against its name whenever it is read.
"""

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from miniuv.cache.store import Store
from miniuv.errors import OfflineError
from miniuv.index.client import Answer, HttpClient
from miniuv.models.source import Sha256
from miniuv.models.url import Url

HEURISTIC_SECONDS = 600.0
"""How long an answer without any word on caching and without a validator counts as fresh (RFC 9111, 4.2.2)."""

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

    def keep(self, body: bytes) -> Sha256:
        """Publish the bytes under their digest."""
        digest = Sha256(hashlib.sha256(body).hexdigest())
        if self._store.find("http", digest) is None:
            with self._store.staging("http") as folder:
                staged = folder / digest
                staged.write_bytes(body)
                self._store.publish(staged, "http", digest)
        return digest


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What is known of an address."""

    answer: Answer
    fetched: float
    lifetime: float
    validators: Mapping[str, str]

    def is_fresh(self, now: float) -> bool:
        """Whether it may be used unasked; a clock that went back makes it stale."""
        return 0 <= now - self.fetched < self.lifetime


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

    def get(self, url: Url, *, accept: str, limit: int) -> Answer:
        """Answer from the cache where that is allowed, else from the server; raises ``OfflineError`` at need."""
        action = f"get {accept} {url}"
        kept = self._load(action)
        if kept is not None and (self._offline or (not self._refresh and kept.is_fresh(self._clock()))):
            return kept.answer
        if self._offline:
            raise OfflineError(f"`{url}` is not in the cache, and the network is switched off")
        validators = kept.validators if kept is not None else {}
        answer = self._client.get(url, headers={"Accept": accept, **validators}, limit=limit)
        if answer.status == 304 and kept is not None:
            merged = {**kept.answer.headers, **answer.headers}
            answer = Answer(status=kept.answer.status, headers=merged, body=kept.answer.body, url=kept.answer.url)
        self._keep(action, answer)
        return answer

    def _load(self, action: str) -> _Kept | None:
        record = self._store.read_record(action)
        if record is None:
            return None
        headers, digest, status = record.get("headers"), record.get("body"), record.get("status")
        fetched, url = record.get("fetched"), record.get("url")
        if not (isinstance(headers, dict) and isinstance(digest, str) and isinstance(status, int)):
            return None
        if not (isinstance(fetched, int | float) and isinstance(url, str)):
            return None
        body = self._bodies.read(digest) if re.fullmatch(r"[0-9a-f]{64}", digest) else None
        if body is None:
            return None
        plain = {str(name): str(value) for name, value in headers.items()}
        return _Kept(
            answer=Answer(status=status, headers=plain, body=body, url=Url.parse(url)),
            fetched=fetched,
            lifetime=lifetime(plain, status),
            validators=validators(plain),
        )

    def _keep(self, action: str, answer: Answer) -> None:
        if answer.status not in {200, 404, 410} or "no-store" in answer.headers.get("cache-control", "").lower():
            return
        kept = ("cache-control", "expires", "date", "age", "etag", "last-modified", "content-type")
        self._store.write_record(
            action,
            {
                "status": answer.status,
                "headers": {name: answer.headers[name] for name in kept if name in answer.headers},
                "body": self._bodies.keep(answer.body),
                "fetched": self._clock(),
                "url": str(answer.url),
            },
        )


def validators(headers: Mapping[str, str]) -> dict[str, str]:
    """The request headers that ask whether an answer with ``headers`` still holds."""
    asked = {"If-None-Match": headers.get("etag"), "If-Modified-Since": headers.get("last-modified")}
    return {name: value for name, value in asked.items() if value}


def lifetime(headers: Mapping[str, str], status: int) -> float:
    """Seconds for which an answer is fresh from when it came (RFC 9111, 4.2.1)."""
    control = headers.get("cache-control", "").lower()
    if "no-cache" in control:
        return 0.0
    if match := _MAX_AGE.search(control):
        age = headers.get("age", "")
        return max(0.0, float(match[1]) - (float(age) if age.isdigit() else 0.0))
    if "expires" in headers:
        return _until(headers["expires"], headers.get("date", ""))
    # something that was missing may be uploaded any minute; what has a validator costs little to ask about again
    return HEURISTIC_SECONDS if status == 200 and not validators(headers) else 0.0


def _until(expires: str, date: str) -> float:
    try:
        return max(0.0, (parsedate_to_datetime(expires) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
