import http.server
import socketserver
import sys
import threading
from http import HTTPStatus
from pathlib import Path

import pytest

from demo.git_server import GitServer
from miniuv.errors import GitError
from miniuv.git.command import Git, clean_environment, with_patience, with_settings
from miniuv.git.refs import Listing
from miniuv.git.remote import Remote
from miniuv.git.transport import Transport
from miniuv.models.url import Url
from miniuv.process import SubprocessRunner
from miniuv.reporter import Activity, Reporter
from tests.support.git_repositories import GitRepository, git
from tests.support.git_room import RememberingRunner, open_room, plain_environment


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = GitRepository.create(tmp_path / "served" / "lib.git")
    repository.commit({"a": "1"})
    repository.tag("v1", annotated=True)
    repository.commit({"a": "2"})
    return repository


class Listener(Reporter):
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.notes: list[str] = []

    def progress(self, activity: Activity, detail: str) -> None:
        self.lines.append(detail)

    def note(self, message: str) -> None:
        self.notes.append(message)


def test_http_serves_refs_commits_and_tags(tmp_path: Path, repository: GitRepository) -> None:
    old = git("rev-parse", "main~1", at=repository.path)
    listener = Listener()
    with GitServer(tmp_path / "served") as server, open_room(tmp_path / "cache", reporter=listener) as room:
        url = f"{server.url}/lib.git"
        assert (room.checkout(url, old) / "a").read_text() == "1"
        assert (room.checkout(url, "main") / "a").read_text() == "2"
        assert server.packs_sent("lib.git") == 1
        copy = room.build_copy(url, "main", tmp_path / "copy")
        assert git("describe", at=copy).startswith("v1-1-g")
        with pytest.raises(GitError, match="has no commit"):
            room.checkout(url, "1" * 40)
    assert any("Receiving objects" in line for line in listener.lines)


@pytest.mark.parametrize("version", ["0", "1"])
def test_older_protocols_of_the_user_work_too(tmp_path: Path, repository: GitRepository, version: str) -> None:
    variables = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version", "GIT_CONFIG_VALUE_0": version}
    old = git("rev-parse", "main~1", at=repository.path)
    with open_room(tmp_path / "cache", environ=variables) as room:
        # over `file:` this server gives out nothing but the tips of its references
        assert (room.checkout(repository.url, old) / "a").read_text() == "1"
        with pytest.raises(GitError, match="has no commit"):
            room.checkout(repository.url, "1" * 40)


def test_credentials_in_the_address_work_and_are_seen_nowhere(tmp_path: Path, repository: GitRepository) -> None:
    listener = Listener()
    with (
        GitServer(tmp_path / "served", credentials=("us@er", "s/ecret:1")) as server,
        open_room(tmp_path / "cache", reporter=listener) as room,
    ):
        url = server.url.replace("://", "://us%40er:s%2Fecret%3A1@") + "/lib.git"
        assert (room.checkout(url, "main") / "a").read_text() == "2"
        room.build_copy(url, "main", tmp_path / "copy")
        with pytest.raises(GitError) as caught:
            room.checkout(url.replace("lib.git", "missing.git"))
        assert not any("ecret" in argument for argv in room.runner.commands for argument in argv)
        told = f"{caught.value} {caught.value.hint} {listener.lines} {listener.notes} {room.pin(url, 'main')!r}"
    assert "ecret" not in told
    kept = [path for folder in ("cache", "copy") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert not [path for path in kept if b"ecret" in path.read_bytes()]


def test_a_host_that_asks_for_a_password_is_an_error_at_once_that_says_what_to_do(
    tmp_path: Path, repository: GitRepository
) -> None:
    with (
        GitServer(tmp_path / "served", credentials=("user", "secret")) as server,
        open_room(tmp_path / "cache") as room,
    ):
        with pytest.raises(GitError, match="git could not list the references of") as caught:
            room.pin(f"{server.url}/lib.git")
        assert "credential helper" in str(caught.value.hint)
        assert room.runner.count("ls-remote") == 1
        with pytest.raises(GitError) as caught:
            room.pin(server.url.replace("://", "://user:wrong@") + "/lib.git")
        assert "does not accept the user and password" in str(caught.value.hint)


def test_the_users_credential_helper_is_used(tmp_path: Path, repository: GitRepository) -> None:
    (tmp_path / "home").mkdir()
    helper = '"!f() { echo username=user; echo password=secret; }; f"'
    (tmp_path / "home" / ".gitconfig").write_text(f"[credential]\n\thelper = {helper}\n")
    with (
        GitServer(tmp_path / "served", credentials=("user", "secret")) as server,
        open_room(tmp_path / "cache") as room,
    ):
        assert (room.checkout(f"{server.url}/lib.git") / "a").read_text() == "2"


def test_insteadof_of_the_users_file_and_of_the_environment_is_honoured(
    tmp_path: Path, repository: GitRepository
) -> None:
    with GitServer(tmp_path / "served") as server:
        variables = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{server.url}/.insteadOf",
            "GIT_CONFIG_VALUE_0": "https://host.invalid/org/",
        }
        with open_room(tmp_path / "cache", environ=variables) as room:
            assert (room.checkout("https://host.invalid/org/lib.git") / "a").read_text() == "2"
        (tmp_path / "home" / ".gitconfig").write_text(
            f'[url "{repository.path.parent.as_uri()}/"]\n\tinsteadOf = ssh://git@host.invalid/\n'
        )
        with open_room(tmp_path / "cache", environ=variables) as room:
            assert (room.checkout("ssh://git@host.invalid/lib.git") / "a").read_text() == "2"


