"""Git requirements from the command line to the environment, as a user writes them."""

import json
import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from demo.git_server import GitServer
from tests.support.commands import Said, World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_project


@pytest.fixture
def repository(world: World) -> GitRepository:
    """Version 1 is tagged, version 2 is on a branch, 3 is what `main` is at."""
    made = GitRepository.create(world.folder / "repositories" / "one.git")
    made.commit(project_files("one", "1.0"))
    made.tag("v1", annotated=True)
    made.commit(project_files("one", "2.0"), branch="feature/two")
    made.commit(project_files("one", "3.0"))
    return made


@pytest.fixture
def served(repository: GitRepository) -> Iterator[str]:
    with GitServer(repository.path.parent) as server:
        yield f"{server.url}/one.git"


@pytest.fixture
def spied(world: World) -> Path:
    """A log of every git process that is started from now on."""
    tools, log = world.folder / "tools", world.folder / "git.log"
    tools.mkdir()
    real = next(path for folder in os.environ["PATH"].split(os.pathsep) if (path := Path(folder, "git")).exists())
    (tools / "git").write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {real} "$@"\n')
    (tools / "git").chmod(0o755)
    world.environ["PATH"] = f"{tools}{os.pathsep}{world.environ['PATH']}"
    log.touch()
    return log


def recorded(world: World, name: str = "one") -> dict[str, object]:
    (info,) = (world.folder / ".venv").rglob(f"{name}-*.dist-info")
    found = json.loads((info / "direct_url.json").read_text())
    assert isinstance(found, dict)
    return found


def refused(world: World, requirement: str) -> Said:
    said = world.miniuv("pip", "install", requirement)
    assert said.code == 1, said.err
    assert "\nhint: " in said.err
    assert world.installed() == {}
    return said


@pytest.mark.parametrize(
    ("ref", "version"),
    [
        ("", "3.0"),
        ("@main", "3.0"),
        ("@feature/two", "2.0"),
        ("@feature%2Ftwo", "2.0"),
        ("@v1", "1.0"),
        ("@refs/heads/feature/two", "2.0"),
        ("@refs/tags/v1", "1.0"),
    ],
)
def test_every_kind_of_ref_is_installed_and_recorded_with_its_commit(
    world: World, repository: GitRepository, served: str, ref: str, version: str
) -> None:
    world.install(f"one @ git+{served}{ref}")
    assert world.installed() == {"one": version}
    commits = {"1.0": "v1^{commit}", "2.0": "feature/two", "3.0": "main"}
    info = recorded(world)["vcs_info"]
    assert isinstance(info, dict)
    from tests.support.git_repositories import git

    assert info["commit_id"] == git("rev-parse", commits[version], at=repository.path)
    asked = ref.removeprefix("@").replace("%2F", "/")
    assert info.get("requested_revision") == (asked or None)


def test_a_full_commit_is_installed_from_a_folder_without_any_server(world: World, repository: GitRepository) -> None:
    commit = repository.head("feature/two")
    said = world.install(f"git+{repository.url}@{commit}")
    assert f" + one==2.0 (from git+{repository.url}@{commit})" in said.err.splitlines()
    assert recorded(world)["url"] == repository.url


def test_two_packages_of_one_repository_are_installed_from_their_folders(world: World) -> None:
    files = {
        f"packages/{name}/{path}": text
        for name in ("left", "right")
        for path, text in project_files(name, dynamic=True).items()
    }
    repository = GitRepository.create(world.folder / "both.git")
    commit = repository.commit(files)
    said = world.install(
        f"left @ git+{repository.url}#subdirectory=packages/left",
        f"right @ git+{repository.url}@main#egg=right&subdirectory=packages/right",
    )
    assert said.err.count("Fetched") <= 2
    assert world.installed() == {"left": "1.0", "right": "1.0"}
    assert recorded(world, "right")["subdirectory"] == "packages/right"
    assert world.evaluate("import left, right; print(right.__version__)") == "1.0"
    assert f"git+{repository.url}@{commit}#subdirectory=packages/right" in said.err


def test_insteadof_of_the_users_git_configuration_is_honoured(world: World, served: str) -> None:
    root = served.removesuffix("one.git")
    world.environ |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{root}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://code.invalid/team/",
    }
    world.install("one @ git+https://code.invalid/team/one.git@v1")
    assert recorded(world)["url"] == "https://code.invalid/team/one.git"
    assert world.miniuv("pip", "freeze").out.startswith("one @ git+https://code.invalid/team/one.git@")


def test_a_new_commit_of_the_same_version_is_installed(world: World, repository: GitRepository, served: str) -> None:
    world.install(f"one @ git+{served}")
    repository.commit(project_files("one", "3.0", source="__version__ = 'newer'\n"))
    said = world.install("-v", f"one @ git+{served}")
    assert "commit changed from" in said.err
    assert f" - one==3.0 (from git+{served}@" in said.err
    assert world.evaluate("import one; print(one.__version__)") == "newer"


def test_an_installed_commit_is_kept_without_any_git(
    world: World, served: str, repository: GitRepository, spied: Path
) -> None:
    requirement = f"one @ git+{served}@{repository.head()}"
    world.install(requirement)
    assert spied.read_text() != ""
    spied.write_text("")
    said = world.install(requirement)
    assert spied.read_text() == ""
    assert "Audited 1 package in " in said.err


def test_what_the_cache_has_is_installed_elsewhere_without_the_server(world: World, repository: GitRepository) -> None:
    with GitServer(repository.path.parent) as server:
        requirement = f"one @ git+{server.url}/one.git@{repository.head()}"
        world.install(requirement)
    world.miniuv("pip", "uninstall", "one")
    world.install(requirement)
    assert world.installed() == {"one": "3.0"}


def test_the_project_is_called_by_name_and_address_when_it_is_built(world: World, repository: GitRepository) -> None:
    said = world.install(f"one @ git+{repository.url}")
    assert f"      Built one @ git+{repository.url}@{repository.head()} in " in said.err


def test_a_git_requirement_of_an_editable_is_installed(world: World, repository: GitRepository) -> None:
    write_project(world.folder, "two", dependencies=[f"one @ git+{repository.url}@v1"])
    world.install("-e", "two")
    assert world.installed() == {"one": "1.0", "two": "1.0"}
    assert world.pip("check").code == 0


def test_an_unknown_ref_is_told_with_what_there_is(world: World, served: str) -> None:
    said = refused(world, f"one @ git+{served}@featre/two")
    assert "featre/two" in said.err
    assert "feature/two" in said.err.partition("\nhint: ")[2]


def test_an_unknown_folder_of_a_repository_is_told(world: World, served: str) -> None:
    assert "packages/one" in refused(world, f"one @ git+{served}#subdirectory=packages/one").err


def test_an_unknown_repository_is_told_with_its_address(world: World, served: str) -> None:
    url = served.replace("one.git", "nosuch.git")
    assert url in refused(world, f"one @ git+{url}").err


class _AsksForPassword(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="code"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_host_that_asks_for_a_password_is_refused_at_once_with_advice(world: World) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _AsksForPassword)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        began = time.monotonic()
        said = refused(world, f"one @ git+http://127.0.0.1:{server.server_port}/one.git")
        assert time.monotonic() - began < 10
    finally:
        server.shutdown()
        server.server_close()
    hint = said.err.partition("\nhint: ")[2]
    assert "credential" in hint or "ssh" in hint
    assert f"127.0.0.1:{server.server_port}" in said.err
