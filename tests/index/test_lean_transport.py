import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import httpx
import pytest

from miniuv.index.client import HttpClient
from miniuv.index.transport import LeanTransport
from miniuv.models.url import Url
from miniuv.settings import Settings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Answering = Callable[[socket.socket, int], None]
"""Serves one connection, which is the n-th."""


class Server:
    """A server of raw bytes; ``accepted`` counts its connections."""

    def __init__(self, serve: Answering) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.accepted = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        # Closed alone, its number may become another server's while a thread still accepts by it.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._answer, args=(connection, self.accepted), daemon=True).start()

    def _answer(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(ConnectionError):
            self._serve(connection, number)


@pytest.fixture
def serve() -> Iterator[Callable[[Answering], Server]]:
    with ExitStack() as stack:

        def start(answering: Answering) -> Server:
            server = Server(answering)
            stack.callback(server.close)
            return server

        yield start


@contextmanager
def client(*, timeout: float = 10.0, limit: int = 8) -> Iterator[httpx.Client]:
    transport = LeanTransport(ssl.create_default_context(), connect_timeout=5, timeout=timeout, limit=limit)
    with httpx.Client(transport=transport) as made:
        yield made


def request(connection: socket.socket) -> bytes:
    """Read one request; empty where the other side has hung up."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        received = connection.recv(4096)
        if not received:
            return b""
        data += received
    return data


def always(*replies: bytes) -> Answering:
    """Answer each request with the next of ``replies``, the last one again and again."""

    def serve(connection: socket.socket, _number: int) -> None:
        count = 0
        while request(connection):
            connection.sendall(replies[min(count, len(replies) - 1)])
            count += 1

    return serve


def test_a_connection_serves_many_requests(serve: Callable[[Answering], Server]) -> None:
    server = serve(always(OK))
    with client() as http:
        assert [http.get(server.url).content for _ in range(5)] == [b"ok"] * 5
    assert server.accepted == 1


def test_each_header_is_sent_once_and_ours_wins(
    serve: Callable[[Answering], Server], make_settings: Callable[..., Settings]
) -> None:
    seen: list[bytes] = []

    def tell(connection: socket.socket, _number: int) -> None:
        while head := request(connection):
            seen.append(head)
            connection.sendall(OK)

    server = serve(tell)
    with HttpClient(make_settings(), environ={}) as http:
        http.get(Url.parse(f"{server.url}/page"), headers={"Accept": "text/x-ours"}, limit=100)
    (head,) = seen
    lines = [line.split(b":")[0].lower() for line in head.splitlines()[1:-1]]
    assert sorted(lines) == sorted(set(lines))
    assert b"\r\naccept: text/x-ours\r\n" in head.replace(b"Accept", b"accept")


def test_a_connection_that_the_server_gave_up_is_replaced(serve: Callable[[Answering], Server]) -> None:
    def once(connection: socket.socket, _number: int) -> None:
        request(connection)
        connection.sendall(OK)

    server = serve(once)
    with client() as http:
        assert [http.get(server.url).content for _ in range(3)] == [b"ok"] * 3
    assert server.accepted == 3


def test_a_body_that_was_not_read_is_never_taken_for_the_next_answer(serve: Callable[[Answering], Server]) -> None:
    server = serve(always(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000, OK))
    with client() as http:
        with http.stream("GET", server.url) as response:
            next(response.iter_raw())
        with http.stream("GET", server.url) as response:
            assert len(response.read()) == 200_000
        assert http.get(server.url).content == b"ok"
    assert server.accepted == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", httpx.RemoteProtocolError),
        (b"nonsense\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", httpx.RemoteProtocolError),
        (b"", httpx.RemoteProtocolError),
    ],
    ids=["length", "chunk", "no HTTP", "long header", "nothing"],
)
def test_an_answer_that_breaks_off_is_an_error_of_httpx(
    serve: Callable[[Answering], Server], reply: bytes, error: type[Exception]
) -> None:
    def broken(connection: socket.socket, _number: int) -> None:
        request(connection)
        connection.sendall(reply)

    server = serve(broken)
    with client() as http, pytest.raises(error):
        http.get(server.url)


def test_a_chunked_body_is_put_together(serve: Callable[[Answering], Server]) -> None:
    server = serve(always(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n3\r\n, 3\r\n0\r\n\r\n", OK))
    with client() as http:
        assert http.get(server.url).content == b"ok, 3"
        assert http.get(server.url).content == b"ok"
    assert server.accepted == 1


def test_a_server_that_says_nothing_is_a_timeout_of_httpx(serve: Callable[[Answering], Server]) -> None:
    server = serve(always(b""))
    with client(timeout=0.2) as http, pytest.raises(httpx.ReadTimeout):
        http.get(server.url)


def test_nobody_there_is_an_error_of_httpx() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with client() as http, pytest.raises(httpx.ConnectError):
        http.get(f"http://127.0.0.1:{port}")


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts whose addresses were asked for."""
    asked: list[str] = []
    look_up = socket.getaddrinfo

    def noted(host: str, port: int, **options: int) -> object:
        asked.append(host)
        return look_up(host, port, **options)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    return asked


def test_a_host_is_looked_up_once_for_all_connections(
    serve: Callable[[Answering], Server], looked_up: list[str]
) -> None:
    def once(connection: socket.socket, _number: int) -> None:
        request(connection)
        connection.sendall(OK)

    server = serve(once)
    with client() as http, ThreadPoolExecutor(8) as pool:
        list(pool.map(http.get, [server.url] * 8))
        assert server.accepted > 1
    assert looked_up == ["127.0.0.1"]


def test_a_host_that_cannot_be_reached_is_looked_up_again(looked_up: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with client() as http:
        for _ in range(2):
            with pytest.raises(httpx.ConnectError):
                http.get(f"http://127.0.0.1:{port}")
    assert looked_up == ["127.0.0.1"] * 2


def test_no_more_connections_are_open_than_allowed(serve: Callable[[Answering], Server]) -> None:
    server = serve(always(OK))
    with client(limit=2) as http, ThreadPoolExecutor(12) as pool:
        assert [each.content for each in pool.map(http.get, [server.url] * 60)] == [b"ok"] * 60
    assert server.accepted <= 2


def test_closing_wakes_whoever_reads(serve: Callable[[Answering], Server]) -> None:
    server = serve(always(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"))
    begun = threading.Event()
    caught: list[BaseException] = []

    def read(http: httpx.Client) -> None:
        try:
            with http.stream("GET", server.url) as response:
                begun.set()
                response.read()
        except httpx.HTTPError as error:
            caught.append(error)

    with client(timeout=60) as http:
        thread = threading.Thread(target=read, args=(http,))
        thread.start()
        assert begun.wait(10)
    thread.join(10)
    assert not thread.is_alive()
    assert len(caught) == 1
