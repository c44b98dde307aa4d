"""HTTP as an installer needs it: retries, redirects, credentials, certificates; over httpx."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from miniuv.errors import Interrupted, PackageIndexError, RequirementError, SettingsError
from miniuv.index.coding import ACCEPTED, TransferError, decoded
from miniuv.index.credentials import Credentials, origin
from miniuv.models.url import Url, redact
from miniuv.reporter import Reporter
from miniuv.settings import Settings
from miniuv.values import dataclass

if TYPE_CHECKING:
    import ssl

    import httpx
    from httpx_retries import Retry

T = TypeVar("T")

_MAX_REDIRECTS = 10
BACKOFF_SECONDS = 0.3
"""Before the first new try; doubled for each further one."""
_MAX_PAUSE = 20.0
_RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    url: Url
    """Behind every redirect."""


class HttpClient:
    """Shared by every thread; opens nothing before the first request. The one who made it closes it."""

    def __init__(self, settings: Settings, *, environ: Mapping[str, str], reporter: Reporter | None = None) -> None:
        self._settings = settings
        self._reporter = reporter or Reporter()
        self._credentials = Credentials(_addresses(settings), environ=environ)
        self._clients: dict[bool, httpx.Client] = {}
        self._guard = threading.Lock()
        self._closed = threading.Event()

    def get(self, url: Url, *, headers: Mapping[str, str] | None = None, limit: int) -> Answer:
        """Fetch one whole answer of at most ``limit`` bytes; a status of 500 and more is an error.

        Raises ``PackageIndexError``.
        """

        def whole(response: "httpx.Response") -> Answer:
            body = bytearray()
            for chunk in decoded(response.iter_raw(), response.headers.get("content-encoding", "")):
                body += chunk
                if len(body) > limit:
                    raise PackageIndexError(f"the answer is longer than {limit >> 20} MiB", where=str(url))
            address = str(response.url)
            answered = url if address == url.shown else Url.parse(str(response.url.copy_with(userinfo=b"")))
            return Answer(status=response.status_code, headers=_plain(response), body=bytes(body), url=answered)

        return self.stream(url, headers=headers or {}, consume=whole)

    def stream(self, url: Url, *, headers: Mapping[str, str], consume: "Callable[[httpx.Response], T]") -> T:
        """Give the open answer to ``consume``, again from the start after every failure that may pass.

        ``consume`` sees answers below 500; it may raise ``TransferError`` to ask for another try.
        Raises ``PackageIndexError``.
        """
        import httpx

        retry: Retry | None = None  # most answers are good ones, which need none
        while True:
            pause: str | None = None
            try:
                with self._opened(url, headers) as response:
                    if response.status_code not in _RETRIED_STATUS:
                        return consume(response)
                    pause = response.headers.get("retry-after")
                    problem: Exception = TransferError(f"answered with status {response.status_code}")
            except (httpx.HTTPError, httpx.InvalidURL, TransferError) as error:
                problem = error
            except RuntimeError as error:
                # httpx says so when another thread has closed the client
                if self._closed.is_set():
                    raise Interrupted("interrupted") from error
                raise
            retry = retry or _retry(self._settings.retries)
            if retry.is_exhausted() or not _may_pass(problem, retry):
                raise self._explained(problem, url) from problem
            self._reporter.note(f"trying {url} again: {_text(problem)}")
            retry = retry.increment()
            self._sleep(retry, pause)

    def way(self, url: Url) -> tuple[str, str] | None:
        """How to ask for ``url`` without this, see ``asking``; ``None`` where proxies or credentials are in the way."""
        import httpx

        address = url.reveal()
        if self._has_proxy() or self._credentials.find(address) or self._trusts(httpx.URL(address)):
            return None
        return str(self._settings.timeout), str(self._settings.cert or "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and wake whoever pauses between two tries."""
        self._closed.set()
        with self._guard:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    @contextmanager
    def _opened(self, url: Url, headers: Mapping[str, str]) -> "Iterator[httpx.Response]":
        """Follow redirects by rules of ours: httpx would go on from https to http."""
        import httpx

        target = httpx.URL(url.reveal())
        for _ in range(_MAX_REDIRECTS + 1):
            client = self._client(insecure=self._trusts(target))
            # by each hop anew, so that credentials never follow to another host
            auth = self._credentials.find(str(target))
            merged = client.headers.copy()
            merged.update(headers)
            request = httpx.Request(
                "GET",
                target,
                headers=merged,
                extensions={"timeout": client.timeout.as_dict()},
            )
            response = client.send(
                request,
                stream=True,
                follow_redirects=False,
                auth=httpx.BasicAuth(*auth) if auth else None,
            )
            try:
                location = response.headers.get("location")
                if response.status_code not in _REDIRECTS or location is None:
                    yield response
                    return
                target = self._next_hop(target, location, url)
            finally:
                response.close()
        raise PackageIndexError(f"more than {_MAX_REDIRECTS} redirects", where=str(url))

    def _next_hop(self, target: "httpx.URL", location: str, url: Url) -> "httpx.URL":
        import httpx

        try:
            following = target.join(location)
            Url.parse(str(following))
        except (httpx.InvalidURL, RequirementError) as error:
            raise PackageIndexError(
                f"a redirect to what is no address is not followed: {_text(error)}", where=str(url)
            ) from error
        if following.scheme not in {"http", "https"}:
            raise PackageIndexError(f"a redirect to the scheme `{following.scheme}` is not followed", where=str(url))
        if target.scheme == "https" and following.scheme == "http" and not self._trusts(following):
            raise PackageIndexError(
                f"a redirect from https to plain http is not followed: `{following.host}`",
                where=str(url),
                hint=f"if that is meant, say `--trusted-host {following.host}`",
            )
        return following

    def _client(self, *, insecure: bool) -> "httpx.Client":
        import httpx

        from miniuv.index.dial import LONGEST_DIAL, USER_AGENT
        from miniuv.index.transport import LeanTransport

        with self._guard:
            if self._closed.is_set():
                raise Interrupted("interrupted")
            if (client := self._clients.get(insecure)) is None:
                timeout = self._settings.timeout
                connections = self._settings.concurrent_downloads + self._settings.concurrent_fetches
                context = _ssl_context(self._settings.cert, insecure=insecure)
                connect = min(timeout, LONGEST_DIAL)
                lean = None
                if not self._has_proxy():
                    lean = LeanTransport(context, connect_timeout=connect, timeout=timeout, limit=connections)
                try:
                    client = httpx.Client(
                        transport=lean,
                        verify=context,
                        proxy=self._settings.proxy.reveal() if self._settings.proxy else None,
                        timeout=httpx.Timeout(timeout, connect=connect, pool=None),
                        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
                        headers={"User-Agent": USER_AGENT, "Accept-Encoding": ACCEPTED},
                    )
                except (ImportError, ValueError) as error:
                    raise SettingsError(
                        f"the proxy cannot be used: {redact(str(error))}", hint="check `HTTPS_PROXY` and `ALL_PROXY`"
                    ) from error
                self._clients[insecure] = client
            return client

    def _has_proxy(self) -> bool:
        from miniuv.index.transport import proxies_of_environment

        return self._settings.proxy is not None or bool(proxies_of_environment())

    def _trusts(self, url: "httpx.URL") -> bool:
        return bool({url.host, f"{url.host}:{url.port or ''}"} & set(self._settings.trusted_hosts))

    def _sleep(self, retry: "Retry", retry_after: str | None) -> None:
        seconds = retry.backoff_strategy()
        if retry_after:
            with suppress(ValueError, OverflowError):
                seconds = max(seconds, retry.parse_retry_after(retry_after))
        if self._closed.wait(min(seconds, _MAX_PAUSE)):
            raise Interrupted("interrupted")

    def _explained(self, problem: Exception, url: Url) -> PackageIndexError:
        """Turn httpx's words into ours, with a hint."""
        import ssl

        import httpx

        host = origin(url.shown)
        causes = list(_causes(problem))
        if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
            return PackageIndexError(
                f"the certificate of `{host}` is not trusted: {_text(causes[-1])}",
                where=str(url),
                hint="name your certificates by `--cert FILE` or `SSL_CERT_FILE`",
            )
        if isinstance(problem, httpx.TimeoutException):
            return PackageIndexError(
                f"`{host}` did not answer within {self._settings.timeout:g} s",
                where=str(url),
                hint="check the network and the proxy, or give it more time by `MINIUV_TIMEOUT`",
            )
        if isinstance(problem, httpx.ConnectError | httpx.ProxyError):
            return PackageIndexError(
                f"`{host}` cannot be reached: {_text(problem)}",
                where=str(url),
                hint="check the network, the proxy (`HTTPS_PROXY`) and the address of the index",
            )
        return PackageIndexError(_text(problem), where=str(url))


