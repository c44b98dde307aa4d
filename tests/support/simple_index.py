"""A package index on loopback that serves a folder, counts what it is asked, and lies on request."""

import base64
import hashlib
import html
import json
import re
import ssl
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from packaging.utils import canonicalize_name

JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One canned answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Send only so many bytes of the body, and hang up."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request as it came."""

    path: str
    headers: dict[str, str]


class SimpleIndex:
    """Serves the wheels and sdists of ``folder`` below ``/simple/`` and ``/files/``.

    ``canned[path]`` is a list of replies that are given, one by one, before the real one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        form: Literal["json", "html"] = "json",
        metadata: Literal["advertised", "unadvertised", "none"] = "none",
        hashes: bool = True,
        etag: bool = False,
        ranges: bool = False,
        page_headers: dict[str, str] | None = None,
        login: tuple[str, str] | None = None,
        certificate: Path | None = None,
    ) -> None:
        """``certificate`` (with its key in one file) makes it speak https."""
        self.folder = folder
        self.form = form
        self.metadata = metadata
        self.hashes = hashes
        self.etag = etag
        self.ranges = ranges
        self.page_headers = page_headers or {}
        self.login = login
        self.extra: dict[str, dict[str, Any]] = {}
        """Further fields of a file on its page, by file name: ``requires-python``, ``yanked``, ``url`` …"""
        self.canned: dict[str, list[Reply]] = {}
        self.asked: list[Asked] = []
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            self._scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def root(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        """What ``--index-url`` takes."""
        return f"{self.root}/simple/"

    def paths(self, containing: str = "") -> list[str]:
        """The paths that were asked for, in order."""
        with self._guard:
            return [asked.path for asked in self.asked if containing in asked.path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply(self, path: str, headers: dict[str, str]) -> Reply:
        """What is answered to one request."""
        with self._guard:
            self.asked.append(Asked(path=path, headers=headers))
            if queue := self.canned.get(path):
                return queue.pop(0)
        if self.login and headers.get("authorization") != _basic(*self.login):
            return Reply(status=401)
        parts = [unquote(part) for part in urlsplit(path).path.strip("/").split("/")]
        match parts:
            case ["simple", name]:
                return self._validated(self._page(name), headers)
            case ["files", name]:
                return self._validated(self._part(self._file(name), headers), headers)
        return Reply(status=404)

    def _page(self, name: str) -> Reply:
        files = [
            path
            for path in sorted(self.folder.iterdir())
            if canonicalize_name(path.name.split("-")[0]) == name and path.suffix != ".metadata"
        ]
        if not files:
            return Reply(status=404)
        entries = [self._entry(path) for path in files]
        if self.form == "json":
            page: dict[str, Any] = {"meta": {"api-version": "1.1"}, "name": name, "files": entries}
            return Reply(body=json.dumps(page).encode(), headers={"Content-Type": JSON_TYPE, **self.page_headers})
        anchors = "\n".join(_anchor(entry) for entry in entries)
        body = f"<!DOCTYPE html><html><body>{anchors}</body></html>".encode()
        return Reply(body=body, headers={"Content-Type": "text/html; charset=utf-8", **self.page_headers})

    def _entry(self, path: Path) -> dict[str, Any]:
        entry: dict[str, Any] = {"filename": path.name, "url": f"../../files/{quote(path.name)}", "hashes": {}}
        if self.hashes:
            entry["hashes"] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        if self.metadata == "advertised" and (text := _metadata(path)) is not None:
            entry["core-metadata"] = {"sha256": hashlib.sha256(text).hexdigest()}
        return {**entry, **self.extra.get(path.name, {})}

    def _file(self, name: str) -> Reply:
        path = self.folder / name
        if path.is_file():
            return Reply(body=path.read_bytes(), headers={"Content-Type": "application/octet-stream"})
        wheel = self.folder / name.removesuffix(".metadata")
        if name.endswith(".metadata") and self.metadata != "none" and wheel.is_file():
            text = _metadata(wheel)
            return Reply(status=404) if text is None else Reply(body=text)
        return Reply(status=404)

    def _part(self, reply: Reply, headers: dict[str, str]) -> Reply:
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", ""))
        if not self.ranges or reply.status != 200 or asked is None:
            return reply
        size = len(reply.body)
        first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
        told = {"Content-Range": f"bytes {first}-{last}/{size}"}
        return Reply(status=206, body=reply.body[first : last + 1], headers={**reply.headers, **told})

    def _validated(self, reply: Reply, headers: dict[str, str]) -> Reply:
        if not self.etag or reply.status != 200:
            return reply
        etag = f'"{hashlib.sha256(reply.body).hexdigest()[:16]}"'
        if headers.get("if-none-match") == etag:
            return Reply(status=304, headers={"ETag": etag})
        return Reply(body=reply.body, headers={**reply.headers, "ETag": etag})


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _metadata(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return archive.read(name)
    except (zipfile.BadZipFile, StopIteration):
        return None


def _anchor(entry: dict[str, Any]) -> str:
    hashes = entry["hashes"]
    fragment = f"#sha256={hashes['sha256']}" if "sha256" in hashes else ""
    attributes = ""
    if "requires-python" in entry:
        attributes += f' data-requires-python="{html.escape(entry["requires-python"])}"'
    if entry.get("yanked") not in (None, False):
        attributes += f' data-yanked="{html.escape(str(entry["yanked"]))}"'
    if "core-metadata" in entry:
        attributes += f' data-core-metadata="sha256={entry["core-metadata"]["sha256"]}"'
    return f'<a href="{html.escape(entry["url"])}{fragment}"{attributes}>{html.escape(entry["filename"])}</a><br>'


def _handler(index: SimpleIndex) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # the name that http.server calls
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = index.reply(self.path, headers)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in reply.headers and reply.status != 304:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])
            if reply.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler
