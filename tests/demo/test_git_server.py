"""The loopback server is a real git server: clone, fetch, refuse, ask for a password, fail when told to."""

import http.client
import os
import subprocess
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from demo.git_server import GitServer
from tests.support.git_repositories import GitRepository, git


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    made = GitRepository.create(tmp_path / "served" / "one.git")
    made.commit({"a.txt": "a", "folder/b.txt": "b"})
    made.tag("v1", annotated=True)
    return made


@pytest.fixture
def server(repository: GitRepository) -> Iterator[GitServer]:
    with GitServer(repository.path.parent) as running:
        yield running


def _attempt(*arguments: str, at: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    return subprocess.run(["git", *arguments], cwd=at, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("protocol", ["0", "1", "2"])
def test_a_clone_brings_the_commit_and_the_tags_in_every_protocol_version(
    server: GitServer, repository: GitRepository, tmp_path: Path, protocol: str
) -> None:
    git("-c", f"protocol.version={protocol}", "clone", "--quiet", f"{server.url}/one.git", "clone", at=tmp_path)

    assert git("rev-parse", "HEAD", at=tmp_path / "clone") == repository.head()
    assert git("describe", at=tmp_path / "clone") == "v1"
    assert server.packs_sent("one.git") == 1


def test_a_fetch_of_nothing_new_brings_no_pack(server: GitServer, tmp_path: Path) -> None:
    git("clone", "--quiet", f"{server.url}/one.git", "clone", at=tmp_path)
    git("fetch", "--quiet", at=tmp_path / "clone")

    assert server.packs_sent("one.git") == 1


def test_a_commit_made_while_serving_is_served(server: GitServer, repository: GitRepository, tmp_path: Path) -> None:
    git("clone", "--quiet", f"{server.url}/one.git", "clone", at=tmp_path)
    new = repository.commit({"a.txt": "changed"})
    git("pull", "--quiet", "--ff-only", at=tmp_path / "clone")

    assert git("rev-parse", "HEAD", at=tmp_path / "clone") == new
    assert server.packs_sent("one.git") == 2


def test_a_request_body_in_chunks_is_understood(server: GitServer, repository: GitRepository) -> None:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request(
        "POST",
        "/one.git/git-upload-pack",
        body=iter([b"0014command=ls", b"-refs\n", b"0000"]),
        headers={"Git-Protocol": "version=2", "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    with connection.getresponse() as response:
        answer = response.read().decode()
    connection.close()

    assert f"{repository.head()} refs/heads/main" in answer


def test_a_partial_clone_is_allowed(server: GitServer, tmp_path: Path) -> None:
    clone = _attempt("clone", "--filter=blob:none", "--no-checkout", f"{server.url}/one.git", "clone", at=tmp_path)

    assert clone.returncode == 0
    assert "filtering not recognized" not in clone.stderr


@pytest.mark.parametrize("name", ["two.git", "..%2Fone.git", ""])
def test_what_is_not_a_repository_below_the_root_is_not_found(
    repository: GitRepository, tmp_path: Path, name: str
) -> None:
    root = repository.path.parent / "deeper"
    root.mkdir()
    with GitServer(root) as deeper:
        clone = _attempt("clone", f"{deeper.url}/{name}", "clone", at=tmp_path)

    assert clone.returncode != 0
    assert "not found" in clone.stderr


def test_a_private_server_asks_for_its_credentials(repository: GitRepository, tmp_path: Path) -> None:
    with GitServer(repository.path.parent, credentials=("user", "s3cret")) as private:
        refused = _attempt("clone", f"{private.url}/one.git", "refused", at=tmp_path)
        let_in = private.url.replace("http://", "http://user:s3cret@")
        git("clone", "--quiet", f"{let_in}/one.git", "clone", at=tmp_path)

    assert refused.returncode != 0
    assert "could not read Username" in refused.stderr


def test_the_server_fails_as_often_as_it_is_told_to(server: GitServer, tmp_path: Path) -> None:
    server.fail_next(1, HTTPStatus.BAD_GATEWAY)

    first = _attempt("ls-remote", f"{server.url}/one.git", at=tmp_path)
    second = _attempt("ls-remote", f"{server.url}/one.git", at=tmp_path)

    assert (first.returncode != 0, second.returncode) == (True, 0)
    assert server.requests[0].status == HTTPStatus.BAD_GATEWAY


def test_many_clients_are_served_at_once(server: GitServer, tmp_path: Path) -> None:
    clients = [
        subprocess.Popen(["git", "clone", "--quiet", f"{server.url}/one.git", f"clone{number}"], cwd=tmp_path)
        for number in range(8)
    ]

    assert [client.wait(timeout=60) for client in clients] == [0] * 8
    assert server.packs_sent("one.git") == 8
