"""Addresses, references and repositories that mean no good: refused, the environment untouched (G1 to G12)."""

import http.server
import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from demo import git_server
from demo.git_server import GitServer
from tests.support.commands import World
from tests.support.git_repositories import GitRepository, git
from tests.support.projects import project_files
from tests.support.refusals import refused, tree

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QUICK = {"GIT_HTTP_LOW_SPEED_TIME": "1", "GIT_HTTP_LOW_SPEED_LIMIT": "1000", "MINIUV_RETRIES": "0"}


@pytest.fixture
def repository(world: World) -> GitRepository:
    repository = GitRepository.create(world.folder / "served" / "one.git")
    repository.commit(project_files("one"))
    return repository


@pytest.fixture
def no_git(world: World) -> Iterator[None]:
    """Whoever starts git is found out."""
    program = world.folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {world.folder}/git-was-started\nexit 1\n")
    program.chmod(0o755)
    world.environ["PATH"] = f"{program.parent}{os.pathsep}{world.environ['PATH']}"
    yield
    assert not (world.folder / "git-was-started").exists()


def refused_after_fetch(
    world: World, *command: str, says: tuple[str, ...], environ: dict[str, str] | None = None
) -> str:
    """As ``refused``, where histories may stay in the cache: what was fetched is what its commit names."""
    cache = Path(world.environ["MINIUV_CACHE_DIR"])
    before = tree(world.folder.parent, leave_out=cache)
    said = world.miniuv(*command, environ=environ)
    assert said.code == 1, said.err
    assert "Traceback" not in said.err
    assert "\nhint: " in said.err, said.err
    assert all(text in said.err for text in says), said.err
    assert tree(world.folder.parent, leave_out=cache) == before
    published = [*cache.glob("v1/unpacked/*"), *cache.glob("v1/blobs/*")]
    assert published == []
    return said.err


@pytest.mark.usefixtures("no_git")
@pytest.mark.parametrize(
    "reference",
    [
        pytest.param("git+ext::sh -c touch% hacked", id="G1-ext"),
        pytest.param("git+fd::17", id="G1-fd"),
        pytest.param("git+-uX", id="G1-option"),
        pytest.param("git+file:///x --upload-pack=touch", id="G1-upload-pack"),
        pytest.param("git+https://host/r@-x", id="G2-option"),
        pytest.param("git+https://host/r@--upload-pack=x", id="G2-upload-pack"),
        pytest.param("git+https://host/r@a..b", id="G2-range"),
        pytest.param("git+https://host/r@%40%7Bu%7D", id="G2-upstream"),
        pytest.param("git+https://host/r@a:b", id="G2-colon"),
        pytest.param("git+https://host/r@a%0Ab", id="G2-newline"),
        pytest.param("git+https://host/r@", id="G2-empty"),
        pytest.param("git+https://host/r@refs/../x", id="G2-parent"),
        pytest.param("git+ssh://-oProxyCommand=x/r", id="G3-host"),
        pytest.param("git+ssh://%2DoProxyCommand=x/r", id="G3-encoded"),
        pytest.param("git+ssh://h:-p/r", id="G3-port"),
        pytest.param("git+ssh://-x@h/r", id="G3-user"),
        pytest.param("git+https://host/r#subdirectory=../..", id="G4-parent"),
        pytest.param("git+https://host/r#subdirectory=/x", id="G4-absolute"),
        pytest.param("git+https://host/r#subdirectory=.git/hooks", id="G4-git"),
    ],
)
def test_what_git_could_misread_is_refused_before_git_is_started(world: World, reference: str) -> None:
    refused(world, "pip", "install", f"one @ {reference}")


