"""git's smart HTTP on loopback: a small front of ``git upload-pack --stateless-rpc``.

::

    with GitServer(folder_of_bare_repositories) as server:
        run(f"git clone {server.url}/gunicorn.git")
        assert server.packs_sent("gunicorn.git") == 1

``python -m demo.git_server FOLDER`` serves until it is interrupted.
"""

import base64
import gzip
import os
import socketserver
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

_SERVICE = "git-upload-pack"
_FLUSH = b"0000"


@dataclass(frozen=True, kw_only=True, slots=True)
class GitRequest:
    """One request that the server answered."""

    repository: str
    """Path below the root: ``gunicorn.git``."""
    what: str
    """``refs`` (the greeting), ``ls-refs`` or ``fetch``."""
    status: int
    sent_pack: bool = False
    """Whether the answer carried objects; a fetch may take several rounds, and only the last one does."""


class GitServer:
    """Serves every bare repository below ``root``; ``url`` is known once it was entered.

    ``credentials`` (user, password) are then asked for, as a private host does. Whatever is pushed or made
    below ``root`` later is served too.
    """

    def __init__(self, root: Path, *, credentials: tuple[str, str] | None = None) -> None:
        self.root = root
        self.credentials = credentials
        self._guard = threading.Lock()
        self._requests: list[GitRequest] = []
        self._failures: list[HTTPStatus] = []
        self._server: _LoopbackServer | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:40123``, without a slash at its end."""
        if self._server is None:
            raise RuntimeError("the server is not running: enter it with `with`")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> tuple[GitRequest, ...]:
        """Everything answered so far, in the order of the answers."""
        with self._guard:
            return tuple(self._requests)

    def packs_sent(self, repository: str) -> int:
        """How many fetches of ``repository`` brought objects."""
        return Counter(request.repository for request in self.requests if request.sent_pack)[repository]

    def fail_next(self, times: int, status: HTTPStatus = HTTPStatus.SERVICE_UNAVAILABLE) -> None:
        """Answer the next ``times`` requests with ``status``."""
        with self._guard:
            self._failures.extend([status] * times)

    def take_failure(self) -> HTTPStatus | None:
        """The failure that is due now; for the handler."""
        with self._guard:
            return self._failures.pop(0) if self._failures else None

    def record(self, request: GitRequest) -> None:
        """Keep ``request``; for the handler."""
        with self._guard:
            self._requests.append(request)

    def __enter__(self) -> Self:
        self._server = _LoopbackServer(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _LoopbackServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: GitServer) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # HTTPServer would ask the name service who 127.0.0.1 is, which takes seconds where there is none.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may hang up whenever it likes
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _LoopbackServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        repository = unquote(address.path).strip("/").removesuffix("/info/refs")
        folder = self._admit(repository, "refs")
        if folder is None:
            return
        if not address.path.endswith("/info/refs") or parse_qs(address.query).get("service") != [_SERVICE]:
            self._refuse(repository, "refs", HTTPStatus.FORBIDDEN)
            return
        refs = self._upload_pack(folder, b"", "--http-backend-info-refs")
        greeting = _packet(f"# service={_SERVICE}\n".encode()) + _FLUSH
        self._answer(f"application/x-{_SERVICE}-advertisement", greeting + refs)
        self._record(repository, "refs")

    def do_POST(self) -> None:
        body = b"".join(self._body())
        if self.headers.get("Content-Encoding") in ("gzip", "x-gzip"):
            body = gzip.decompress(body)
        what = "ls-refs" if b"command=ls-refs" in body else "fetch"
        repository = unquote(urlsplit(self.path).path).strip("/").removesuffix(f"/{_SERVICE}")
        folder = self._admit(repository, what)
        if folder is None:
            return
        answer = self._upload_pack(folder, body)
        # Recorded first: once the client has the answer, whoever looks must find it counted.
        self._record(repository, what, sent_pack=what == "fetch" and b"PACK" in answer)
        self._answer(f"application/x-{_SERVICE}-result", answer)

    def _admit(self, repository: str, what: str) -> Path | None:
        """Return the repository's folder, or answer why not."""
        owner = self.server.owner
        failure = owner.take_failure()
        if failure is not None:
            self._refuse(repository, what, failure)
            return None
        if owner.credentials is not None:
            token = base64.b64encode(":".join(owner.credentials).encode()).decode()
            if self.headers.get("Authorization") != f"Basic {token}":
                self._refuse(repository, what, HTTPStatus.UNAUTHORIZED)
                return None
        root = owner.root.resolve()
        folder = (root / repository).resolve()
        if not folder.is_relative_to(root) or not (folder / "HEAD").is_file():
            self._refuse(repository, what, HTTPStatus.NOT_FOUND)
            return None
        return folder

    def _upload_pack(self, folder: Path, request: bytes, *options: str) -> bytes:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            # What the big hosts allow: partial clones, and any commit by its id.
            "GIT_CONFIG_COUNT": "3",
            "GIT_CONFIG_KEY_0": "uploadpack.allowFilter",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_1": "true",
            "GIT_CONFIG_KEY_2": "safe.directory",
            "GIT_CONFIG_VALUE_2": "*",
        }
        if protocol := self.headers.get("Git-Protocol"):
            environment["GIT_PROTOCOL"] = protocol
        argv = ["git", "upload-pack", "--stateless-rpc", "--strict", *options, str(folder)]
        # A refusal ("not our ref") ends with an error and is part of the answer, so the exit code says nothing new.
        return subprocess.run(argv, input=request, env=environment, capture_output=True, check=False).stdout

    def _body(self) -> Iterator[bytes]:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            yield self.rfile.read(int(self.headers.get("Content-Length", "0")))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, content_type: str, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        if status == HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, repository: str, what: str, status: HTTPStatus) -> None:
        self._record(repository, what, status=status)
        self._answer("text/plain", f"{status.phrase}\n".encode(), status)

    def _record(
        self, repository: str, what: str, *, status: HTTPStatus = HTTPStatus.OK, sent_pack: bool = False
    ) -> None:
        request = GitRequest(repository=repository, what=what, status=int(status), sent_pack=sent_pack)
        self.server.owner.record(request)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the inherited name
        """Say nothing: whoever wants to know looks at ``GitServer.requests``."""


def _packet(payload: bytes) -> bytes:
    return b"%04x%s" % (len(payload) + 4, payload)


def main() -> None:
    """Serve the folder of the command line."""
    with GitServer(Path(sys.argv[1])) as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