@pytest.mark.parametrize(
    "address",
    [
        "https://host.invalid/org/lib.git",
        "https://host.invalid/org/deep/lib.git",
        "https://HOST.invalid/org/lib.git",
        "https://host.invalid/other.git",
        "ssh://git@host.invalid/org/lib.git",
    ],
)
def test_an_address_leads_where_git_says_it_does(tmp_path: Path, address: str) -> None:
    rewrites = [
        ("https://one.invalid/", "https://host.invalid/"),
        ("https://Two.invalid/a.b/", "https://host.invalid/org/deep/"),
        ("https://three.invalid/", "https://host.invalid/org/"),
        ("https://four.invalid/", "ssh://git@host.invalid/"),
        ("https://five.invalid/", "ssh://git@host.invalid/"),
    ]
    variables = {"GIT_CONFIG_COUNT": str(len(rewrites))}
    for number, (base, begin) in enumerate(rewrites):
        variables |= {f"GIT_CONFIG_KEY_{number}": f"URL.{base}.insteadOf", f"GIT_CONFIG_VALUE_{number}": begin}
    environ = {**plain_environment(tmp_path), **variables}
    ours = Git(runner=SubprocessRunner(), environ=environ, directory=tmp_path)
    told = ours.run("ls-remote", "--get-url", address, what="tell an address").decode().strip()
    assert ours.rewritten(address) == told


def test_a_repository_without_submodules_is_fetched_and_checked_out_by_few_processes(
    tmp_path: Path, repository: GitRepository
) -> None:
    with open_room(tmp_path / "cache") as room:
        room.build_copy(repository.url, repository.head(), tmp_path / "copy")
        commands = ["version", "--get-regexp", "fetch", "cat-file", "for-each-ref", "read-tree"]
        assert [room.runner.count(command) for command in commands] == [1] * len(commands)
        assert len(room.runner.commands) == len(commands)


def test_insteadof_cannot_lead_to_a_remote_helper(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    marker = tmp_path / "helper-was-run"
    (tmp_path / "home" / ".gitconfig").write_text(
        f'[url "ext::touch {marker} "]\n\tinsteadOf = https://host.invalid/\n'
    )
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match="does not use"):
        room.pin("https://host.invalid/lib.git")
    assert not marker.exists()


def test_a_redirect_to_a_file_is_not_followed(tmp_path: Path, repository: GitRepository) -> None:
    class Redirecting(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"{repository.url}/info/refs?service=git-upload-pack")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with _Server(Redirecting) as url, open_room(tmp_path / "cache") as room, pytest.raises(GitError):
        room.pin(f"{url}/lib.git")


def test_a_host_that_only_serves_files_works(tmp_path: Path, repository: GitRepository) -> None:
    git("update-server-info", at=repository.path)

    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "served"))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    with _Server(Files) as url, open_room(tmp_path / "cache") as room:
        copy = room.build_copy(f"{url}/lib.git", "main", tmp_path / "copy")
        assert git("describe", at=copy).startswith("v1-1-g")


def test_ssh_is_used_with_the_users_command(tmp_path: Path, repository: GitRepository) -> None:
    command = tmp_path / "fake ssh"
    command.write_text(f'#!{sys.executable}\nimport os, sys\nos.execvp("sh", ["sh", "-c", sys.argv[-1]])\n')
    command.chmod(0o755)
    url = f"ssh://git@host.invalid{repository.path}"
    with open_room(tmp_path / "cache", environ={"GIT_SSH_COMMAND": f"'{command}'"}) as room:
        assert (room.checkout(url, "main") / "a").read_text() == "2"
    (tmp_path / "home" / ".gitconfig").write_text(f"[core]\n\tsshCommand = '{command}'\n")
    with open_room(tmp_path / "cache2") as room:
        assert (room.checkout(url, "main") / "a").read_text() == "2"
        assert all("GIT_SSH_COMMAND" not in environment for environment in room.runner.environments)


