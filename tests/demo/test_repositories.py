"""The demo's repositories are always the same, and they are what the fixtures pin."""

import hashlib
import os
import re
import threading
import tomllib
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from demo.index_alone import load_index_alone
from demo.repositories import PROJECTS, UPSTREAM, make_repositories
from demo.sdists import fetch_sdists
from demo.workshop import CHECKOUT, FIXTURES
from miniuv.errors import GitError, HashMismatchError
from tests.support.git_repositories import git

pytestmark = pytest.mark.index


def _dependencies(project: str) -> list[str]:
    data = tomllib.loads((FIXTURES / project / "pyproject.toml").read_text())
    dependencies: list[str] = data["project"]["dependencies"]
    return dependencies


def _pins(project: str) -> dict[str, str]:
    pattern = re.compile(
        rf"(?P<name>\S+) @ git\+{re.escape(UPSTREAM)}(?P=name)\.git@(?P<commit>[0-9a-f]{{40}})(\s*;.*)?"
    )
    found = [pattern.fullmatch(dependency) for dependency in _dependencies(project)]
    return {match["name"]: match["commit"] for match in found if match}


def _fetch(cache: Path, environ: Mapping[str, str]) -> dict[str, Path]:
    return fetch_sdists(load_index_alone(environ, cache=cache, directory=CHECKOUT), environ=environ)


@pytest.fixture(scope="module")
def sdists(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return _fetch(tmp_path_factory.mktemp("sdists"), os.environ)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user whose umask, line endings, excludes, templates and identity are all unusual."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "excludes").write_text("*.py\n*.toml\n")
    (home / "template").mkdir()
    (home / "template" / "HEAD").write_text("ref: refs/heads/elsewhere\n")
    (home / ".gitconfig").write_text(
        "[core]\n autocrlf = true\n fileMode = false\n"
        f" excludesFile = {home / 'excludes'}\n"
        f"[init]\n templateDir = {home / 'template'}\n"
        "[i18n]\n commitEncoding = latin1\n"
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_AUTHOR_NAME", "somebody else")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "1 +0100")
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    before = os.umask(0o077)
    yield home
    os.umask(before)


def test_the_fixtures_pin_what_is_made_here(sdists: Mapping[str, Path], tmp_path: Path) -> None:
    commits = make_repositories(tmp_path, sdists=sdists, environ=os.environ)

    assert _pins("proj1") == _pins("proj2") == commits


def test_the_ids_are_the_same_for_an_unusual_user(sdists: Mapping[str, Path], hostile: Path, tmp_path: Path) -> None:
    commits = make_repositories(tmp_path / "repositories", sdists=sdists, environ=os.environ)

    assert _pins("proj1") == commits


def test_the_repositories_are_sound_and_can_be_asked_for_by_branch_and_tag(
    sdists: Mapping[str, Path], tmp_path: Path
) -> None:
    commits = make_repositories(tmp_path, sdists=sdists, environ=os.environ)

    for project in PROJECTS:
        repository = tmp_path / project.repository
        git("fsck", "--strict", at=repository)
        assert git("rev-parse", "HEAD", at=repository) == commits[project.name]
        assert git("rev-parse", project.version, at=repository) == commits[project.name]
        modes = {line.split()[0] for line in git("ls-tree", "-r", "HEAD", at=repository).splitlines()}
        assert modes == {"100644", "100755"}


def test_the_second_fixture_names_the_repositories_in_the_opposite_order() -> None:
    assert list(_pins("proj1")) == ["gunicorn", "python-swiftclient"]
    assert list(_pins("proj2")) == ["python-swiftclient", "gunicorn"]
    assert all(d.endswith("; sys_platform != 'win32'") for d in _dependencies("proj1") if d.startswith("gunicorn"))


def test_the_sdists_are_those_whose_digests_stand_in_the_code(sdists: Mapping[str, Path]) -> None:
    for project in PROJECTS:
        assert hashlib.sha256(sdists[project.name].read_bytes()).hexdigest() == project.sha256


def test_no_git_on_the_path_is_told(sdists: Mapping[str, Path], tmp_path: Path) -> None:
    with pytest.raises(GitError, match="there is no `git` on PATH"):
        make_repositories(tmp_path / "made", sdists=sdists, environ={"PATH": str(tmp_path)})


@pytest.fixture
def lying_index(tmp_path: Path) -> Iterator[str]:
    """An index that has the names, and other bytes behind them."""
    root = tmp_path / "index"
    for project in PROJECTS:
        page = root / project.name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f'<a href="{project.sdist}">{project.sdist}</a>')
        (page.parent / project.sdist).write_bytes(b"something else")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_an_index_with_other_bytes_is_refused(lying_index: str, tmp_path: Path) -> None:
    with pytest.raises(HashMismatchError, match="is not the file that the fixtures are made from"):
        _fetch(tmp_path / "cache", {**os.environ, "MINIUV_INDEX_URL": lying_index})
