from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from miniuv.errors import MiniuvError, PackageIndexError, SettingsError
from miniuv.index.client import HttpClient
from miniuv.index.credentials import Credentials
from miniuv.models.url import Url
from miniuv.settings import Settings
from tests.index.conftest import Heard, OpenIndex
from tests.support.simple_index import Reply, SimpleIndex

FOO = canonicalize_name("foo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "served"
    files.mkdir()
    (files / "foo-1.0.tar.gz").write_bytes(b"foo")
    return files


def to(address: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": address})


def with_login(address: str, login: str = "me:hunter2%40") -> str:
    return address.replace("://", f"://{login}@")


def test_redirects_are_followed_relative_and_absolute(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server, SimpleIndex(folder) as mirror:
        server.canned["/simple/foo/"] = [to("/elsewhere/")]
        server.canned["/elsewhere/"] = [to(f"{mirror.root}/simple/foo/", 308)]
        (file,) = open_index(server.url).files(FOO)
        assert str(file.url).startswith(mirror.root)


def test_endless_redirects_end(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned["/simple/foo/"] = [to("/simple/foo/")] * 50
        with pytest.raises(PackageIndexError, match="more than 10 redirects"):
            open_index(server.url).files(FOO)
        assert len(server.paths()) == 11


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://host/x", "javascript:alert(1)", "http://host:99999/"])
def test_a_redirect_to_another_kind_of_address_is_refused(address: str, folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned["/simple/foo/"] = [to(address)]
        with pytest.raises(PackageIndexError):
            open_index(server.url).files(FOO)


def test_the_login_of_an_index_serves_for_its_files(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, login=("me", "hunter2@")) as server:
        index = open_index(with_login(server.url))
        (file,) = index.files(FOO)
        assert index.download(file).path.read_bytes() == b"foo"
        assert "hunter2" not in f"{file!r} {index.places}"


def test_a_login_never_follows_to_another_host(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, login=("me", "hunter2@")) as server, SimpleIndex(folder) as other:
        server.canned["/simple/foo/"] = [to(f"{other.root}/simple/foo/")]
        open_index(with_login(server.url)).files(FOO)
        assert "authorization" in server.asked[0].headers
        assert "authorization" not in other.asked[0].headers


def test_a_login_of_netrc_is_used(folder: Path, open_index: OpenIndex, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2")
    with SimpleIndex(folder, login=("me", "hunter2")) as server:
        assert open_index(server.url).files(FOO)


def test_a_broken_netrc_is_no_login(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine")
    assert Credentials(environ={"HOME": str(tmp_path)}).find("https://host/") is None


def test_a_password_is_in_no_message_and_no_file(
    folder: Path, open_index: OpenIndex, heard: Heard, tmp_path: Path
) -> None:
    with SimpleIndex(folder) as server:
        server.canned["/simple/foo/"] = [Reply(status=503), Reply(status=401)]
        with pytest.raises(PackageIndexError) as caught:
            open_index(with_login(server.url)).files(FOO)
        open_index(with_login(server.url)).files(FOO)
    assert "hunter2" not in f"{caught.value} {caught.value.hint} {heard}"
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"hunter2" in path.read_bytes()]


def test_a_host_that_is_not_there_is_named_with_a_hint(open_index: OpenIndex) -> None:
    with pytest.raises(PackageIndexError) as caught:
        open_index("http://127.0.0.1:9/simple/", retries=1).files(FOO)
    assert "`http://127.0.0.1:9` cannot be reached" in caught.value.message
    assert "proxy" in (caught.value.hint or "")


def test_a_host_that_says_nothing_is_given_up(folder: Path, open_index: OpenIndex) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple/"
        with pytest.raises(PackageIndexError, match=r"did not answer within 0\.2 s"):
            open_index(address, timeout=0.2, retries=0).files(FOO)


def test_a_compressed_page_is_unpacked_and_a_lie_about_it_is_an_error(folder: Path, open_index: OpenIndex) -> None:
    import gzip

    with SimpleIndex(folder, form="html") as server:
        page = gzip.compress(b'<a href="foo-1.0.tar.gz">foo</a>')
        headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
        server.canned["/simple/foo/"] = [Reply(body=b"no gzip", headers=headers), Reply(body=page, headers=headers)]
        assert len(open_index(server.url).files(FOO)) == 1
        server.canned["/simple/bar/"] = [Reply(body=b"no gzip", headers=headers)] * 9
        with pytest.raises(PackageIndexError):
            open_index(server.url, retries=1).files(canonicalize_name("bar"))


def test_the_proxy_of_the_environment_is_used(
    folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimpleIndex(folder) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.root)
        (file,) = open_index("http://nowhere.invalid/simple/").files(FOO)
        assert proxy.paths() == ["http://nowhere.invalid/simple/foo/"]
        assert str(file.url) == "http://nowhere.invalid/files/foo-1.0.tar.gz"


def test_the_proxy_of_the_settings_is_used(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as proxy:
        index = open_index("http://nowhere.invalid/simple/", proxy=Url.parse(proxy.root))
        assert index.files(FOO)


def test_an_unknown_certificate_is_refused_at_once_with_a_hint(
    folder: Path, open_index: OpenIndex, certificate: Path, heard: Heard
) -> None:
    with SimpleIndex(folder, certificate=certificate) as server:
        with pytest.raises(PackageIndexError) as caught:
            open_index(server.url).files(FOO)
        assert "certificate" in caught.value.message
        assert "--cert" in (caught.value.hint or "")
        assert not [note for note in heard.notes if "again" in note]  # no retry mends a certificate


def test_a_named_certificate_and_a_trusted_host_are_accepted(
    folder: Path, open_index: OpenIndex, certificate: Path
) -> None:
    with SimpleIndex(folder, certificate=certificate) as server:
        assert open_index(server.url, cert=certificate).files(FOO)
        open_index(server.url, refresh=True, trusted_hosts=("127.0.0.1",)).files(FOO)
        port = server.root.rpartition(":")[2]
        open_index(server.url, refresh=True, trusted_hosts=(f"127.0.0.1:{port}",)).files(FOO)
        assert len(server.paths()) == 3
        with pytest.raises(PackageIndexError, match="certificate"):
            open_index(server.url, refresh=True, trusted_hosts=("127.0.0.1:1",)).files(FOO)


def test_a_redirect_from_https_to_http_is_refused(folder: Path, open_index: OpenIndex, certificate: Path) -> None:
    with SimpleIndex(folder, certificate=certificate) as server, SimpleIndex(folder) as plain:
        server.canned["/simple/foo/"] = [to(f"{plain.root}/simple/foo/")] * 2
        with pytest.raises(PackageIndexError, match="from https to plain http") as caught:
            open_index(server.url, cert=certificate).files(FOO)
        assert "--trusted-host 127.0.0.1" in (caught.value.hint or "")
        assert plain.paths() == []


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_named(
    text: str | None, tmp_path: Path, make_settings: Callable[..., Settings]
) -> None:
    bundle = tmp_path / "bundle.pem"
    if text is not None:
        bundle.write_text(text)
    settings = make_settings("https://127.0.0.1:9/simple/", cert=bundle)
    with HttpClient(settings, environ={}) as client, pytest.raises(SettingsError) as caught:
        client.get(settings.index_url, limit=1)
    assert caught.value.where == str(bundle)


@pytest.mark.parametrize("address", ["http://host:99999/", "http://\N{SNOWMAN}..com/", "http:///x"])
def test_an_address_that_cannot_be_asked_is_no_traceback(address: str, make_settings: Callable[..., Settings]) -> None:
    with HttpClient(make_settings(retries=0), environ={}) as client, pytest.raises(MiniuvError):
        client.get(Url.parse(address), limit=1)