@pytest.mark.parametrize(
    ("subdirectory", "says"),
    [
        pytest.param("out", "leads out of the repository", id="G4-link"),
        pytest.param("inner/out", "leads out of the repository", id="G4-deep-link"),
        pytest.param("missing", "there is no folder `missing`", id="G4-missing"),
        pytest.param("loop", "leads out of the repository", id="G4-loop"),
        pytest.param("file", "there is no folder `file`", id="G4-file"),
        pytest.param("linked", "`linked/pyproject.toml` leads out of the repository", id="G9-project-file"),
    ],
)
def test_a_subdirectory_outside_the_tree_is_refused(
    world: World, repository: GitRepository, subdirectory: str, says: str
) -> None:
    (world.folder / "elsewhere").mkdir()
    (world.folder / "elsewhere" / "pyproject.toml").write_text('[project]\nname = "one"\nversion = "1"\n')
    outside = str(world.folder / "elsewhere")
    repository.commit(
        {**project_files("one"), "file": ""},
        links={
            "out": outside,
            "inner/out": "../../../..",
            "loop": "loop",
            "linked/pyproject.toml": f"{outside}/pyproject.toml",
        },
    )
    refused_after_fetch(world, "pip", "install", f"git+{repository.url}#subdirectory={subdirectory}", says=(says,))


def test_links_and_names_of_a_tree_are_data(world: World, repository: GitRepository) -> None:
    """G9: what is not needed for the build may lead anywhere, and is not followed."""
    secret = world.folder / "secret"
    secret.write_text("secret")
    repository.commit({**project_files("one"), "a": "", "A": ""}, links={"passwd": str(secret), "up": "../../.."})
    world.install(f"git+{repository.url}")
    copied = [
        path for path in Path(world.environ["MINIUV_CACHE_DIR"]).rglob("*") if path.is_file() and not path.is_symlink()
    ]
    assert not [path for path in copied if path.read_bytes() == b"secret"]


@pytest.mark.parametrize("name", [".git", "..", ".GIT", "git~1"])
def test_a_tree_with_names_that_git_forbids_is_refused(world: World, repository: GitRepository, name: str) -> None:
    """G9: such a tree is made by hand; git does not write it out."""
    blob = git("hash-object", "-w", "--stdin", at=repository.path, stdin=b"[core]\n")
    inner = git("mktree", at=repository.path, stdin=f"100644 blob {blob}\tconfig\n".encode())
    listing = git("ls-tree", "main", at=repository.path)
    bad = git("mktree", at=repository.path, stdin=f"{listing}\n040000 tree {inner}\t{name}\n".encode())
    git("update-ref", "refs/heads/main", git("commit-tree", "-m", "x", bad, at=repository.path), at=repository.path)
    refused_after_fetch(world, "pip", "install", f"git+{repository.url}", says=("invalid path",))


def test_forty_digits_mean_the_commit_even_where_a_branch_is_called_so(world: World, repository: GitRepository) -> None:
    old = repository.head()
    new = repository.commit(project_files("one", "2.0"))
    git("update-ref", f"refs/heads/{old}", new, at=repository.path)
    world.install(f"git+{repository.url}@{old}")
    assert world.installed()["one"] == "1.0"


@pytest.mark.parametrize(
    ("ref", "says"),
    [
        pytest.param(COMMIT, f"has no commit `{COMMIT}`", id="G5-unknown"),
        pytest.param(COMMIT[:12], f"has no branch, tag or commit `{COMMIT[:12]}`", id="G5-short"),
        pytest.param("blob", "is a blob, not a commit", id="G5-blob"),
        pytest.param("tree", "is a tree, not a commit", id="G5-tree"),
    ],
)
def test_a_reference_to_no_commit_is_refused(world: World, repository: GitRepository, ref: str, says: str) -> None:
    repository.tag("blob", "main:pyproject.toml", annotated=True)
    repository.tag("tree", "main^{tree}")
    refused_after_fetch(world, "pip", "install", f"git+{repository.url}@{ref}", says=(says,))


