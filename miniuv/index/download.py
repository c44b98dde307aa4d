"""Archives into the cache: each once, checked while it streams by, published whole or not at all."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.cache.trouble import cache_trouble
from miniuv.errors import HashMismatchError, OfflineError, PackageIndexError
from miniuv.index.client import HttpClient, header_number
from miniuv.index.coding import TransferError
from miniuv.index.digest import Digester, promised_sha256, strong_promise
from miniuv.index.http_cache import lifetime, recorded_headers, validators
from miniuv.index.local import local_path
from miniuv.models.source import ArchiveSource, IndexFile, Sha256, as_sha256
from miniuv.models.url import Url
from miniuv.reporter import Activity, Reporter, activity
from miniuv.values import dataclass

if TYPE_CHECKING:
    import httpx

_CHUNK = 1 << 18
_PROGRESS_SECONDS = 0.2
_RACY_NS = 2_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """One archive in the cache."""

    path: Path
    """A cache blob: it has no suffix, and nobody may change it."""
    sha256: Sha256
    filename: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What is to be there in the end."""

    filename: str
    url: Url
    hashes: Mapping[str, str]
    size: int | None

    @property
    def action(self) -> str:
        """The key of the record for archives whose SHA-256 nobody promised."""
        promised = ",".join(f"{name}:{digest}" for name, digest in sorted(self.hashes.items()))
        return f"download {self.url} {promised}"


