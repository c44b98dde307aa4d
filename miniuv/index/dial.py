"""Connections to a server, with its certificate checked. Nothing here takes long to import."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
import threading

from miniuv import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    _Addresses = Sequence[tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]]
    """What ``socket.getaddrinfo`` gives."""

USER_AGENT = f"miniuv/{__version__} CPython/{sys.version.partition(' ')[0]}"
DEFAULT_PORTS = {"http": 80, "https": 443}

LONGEST_DIAL = 15.0
"""Seconds for a server to accept a connection, however long it may take to answer."""

Place = tuple[str, str, int]
"""Scheme, host and port."""


class Dialler:
    """Opens connections. Thread-safe."""

    def __init__(self, context: ssl.SSLContext, *, connect_timeout: float, timeout: float) -> None:
        """Times are in seconds."""
        self._context = context
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._guard = threading.Lock()
        self._asking: dict[tuple[str, int], threading.Lock] = {}
        self._known: dict[tuple[str, int], _Addresses] = {}

    def connect(self, place: Place) -> http.client.HTTPConnection:
        """Open a connection, ready for a request; raises ``OSError``."""
        scheme, host, port = place
        connection = http.client.HTTPConnection(host, port)
        try:
            connection.sock = self._dial(host, port)
            if scheme == "https":
                connection.sock = self._context.wrap_socket(connection.sock, server_hostname=host)
            connection.sock.settimeout(self._timeout)
        except BaseException:
            connection.close()
            raise
        return connection

    def _dial(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of ``host`` that answers; raises ``OSError``."""
        failure: OSError | None = None
        for family, kind, protocol, _, address in self._addresses(host, port):
            dialled = socket.socket(family, kind, protocol)
            try:
                dialled.settimeout(self._connect_timeout)
                dialled.connect(address)
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return dialled
            except OSError as error:
                dialled.close()
                failure = error
            except BaseException:
                dialled.close()
                raise
        with self._guard:
            self._known.pop((host, port), None)  # they may be others by the next try
        raise failure or OSError(f"`{host}` has no address")

    def _addresses(self, host: str, port: int) -> _Addresses:
        """Ask for the addresses of ``host`` once: of many questions at a time name servers drop some for seconds."""
        with self._guard:
            asking = self._asking.setdefault((host, port), threading.Lock())
        with asking:
            found = self._known.get((host, port))
            if found is None:
                found = self._known[host, port] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return found