def _retry(times: int) -> "Retry":
    import httpx
    from httpx_retries import Retry

    return Retry(
        total=times,
        backoff_factor=BACKOFF_SECONDS,
        backoff_jitter=0.5,
        status_forcelist=_RETRIED_STATUS,
        retry_on_exceptions=[*Retry.RETRYABLE_EXCEPTIONS, httpx.DecodingError, httpx.ProxyError],
    )


def _ssl_context(cert: Path | None, *, insecure: bool) -> "ssl.SSLContext":
    import ssl

    from miniuv.index.certificates import certificates

    if not insecure:
        return certificates(str(cert) if cert is not None else None)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _addresses(settings: Settings) -> list[Url]:
    index = [settings.configured_index_url] if settings.configured_index_url else []
    return [*settings.extra_index_urls, *index, *settings.find_links]


def header_number(text: str) -> int | None:
    """The number that a header holds; ``None`` where it is none, or one beyond every measure."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _plain(response: "httpx.Response") -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _text(error: BaseException) -> str:
    return redact(" ".join(str(error).split())) or type(error).__name__


def _may_pass(problem: Exception, retry: "Retry") -> bool:
    import ssl

    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(problem)):
        return False
    return isinstance(problem, TransferError) or retry.is_retryable_exception(problem)