def test_a_server_that_sends_another_commit_than_asked_for_is_refused(
    world: World, repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G6."""
    other = GitRepository.create(world.folder / "other.git")
    theirs = other.commit(project_files("one", "6.6")).encode()
    ours = repository.head().encode()
    real = git_server._Handler._upload_pack

    def lie(self: git_server._Handler, folder: Path, request: bytes, *options: str) -> bytes:
        if b"command=fetch" not in request:
            return real(self, folder, request, *options)
        return real(self, other.path, request.replace(ours, theirs), *options)

    monkeypatch.setattr(git_server._Handler, "_upload_pack", lie)
    with GitServer(repository.path.parent) as server:
        for ref in ("", f"@{repository.head()}"):
            refused_after_fetch(
                world, "pip", "install", f"git+{server.url}/one.git{ref}", says=("one.git",), environ=QUICK
            )


@pytest.mark.parametrize(
    ("path", "url", "says"),
    [
        pytest.param("x", "ext::sh -c 'touch hacked'", "not allowed", id="G7-ext"),
        pytest.param("x", "-uhacked", "not allowed", id="G7-option"),
        pytest.param("x", "http://h.invalid/r", "not allowed", id="G7-weaker"),
        pytest.param("x", "https://h.invalid/r\\r", "not allowed", id="G7-return-url"),
        pytest.param(".git/hooks", "../one.git", "submodule path", id="G7-hooks"),
        pytest.param("../x", "../one.git", "submodule path", id="G7-parent"),
        pytest.param("x\\r", "../one.git", "submodule path", id="G7-return-path"),
    ],
)
def test_a_hostile_submodule_is_refused(
    world: World, repository: GitRepository, path: str, url: str, says: str
) -> None:
    text = f'[submodule "x"]\n\tpath = "{path}"\n\turl = "{url}"\n'.replace("\\r", "\r")
    outer = GitRepository.create(world.folder / "outer.git")
    outer.commit({**project_files("two"), ".gitmodules": text}, submodules={"x": repository.head()})
    refused_after_fetch(world, "pip", "install", f"git+{outer.url}", says=(says,))


def test_a_submodule_is_never_written_through_a_link(world: World, repository: GitRepository) -> None:
    """G7: the tree has a name twice, as a link out of it and as the folder of a submodule (CVE-2024-32002)."""
    outer = GitRepository.create(world.folder / "outer.git")
    text = '[submodule "v"]\n\tpath = v/x\n\turl = ../served/one.git\n'
    outer.commit({**project_files("two"), ".gitmodules": text}, submodules={"v/x": repository.head()})
    link = git("hash-object", "-w", "--stdin", at=outer.path, stdin=str(world.folder).encode())
    listing = git("ls-tree", "main", at=outer.path)
    bad = git("mktree", at=outer.path, stdin=f"{listing}\n120000 blob {link}\tv\n".encode())
    git("update-ref", "refs/heads/main", git("commit-tree", "-m", "x", bad, at=outer.path), at=outer.path)
    assert world.miniuv("pip", "install", f"git+{outer.url}").code in (0, 1)  # versions of git differ in what they take
    assert not (world.folder / "x").exists()


def test_submodules_that_multiply_are_refused(world: World, repository: GitRepository) -> None:
    """G7: seven repositories of eight submodules each would be two million folders."""
    commit, name = repository.head(), "served/one.git"
    for level in range(7):
        outer = GitRepository.create(world.folder / f"level{level}.git")
        text = "".join(f'[submodule "{n}"]\n\tpath = s{n}\n\turl = ../{name}\n' for n in range(8))
        submodules = {f"s{n}": commit for n in range(8)}
        commit = outer.commit({**project_files("two"), ".gitmodules": text}, submodules=submodules)
        name = f"level{level}.git"
    refused_after_fetch(world, "pip", "install", f"git+{outer.url}", says=("more than 1000 submodules",))


@contextmanager
def redirecting(location: str) -> Iterator[str]:
    """Serve a host that sends everybody to ``location``."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", location + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("asks", [False, True], ids=["open", "that asks for them"])
def test_credentials_do_not_follow_a_redirect_to_another_host(
    world: World, repository: GitRepository, monkeypatch: pytest.MonkeyPatch, asks: bool
) -> None:
    """G11, G12."""
    heard: list[str | None] = []
    real = git_server._Handler._admit

    def note(self: git_server._Handler, name: str, what: str) -> Path | None:
        heard.append(self.headers.get("Authorization"))
        return real(self, name, what)

    monkeypatch.setattr(git_server._Handler, "_admit", note)
    credentials = ("user", "hunter2") if asks else None
    with (
        GitServer(repository.path.parent, credentials=credentials) as server,
        redirecting(server.url) as host,
    ):
        said = world.miniuv("pip", "install", f"git+http://user:hunter2@{host}/one.git@main", environ=QUICK)
    assert said.code == asks, said.err
    assert heard
    assert not any(heard)


def test_a_redirect_to_a_file_is_not_followed(world: World, repository: GitRepository) -> None:
    with redirecting(repository.url) as host:
        refused_after_fetch(
            world,
            "pip",
            "install",
            f"git+http://user:hunter2@{host}/one.git",
            says=("list the references",),
            environ=QUICK,
        )


def test_the_users_helper_never_learns_the_credentials_of_an_address(world: World, repository: GitRepository) -> None:
    """G12: git would have a helper keep on the disk what was accepted."""
    home = Path(world.environ["HOME"])
    home.mkdir(exist_ok=True)
    (home / ".gitconfig").write_text(f"[credential]\n\thelper = store --file {world.folder}/kept\n")
    with GitServer(repository.path.parent, credentials=("user", "hunter2")) as server:
        world.install(f"git+{server.url.replace('://', '://user:hunter2@')}/one.git")
    assert not (world.folder / "kept").exists()


@pytest.mark.parametrize("sends", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"], ids=["nothing", "half"])
def test_a_server_that_hangs_is_given_up(world: World, sends: bytes) -> None:
    """G11."""
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def serve() -> None:
            connection, _ = silent.accept()
            connection.recv(4096)
            connection.sendall(sends)
            held.append(connection)

        held: list[socket.socket] = []
        server = threading.Thread(target=serve)
        server.start()
        began = time.monotonic()
        address = f"git+http://127.0.0.1:{silent.getsockname()[1]}/one.git"
        refused(world, "pip", "install", address, says=("could not list the references",), environ=QUICK)
        assert time.monotonic() - began < 10
        server.join()
        held[0].close()


@pytest.mark.parametrize("where", [0.0, 0.5, 0.99], ids=["at once", "half way", "near the end"])
def test_a_server_that_drops_in_the_middle_of_a_pack_is_refused(
    world: World, repository: GitRepository, monkeypatch: pytest.MonkeyPatch, where: float
) -> None:
    """G11."""
    repository.commit({**project_files("one"), "data": os.urandom(100_000)})
    real = git_server._Handler._answer
    drops = threading.Event()
    drops.set()

    def drop(self: git_server._Handler, kind: str, body: bytes, status: HTTPStatus = HTTPStatus.OK) -> None:
        if b"PACK" not in body or not drops.is_set():
            real(self, kind, body, status)
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: int(len(body) * where)])
        self.close_connection = True

    monkeypatch.setattr(git_server._Handler, "_answer", drop)
    with GitServer(repository.path.parent) as server:
        address = f"git+{server.url}/one.git@main"
        refused_after_fetch(world, "pip", "install", address, says=("could not fetch",), environ=QUICK)
        drops.clear()
        world.install(address)


def test_a_token_in_a_query_is_shown_and_kept_nowhere(world: World, repository: GitRepository) -> None:
    """G12."""
    with GitServer(repository.path.parent) as server:
        said = world.miniuv(
            "pip", "install", "-vv", f"git+{server.url}/one.git?private_token=hunter2", environ=QUICK
        )  # fmt: skip
    assert said.code == 1
    assert "hunter2" not in said.out + said.err
    kept = [path for path in Path(world.environ["MINIUV_CACHE_DIR"]).rglob("*") if path.is_file()]
    assert not [path for path in kept if b"hunter2" in path.read_bytes()]
