"""Pages that are asked about without the client of the normal path: what counts as unchanged, and what never does."""

import gzip
import threading
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from miniuv.index.client import HttpClient
from miniuv.index.dial import USER_AGENT
from miniuv.index.simple import ACCEPT
from miniuv.models.url import Url
from miniuv.replay.confirm import confirmed
from miniuv.settings import Settings
from tests.index.conftest import OpenIndex
from tests.support.simple_index import Reply, SimpleIndex

FOO = canonicalize_name("foo")
PAGE = b"what was there " * 1000


def question(
    server: SimpleIndex, page: bytes = PAGE, *, name: str = "foo", etag: str = "", cert: Path | str = ""
) -> tuple[str, ...]:
    return ACCEPT, f"{server.url}{name}/", sha256(page).hexdigest(), etag, "", "5.0", str(cert)


def unchanged(questions: Sequence[Sequence[str]]) -> bool:
    return confirmed(questions, cache="", environ={})


def answered(folder: Path, reply: Reply, *, etag: str = "") -> bool:
    """What comes of one page that is answered so."""
    with SimpleIndex(folder) as server:
        server.canned["/simple/foo/"] = [reply]
        return unchanged([question(server, etag=etag)])


ZIPPED = {"Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=PAGE),
        Reply(body=gzip.compress(PAGE), headers=ZIPPED),
        Reply(body=PAGE, headers={"Connection": "close"}),
    ],
)
def test_the_same_content_is_unchanged(tmp_path: Path, reply: Reply) -> None:
    assert answered(tmp_path, reply)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=PAGE + b"!"),
        Reply(body=b""),
        Reply(body=PAGE, cut=100),
        Reply(body=gzip.compress(PAGE)[:-9], headers=ZIPPED),
        Reply(body=PAGE, headers=ZIPPED),
        Reply(body=PAGE, headers={"Content-Encoding": "br"}),
        Reply(status=203, body=PAGE),
        Reply(status=304),
        Reply(status=302, headers={"Location": "/simple/foo/"}),
        Reply(status=401),
        Reply(status=404, body=PAGE),
        Reply(status=503, body=PAGE),
    ],
)
def test_any_other_answer_is_left_to_the_normal_path(tmp_path: Path, reply: Reply) -> None:
    assert not answered(tmp_path, reply)


def test_a_server_that_knows_the_tag_need_not_send_the_page(tmp_path: Path) -> None:
    assert answered(tmp_path, Reply(status=304), etag='"x"')


def test_a_page_longer_than_any_is_left_to_the_normal_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniuv.index.asking.PAGE_LIMIT", len(PAGE) - 1)
    assert not answered(tmp_path, Reply(body=PAGE))


def test_one_page_that_differs_is_enough(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path) as server:
        names = [f"name{number}" for number in range(40)]
        server.canned |= {f"/simple/{name}/": [Reply(body=PAGE)] for name in names}
        server.canned["/simple/name39/"] = [Reply(body=b"new")]
        assert not unchanged([question(server, name=name) for name in names])


def test_every_page_is_asked_for_once_over_few_connections(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path) as server:
        names = [f"name{number}" for number in range(60)]
        server.canned |= {f"/simple/{name}/": [Reply(body=PAGE)] for name in names}
        before = threading.active_count()

        assert unchanged([question(server, name=name) for name in names])

        assert sorted(server.paths()) == sorted(f"/simple/{name}/" for name in names)
        assert threading.active_count() <= before + 16  # those of the server, one for each connection


def test_a_server_that_is_not_there_is_left_to_the_normal_path(tmp_path: Path) -> None:
    with SimpleIndex(tmp_path) as server:
        asked = question(server)
    assert not unchanged([asked])


def test_a_certificate_that_is_not_trusted_is_left_to_the_normal_path(tmp_path: Path, certificate: Path) -> None:
    with SimpleIndex(tmp_path, certificate=certificate) as server:
        server.canned["/simple/foo/"] = [Reply(body=PAGE)] * 2
        assert not unchanged([question(server)])
        assert unchanged([question(server, cert=certificate)])
        assert not unchanged([question(server, cert=tmp_path / "nothing")])


def test_it_asks_as_the_client_of_the_normal_path_does(tmp_path: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(tmp_path, etag=True) as server:
        (tmp_path / "foo-1.0.tar.gz").write_bytes(b"foo")
        index = open_index(server.url)
        index.files(FOO)
        pages = index.consulted()
        assert pages is not None
        ((action, body),) = pages.bodies.items()
        asked = index.question(action, body)
        assert asked is not None

        assert unchanged([asked])

        first, second = (dict(each.headers) for each in server.asked)
        assert second.pop("if-none-match")
        assert first == second
        assert first["user-agent"] == USER_AGENT


MakeSettings = Callable[..., Settings]
INDEX = "https://index.example/simple/"
ADDRESS = Url.parse(f"{INDEX}foo/")


def test_how_to_ask_is_told_where_nothing_stands_between(make_settings: MakeSettings, tmp_path: Path) -> None:
    with HttpClient(make_settings(INDEX, cert=Path("/own.pem")), environ={"HOME": str(tmp_path)}) as client:
        assert client.way(ADDRESS) == ("5.0", "/own.pem")


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (INDEX, {"proxy": Url.parse("http://proxy.example")}),
        (INDEX, {"trusted_hosts": ("index.example",)}),
        ("https://me:word@index.example/simple/", {}),
    ],
)
def test_proxies_passwords_and_exceptions_are_left_to_the_client_of_the_normal_path(
    make_settings: MakeSettings, tmp_path: Path, index: str, changes: dict[str, object]
) -> None:
    with HttpClient(make_settings(index, **changes), environ={"HOME": str(tmp_path)}) as client:
        assert client.way(ADDRESS) is None


def test_a_proxy_of_the_environment_is_left_to_it(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    with HttpClient(make_settings(INDEX), environ={"HOME": str(tmp_path)}) as client:
        assert client.way(ADDRESS) is None


def test_a_password_of_netrc_is_left_to_it(make_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine index.example login me password word")
    with HttpClient(make_settings(INDEX), environ={"HOME": str(tmp_path)}) as client:
        assert client.way(ADDRESS) is None