class Downloads:
    """Fetches archives, by http or from this machine's disk."""

    def __init__(
        self,
        *,
        client: HttpClient,
        store: Store,
        jobs: JobRunner,
        reporter: Reporter,
        offline: bool,
        refresh: bool,
    ) -> None:
        self._client = client
        self._store = store
        self._jobs = jobs
        self._reporter = reporter
        self._offline = offline
        self._refresh = refresh
        self._asked: dict[str, Download] = {}
        """What was made sure of in this run, by action."""

    def obtain(self, archive: IndexFile | ArchiveSource) -> Download:
        """Make sure that the archive is in the cache.

        Raises ``HashMismatchError``, ``OfflineError``, ``PackageIndexError`` and ``CacheError``.
        """
        wanted = _Wanted(
            filename=archive.filename,
            url=archive.url,
            hashes=archive.hashes,
            size=archive.size if isinstance(archive, IndexFile) else None,
        )
        return self._jobs.obtain(
            Job(
                kind="download",
                subject=promised_sha256(wanted.hashes) or wanted.action,
                title=wanted.filename,
                permit="download",
                lookup=lambda: self._find(wanted),
                run=lambda: self._fetch(wanted),
            )
        )

    def _find(self, wanted: _Wanted) -> Download | None:
        if digest := promised_sha256(wanted.hashes):
            return self._blob(digest, wanted)
        if (known := self._asked.get(wanted.action)) and self._store.holds(known.path):
            return known
        record = self._store.read_record(wanted.action)
        if record is None or not self._holds(record, wanted):
            return None
        return self._blob(record.get("sha256"), wanted)

    def _holds(self, record: Mapping[str, object], wanted: _Wanted) -> bool:
        """Whether the record says what lies behind the address today, without asking."""
        if strong_promise(wanted.hashes):
            return True
        if wanted.url.scheme == "file":
            return record.get("stat") == _stat(local_path(wanted.url))
        if self._offline:
            return True
        headers, fetched = recorded_headers(record), record.get("fetched")
        if self._refresh or headers is None or not isinstance(fetched, float):
            return False
        return 0 <= time.time() - fetched < lifetime(headers, 200)

    def _blob(self, digest: object, wanted: _Wanted) -> Download | None:
        sha256 = as_sha256(digest)
        path = self._store.find("blobs", sha256) if sha256 else None
        return Download(path=path, sha256=sha256, filename=wanted.filename) if sha256 and path else None

    def _fetch(self, wanted: _Wanted) -> Download:
        local = wanted.url.scheme == "file"
        if not local and wanted.url.scheme not in {"http", "https"}:
            raise PackageIndexError(f"the scheme `{wanted.url.scheme}` is not known", where=str(wanted.url))
        if self._offline and not local:
            raise OfflineError(
                f"`{wanted.filename}` is not in the cache, and the network is switched off",
                where=str(wanted.url),
                hint="run the command once without `--offline`",
            )
        with activity(self._reporter, "download", wanted.filename) as told, self._store.staging("download") as folder:
            staged = folder / "archive"
            done = self._copy(wanted, staged) if local else self._stream(wanted, staged, told)
            self._asked[wanted.action] = done
            return done

    def _copy(self, wanted: _Wanted, staged: Path) -> Download:
        source = local_path(wanted.url)
        digester = Digester(wanted.hashes)
        if source.exists() and not source.is_file():
            raise PackageIndexError("it is no file", where=str(source))  # a pipe would never end
        before = _stat(source)
        try:
            size, doing = source.stat().st_size, f"copy `{wanted.filename}`"
            with source.open("rb") as stream, cache_trouble(staged, doing, needed=size), staged.open("wb") as copy:
                while chunk := stream.read(_CHUNK):
                    digester.update(chunk)
                    copy.write(chunk)
        except OSError as error:
            raise PackageIndexError(
                f"it cannot be read: {(error.strerror or str(error)).lower()}", where=str(source)
            ) from error
        digest = digester.check(filename=wanted.filename, where=str(source))
        if not strong_promise(wanted.hashes) and before == _stat(source) and not _is_racy(before):
            self._store.write_record(wanted.action, {"sha256": digest, "stat": before})
        return self._published(staged, digest, wanted)

    def _stream(self, wanted: _Wanted, staged: Path, told: Activity) -> Download:
        try:
            return self._transfer(wanted, staged, told, {})
        except HashMismatchError:
            # a proxy on the way may hold something stale or broken: once more, past every cache
            self._reporter.note(f"{wanted.filename} has a wrong hash; fetching it again past every cache")
            return self._transfer(wanted, staged, told, {"Cache-Control": "no-cache", "Pragma": "no-cache"})

    def _transfer(self, wanted: _Wanted, staged: Path, told: Activity, extra: Mapping[str, str]) -> Download:
        record = None if promised_sha256(wanted.hashes) else self._store.read_record(wanted.action)
        kept = self._blob(record.get("sha256"), wanted) if record else None
        headers = recorded_headers(record) if record else None
        asked = validators(headers) if kept and headers else {}

        def consume(response: "httpx.Response") -> Download:
            if response.status_code == 304 and kept is not None:
                self._remember(wanted, kept.sha256, response, fallback=headers or {})
                return kept
            if response.status_code != 200:
                raise _refused(response.status_code, wanted)
            digest = self._receive(response, wanted, staged, told)
            self._remember(wanted, digest, response)
            return self._published(staged, digest, wanted)

        # `identity`: the hash is of the file, not of what a server makes of it on the way
        return self._client.stream(
            wanted.url, headers={"Accept-Encoding": "identity", **asked, **extra}, consume=consume
        )

    def _receive(self, response: "httpx.Response", wanted: _Wanted, staged: Path, told: Activity) -> Sha256:
        digester = Digester(wanted.hashes)
        length = header_number(response.headers.get("content-length", ""))
        expected = length if wanted.size is None else wanted.size
        received, heard = 0, time.monotonic()
        doing = f"download `{wanted.filename}`"
        with cache_trouble(staged, doing, needed=expected), staged.open("wb") as file:
            for chunk in response.iter_raw():
                received += len(chunk)
                if wanted.size is not None and received > wanted.size:
                    raise TransferError(
                        f"`{wanted.filename}` is longer than the {wanted.size} bytes that were promised"
                    )
                digester.update(chunk)
                file.write(chunk)
                if (now := time.monotonic()) - heard > _PROGRESS_SECONDS:
                    heard = now
                    self._reporter.progress(told, _amount(received, expected))
        if expected is not None and received < expected:
            raise TransferError(f"`{wanted.filename}` broke off after {received} of {expected} bytes")
        return digester.check(filename=wanted.filename, where=str(wanted.url))

    def _remember(
        self, wanted: _Wanted, digest: Sha256, response: "httpx.Response", *, fallback: Mapping[str, str] | None = None
    ) -> None:
        if promised_sha256(wanted.hashes):
            return
        names = ("cache-control", "expires", "date", "age", "etag", "last-modified")
        headers = dict(fallback or {})
        headers |= {name: response.headers[name] for name in names if name in response.headers}
        self._store.write_record(wanted.action, {"sha256": digest, "headers": headers, "fetched": time.time()})

    def _published(self, staged: Path, digest: Sha256, wanted: _Wanted) -> Download:
        path = self._store.publish(staged, "blobs", digest)
        return Download(path=path, sha256=digest, filename=wanted.filename)


def _refused(status: int, wanted: _Wanted) -> PackageIndexError:
    hint = None
    if status in {401, 403, 407}:
        hint = "give a user and password in the address of the index, or in `~/.netrc`"
    elif status in {404, 410}:
        hint = "check the address; for a file of an index, try `--refresh`"
    return PackageIndexError(
        f"`{wanted.filename}` cannot be fetched: status {status}", where=str(wanted.url), hint=hint
    )


def _stat(path: Path) -> list[int] | None:
    """Size and time of a file, as they stand in a record."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _is_racy(stat: list[int] | None) -> bool:
    """Whether a change of the same size in the same tick could go unnoticed."""
    return stat is None or time.time_ns() - stat[1] < _RACY_NS


def _amount(received: int, expected: int | None) -> str:
    megabytes = f"{received / 1e6:.1f}"
    return f"{megabytes} of {expected / 1e6:.1f} MB" if expected else f"{megabytes} MB"