def test_git_and_ssh_never_ask_and_never_wait_for_ever() -> None:
    plain = with_patience(clean_environment({"SSH_ASKPASS": "x"}, directory=Path("/cache")), configured="")
    assert "BatchMode=yes" in plain["GIT_SSH_COMMAND"]
    assert plain["GIT_TERMINAL_PROMPT"] == "0"
    assert plain["GIT_HTTP_LOW_SPEED_TIME"] == "60"
    assert "SSH_ASKPASS" not in plain


def test_what_the_user_has_set_for_ssh_and_for_slow_hosts_stays() -> None:
    configured = "core.sshcommand\nmy ssh\0http.https://h/.lowspeedtime\n600\0"
    assert not {"GIT_SSH_COMMAND", "GIT_HTTP_LOW_SPEED_TIME"} & with_patience({}, configured=configured).keys()
    assert with_patience({"GIT_SSH": "my ssh"}, configured="").keys() >= {"GIT_SSH"}
    assert "GIT_SSH_COMMAND" not in with_patience({"GIT_SSH": "my ssh"}, configured="")


def test_settings_are_added_to_those_of_the_environment() -> None:
    user = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"}
    both = with_settings(user, {"d.e": "f"})
    assert both == user | {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_1": "d.e", "GIT_CONFIG_VALUE_1": "f"}
    assert with_settings({"GIT_CONFIG_COUNT": "junk"}, {}) == {"GIT_CONFIG_COUNT": "junk"}


def test_variables_of_a_surrounding_git_are_left_out(tmp_path: Path, repository: GitRepository) -> None:
    variables = {
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": "/",
        "GIT_INDEX_FILE": "x",
        "GIT_OBJECT_DIRECTORY": "y",
        "SSH_ASKPASS": "/bin/false",
    }
    with open_room(tmp_path / "cache", environ=variables) as room:
        assert (room.checkout(repository.url) / "a").read_text() == "2"
    assert not (tmp_path / "elsewhere").exists()


def test_network_errors_are_tried_again_and_others_are_not(tmp_path: Path, repository: GitRepository) -> None:
    pauses: list[float] = []
    listener = Listener()
    with GitServer(tmp_path / "served") as server:
        runner = RememberingRunner()
        environ = plain_environment(tmp_path / "home")
        transport = Transport(
            git=Git(runner=runner, environ=environ, directory=tmp_path), reporter=listener, sleep=pauses.append
        )
        remote = Remote.of(Url.parse(f"{server.url}/lib.git"))
        server.fail_next(2)
        listing: Listing = transport.references(remote)
        assert listing.resolve("main") == repository.head()
        assert len(pauses) == 2
        assert all("503" in note for note in listener.notes)
        server.fail_next(3, HTTPStatus.BAD_GATEWAY)
        with pytest.raises(GitError, match="502"):
            transport.references(remote)
        server.fail_next(1, HTTPStatus.FORBIDDEN)
        before = len(runner.commands)
        with pytest.raises(GitError, match="403"):
            transport.references(remote)
        assert len(runner.commands) == before + 1


def test_an_unreachable_host_is_named(tmp_path: Path) -> None:
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match=r"host\.invalid") as caught:
        room.pin("https://host.invalid/lib.git")
    assert "network" in str(caught.value.hint)


def test_a_missing_repository_is_named(tmp_path: Path) -> None:
    with open_room(tmp_path / "cache") as room, pytest.raises(GitError, match="not appear to be a git") as caught:
        room.pin((tmp_path / "missing").as_uri())
    assert caught.value.hint


def test_no_git_on_path_says_how_to_get_it(tmp_path: Path) -> None:
    with open_room(tmp_path / "cache", environ={"PATH": str(tmp_path)}) as room:
        with pytest.raises(GitError, match="no `git` on PATH") as caught:
            room.pin("https://host.invalid/lib.git")
        assert "install git" in str(caught.value.hint)


def test_a_git_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho git version 2.30.9\n")
    old.chmod(0o755)
    with open_room(tmp_path / "cache", environ={"PATH": str(old.parent)}) as room:
        with pytest.raises(GitError, match=r"git 2\.30 is too old: miniuv needs 2\.31"):
            room.pin("https://host.invalid/lib.git")
        assert len(room.runner.commands) == 1


class _Server:
    """A plain HTTP server on loopback."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
