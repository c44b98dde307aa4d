"""A transport for httpx that costs little: HTTP/1.1 by the standard library, over connections that are kept.

httpx stays what the rest of the program speaks to: addresses, headers, content coding and errors are its own. Where
a proxy is in the way, its own transport is used instead.
"""

import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import httpx

from miniuv.index.dial import DEFAULT_PORTS, Dialler, Place

_CHUNK = 1 << 16


def proxies_of_environment() -> Mapping[str, str]:
    """The proxies that httpx would find, by scheme."""
    found = urllib.request.getproxies()
    return {scheme: found[scheme] for scheme in ("http", "https", "all") if found.get(scheme)}


class LeanTransport(httpx.BaseTransport):
    """Connections of one client, each used by one thread at a time. Thread-safe."""

    def __init__(self, context: ssl.SSLContext, *, connect_timeout: float, timeout: float, limit: int) -> None:
        """At most ``limit`` connections are open at once, whoever waits for more. Times are in seconds."""
        self._dialler = Dialler(context, connect_timeout=connect_timeout, timeout=timeout)
        self._free = threading.BoundedSemaphore(limit)
        self._guard = threading.Lock()
        self._idle: dict[Place, list[http.client.HTTPConnection]] = {}
        self._busy: set[http.client.HTTPConnection] = set()
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        url = request.url
        if url.scheme not in DEFAULT_PORTS or not url.host:
            raise httpx.UnsupportedProtocol(f"`{url}` cannot be asked for", request=request)
        place = url.scheme, url.raw_host.decode("ascii"), url.port or DEFAULT_PORTS[url.scheme]
        self._free.acquire()
        try:
            connection, answer = self._ask(request, place)
        except BaseException:
            self._free.release()
            raise
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.getheaders()]
        body = _Body(self, place, connection, answer, request)
        return httpx.Response(
            answer.status, headers=headers, stream=body, extensions={"http_version": b"HTTP/1.1"}, request=request
        )

    def give_back(self, place: Place, connection: http.client.HTTPConnection, *, reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        with self._guard:
            self._busy.discard(connection)
            kept = reusable and not self._closed and connection.sock is not None
            if kept:
                self._idle.setdefault(place, []).append(connection)
        if not kept:
            connection.close()
        self._free.release()

    def close(self) -> None:
        """Close every connection; who is reading from one gets an error."""
        with self._guard:
            self._closed = True
            idle = [connection for kept in self._idle.values() for connection in kept]
            self._idle.clear()
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            # closing what another thread reads from would not wake it
            with suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _ask(self, request: httpx.Request, place: Place) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send ``request`` and read the head of the answer."""
        if (connection := self._kept(place)) is not None:
            try:
                return connection, self._exchange(request, connection)
            except (httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
                if self._closed:
                    raise  # else: the server has given up a connection that was idle, which is its right
        connection = self._connected(request, place)
        return connection, self._exchange(request, connection)

    def _exchange(self, request: httpx.Request, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        try:
            with _translated(request, httpx.WriteError, httpx.WriteTimeout):
                target = request.url.raw_path.decode("ascii")
                connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
                for name, value in request.headers.raw:
                    connection.putheader(name, value)
                connection.endheaders(request.read() or None)
            with _translated(request, httpx.ReadError, httpx.ReadTimeout):
                return connection.getresponse()
        except BaseException:
            with self._guard:
                self._busy.discard(connection)
            connection.close()
            raise

    def _kept(self, place: Place) -> http.client.HTTPConnection | None:
        with self._guard:
            idle = self._idle.get(place)
            connection = idle.pop() if idle else None
            if connection is not None:
                self._busy.add(connection)
            return connection

    def _connected(self, request: httpx.Request, place: Place) -> http.client.HTTPConnection:
        with _translated(request, httpx.ConnectError, httpx.ConnectTimeout):
            connection = self._dialler.connect(place)
        with self._guard:
            if self._closed:
                connection.close()
                raise RuntimeError("the client was closed")
            self._busy.add(connection)
        return connection


class _Body(httpx.SyncByteStream):
    """The body of one answer; its connection is free again when it is closed."""

    def __init__(
        self,
        transport: LeanTransport,
        place: Place,
        connection: http.client.HTTPConnection,
        answer: http.client.HTTPResponse,
        request: httpx.Request,
    ) -> None:
        self._transport = transport
        self._place = place
        self._connection = connection
        self._answer = answer
        self._request = request
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        with _translated(self._request, httpx.ReadError, httpx.ReadTimeout):
            while chunk := self._answer.read(_CHUNK):
                yield chunk
            if self._answer.length:
                raise httpx.RemoteProtocolError(
                    f"the answer broke off: {self._answer.length} bytes are missing", request=self._request
                )

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        # what was not read to its end would be taken for the next answer
        reusable = self._answer.isclosed() and not self._answer.will_close and not self._answer.length
        self._answer.close()
        self._transport.give_back(self._place, self._connection, reusable=reusable)


@contextmanager
def _translated(
    request: httpx.Request, failure: type[httpx.TransportError], late: type[httpx.TimeoutException]
) -> Iterator[None]:
    """Raise what httpx raises for the same trouble."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error) or "timed out", request=request) from error
    except http.client.HTTPException as error:
        said = str(error) or type(error).__name__
        raise httpx.RemoteProtocolError(said, request=request) from error
    except (OSError, ValueError) as error:
        raise failure(str(error) or type(error).__name__, request=request) from error
