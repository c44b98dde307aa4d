"""Asking servers whether pages are still what they were, with nothing that takes longer to import than to do.

Each question is a tuple of texts: what to accept, the address, the SHA-256 of the content, the ``ETag`` and the
``Last-Modified`` that came with it, the seconds in which a server must answer, and a file or folder of certificates.
Empty is what there is not.
"""

from __future__ import annotations

import threading
from hashlib import sha256
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import urlsplit

from miniuv.index.coding import ACCEPTED, PAGE_LIMIT, TransferError, decoded
from miniuv.index.dial import DEFAULT_PORTS, LONGEST_DIAL, USER_AGENT, Dialler, Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext

_AT_ONCE = 16
_CHUNK = 1 << 16


def all_unchanged(questions: Sequence[Sequence[str]], *, context: SSLContext) -> bool:
    """Whether all pages are what they were; ``False`` also where a server could not be asked, or sends elsewhere.

    ``context`` is made of the certificates that they name.
    """
    *_, timeout, _ = questions[0]
    differing: list[Sequence[str]] = []
    left = iter(questions)
    dialler = Dialler(context, connect_timeout=min(float(timeout), LONGEST_DIAL), timeout=float(timeout))

    def ask() -> None:
        connections: dict[Place, HTTPConnection] = {}
        for question in left:
            try:
                if differing or not _is_unchanged(question, dialler, connections):
                    differing.append(question)
            except (OSError, ValueError, HTTPException, TransferError):
                differing.append(question)
        for connection in connections.values():
            connection.close()

    threads = [threading.Thread(target=ask, daemon=True) for _ in questions[:_AT_ONCE]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return not differing


def _is_unchanged(question: Sequence[str], dialler: Dialler, connections: dict[Place, HTTPConnection]) -> bool:
    accept, address, digest, etag, modified, *_ = question
    parts = urlsplit(address)
    place = parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    if (connection := connections.get(place)) is None:
        connection = connections[place] = dialler.connect(place)
    headers = {
        "Host": parts.netloc,
        "Accept": accept,
        "Accept-Encoding": ACCEPTED,
        "Connection": "keep-alive",
        "User-Agent": USER_AGENT,
        "If-None-Match": etag,
        "If-Modified-Since": modified,
    }
    target = parts._replace(scheme="", netloc="").geturl()
    connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    found = _digest(answer)
    if not answer.isclosed() or answer.will_close:
        connections.pop(place).close()
    return found == digest if answer.status == 200 else answer.status == 304 and bool(etag or modified)


def _digest(answer: HTTPResponse) -> str:
    found, size = sha256(), 0
    for piece in decoded(iter(lambda: answer.read(_CHUNK), b""), answer.headers.get("content-encoding", "")):
        found.update(piece)
        size += len(piece)
        if size > PAGE_LIMIT:
            return ""
    return found.hexdigest()
