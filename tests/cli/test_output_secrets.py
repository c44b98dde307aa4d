"""A credential that is typed, configured or served is used, and is written nowhere."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.git_server import GitServer
from tests.support.commands import Said, World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project
from tests.support.wheels import make_wheel

SECRET = "hunter2-Ky8"
QUOTED = "hunter2%2DKy8"
SERVED = "served-Zq4"
"""Stands in the addresses that an index gives, as signed ones do."""
SHAPES = (f"user:{SECRET}@", f"{SECRET}@", f"{SECRET}:@", f":{SECRET}@", f"user%40team:{QUOTED}@")


def _nowhere(world: World, *said: Said) -> None:
    for each in said:
        for text in (each.out, each.err):
            assert not [secret for secret in (SECRET, QUOTED, SERVED) if secret in text], text
    wanted = [SECRET.encode(), QUOTED.encode(), SERVED.encode(), base64.b64encode(f"user:{SECRET}".encode())]
    places = [world.folder / ".venv", Path(world.environ["MINIUV_CACHE_DIR"])]
    read = 0
    for path in (path for place in places for path in place.rglob("*") if path.is_file()):
        read += 1
        data = path.read_bytes()
        if path.parent.name == "http":  # a page is kept as it was served, or its links would lead nowhere
            data = data.replace(SERVED.encode(), b"")
        found = [secret for secret in wanted if secret in data]
        assert not found, path
        assert not [secret for secret in wanted if secret.decode() in str(path)]
    assert read > 0


class _Guarded(BaseHTTPRequestHandler):
    """Serves a folder as a simple index to whoever brings any credentials; notes them."""

    folder: Path
    heard: set[str]

    def do_GET(self) -> None:
        given = self.headers.get("Authorization")
        if given is None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.heard.add(base64.b64decode(given.removeprefix("Basic ")).decode())
        path = self.path.partition("?")[0]
        file = self.folder / path.rpartition("/")[2]
        if file.is_file():
            body, kind = file.read_bytes(), "application/octet-stream"
        else:
            links = "".join(
                f'<a href="/files/{each.name}?token={SERVED}">{each.name}</a>' for each in self.folder.iterdir()
            )
            body, kind = f"<html><body>{links}</body></html>".encode(), "text/html"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    make_wheel(tmp_path / "guarded", "one", "1.0")
    handler = type("Handler", (_Guarded,), {"folder": tmp_path / "guarded", "heard": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("shape", SHAPES)
def test_of_a_git_address(world: World, shape: str) -> None:
    repository = GitRepository.create(world.folder / "repositories" / "one.git")
    repository.commit(project_files("one", dynamic=True))
    with GitServer(repository.path.parent) as server:
        url = f"git+{server.url.replace('://', f'://{shape}')}/one.git"
        said = world.install("-vv", f"one @ {url}")
        again = world.install("-vv", "--reinstall", "--explain", f"one @ {url}@main")
        wrong = world.miniuv("pip", "install", "-vv", f"one @ {url}@nosuch")
        folder = world.miniuv("pip", "install", "-vv", f"one @ {url}#subdirectory=nosuch")
    assert wrong.code == folder.code == 1
    world.environ["MINIUV_RETRIES"] = "0"
    gone = world.miniuv("pip", "install", "-vv", "--refresh", f"one @ {url}")
    frozen = world.miniuv("pip", "freeze")
    assert "one @ git+http://127.0.0.1:" in frozen.out
    _nowhere(world, said, again, wrong, folder, gone, frozen, world.miniuv("pip", "show", "-f", "one"))


@pytest.mark.parametrize("shape", [f"user:{SECRET}@", f"user:{QUOTED}@"])
def test_of_an_index_and_of_the_addresses_that_it_gives(world: World, guarded: ThreadingHTTPServer, shape: str) -> None:
    del world.environ["MINIUV_NO_INDEX"]
    said = world.install("-vv", "--index-url", f"http://{shape}127.0.0.1:{guarded.server_port}/simple/", "one")
    assert guarded.RequestHandlerClass.heard == {f"user:{SECRET}"}  # type: ignore[attr-defined]
    missing = world.miniuv(
        "pip", "install", "-vv", "-i", f"http://{shape}127.0.0.1:{guarded.server_port}/simple/", "two"
    )
    _nowhere(world, said, missing, world.miniuv("pip", "freeze"))


def test_of_an_archive_by_its_address(world: World, guarded: ThreadingHTTPServer) -> None:
    url = f"http://user:{SECRET}@127.0.0.1:{guarded.server_port}/one-1.0-py3-none-any.whl?token={SECRET}"
    said = world.install("-vv", f"one @ {url}")
    _nowhere(world, said, world.miniuv("pip", "freeze"), world.install("-vv", f"one @ {url}"))


def test_of_settings_and_requirement_files_that_cannot_be_used(world: World) -> None:
    address = f"http://user:{SECRET}@127.0.0.1:9/simple"
    (world.folder / "r.txt").write_text(f"--index-url {address}\none @ git+{address}/one.git\n")
    world.environ |= {"MINIUV_RETRIES": "0"}
    said = [
        world.miniuv("pip", "install", "-vv", "-r", "r.txt"),
        world.miniuv("pip", "install", "-vv", f"git+{address}/one.git@x", environ={"MINIUV_EXTRA_INDEX_URL": address}),
        world.miniuv("pip", "install", "-vv", f"one@{address}/one.tar.gz"),
        world.miniuv("pip", "install", "-vv", f"one =@ {address}"),
        world.miniuv("pip", "install", "-vv", f"one @ hg+{address}"),
        world.miniuv("pip", "install", "-e", f"git+{address}"),
        world.miniuv("pip", "install", "--proxy", f"http://user:{SECRET}@127.0.0.1:9", "-i", address, "one"),
        world.miniuv("pip", "nosuch", address),
        world.miniuv(f"--cache-dir={address}", "frob"),
        world.miniuv("pip", "install", f"--frob={address}", "one"),
        world.miniuv("pip", "install", f"--link-mode={address}", "one"),
    ]
    assert {each.code for each in said} == {1, 2}
    for each in said:
        assert SECRET not in each.err + each.out


def test_of_a_dependency_of_an_editable_whose_backend_prints_it(world: World) -> None:
    repository = GitRepository.create(world.folder / "one.git")
    repository.commit(project_files("one"))
    folder = write_project(
        world.folder, "two", dynamic=True, fails=f"cannot fetch https://user:{SECRET}@host.invalid/x"
    )
    said = world.miniuv("pip", "install", "-vv", "-e", "two")
    assert said.code == 1
    assert "cannot fetch https://****@host.invalid/x" in said.err
    assert folder.exists()
    _nowhere(world, said)
