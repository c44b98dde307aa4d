"""Indexes and downloads that mean no good, or are broken: refused or passed over, nothing wrong kept (I1 to I9)."""

import gzip
import hashlib
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import World
from tests.support.refusals import refused
from tests.support.simple_index import JSON_TYPE, Reply, SimpleIndex
from tests.support.wheels import make_wheel

WHEEL = "one-1.0-py3-none-any.whl"
HTML = {"Content-Type": "text/html"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniuv.index.client.BACKOFF_SECONDS", 0.01)


@pytest.fixture
def wheel(index: SimpleIndex) -> bytes:
    return make_wheel(index.folder, "one", "1.0").read_bytes()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[SimpleIndex]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    with SimpleIndex(folder) as server:
        yield server


def page(*files: dict[str, Any]) -> Reply:
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "one", "files": files}).encode()
    return Reply(body=body, headers={"Content-Type": JSON_TYPE})


def entry(wheel: bytes, **changes: object) -> dict[str, Any]:
    digest = hashlib.sha256(wheel).hexdigest()
    return {"filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {"sha256": digest}, **changes}


def cached(world: World, digest: str) -> bool:
    return any(digest in path.name for path in Path(world.environ["MINIUV_CACHE_DIR"]).rglob("*"))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
def test_i1_bytes_that_are_not_what_the_page_promised(
    indexed: World, index: SimpleIndex, wheel: bytes, algorithm: str
) -> None:
    wrong = hashlib.new(algorithm, b"something else").hexdigest()
    index.canned["/simple/one/"] = [page(entry(wheel, hashes={algorithm: wrong}))]
    refused(indexed, "pip", "install", "one", says=(WHEEL, algorithm, wrong))
    asked = [each.headers.get("cache-control") for each in index.asked if each.path == f"/files/{WHEEL}"]
    assert (asked[0], asked[-1]) == (None, "no-cache")
    assert len(asked) <= 4
    assert not cached(indexed, hashlib.sha256(wheel).hexdigest())


@pytest.mark.parametrize("form", ["fragment", "option"])
def test_i1_bytes_that_are_not_what_the_user_promised(
    indexed: World, index: SimpleIndex, wheel: bytes, form: str
) -> None:
    wrong = hashlib.sha256(b"something else").hexdigest()
    if form == "fragment":
        refused(indexed, "pip", "install", f"one @ {index.root}/files/{WHEEL}#sha256={wrong}", says=(WHEEL, wrong))
    else:
        (indexed.folder / "r.txt").write_text(f"one==1.0 --hash=sha256:{wrong}\n")
        refused(indexed, "pip", "install", "-r", "r.txt", says=("one",))
    assert not cached(indexed, hashlib.sha256(wheel).hexdigest())


def test_i2_a_login_stays_with_its_host_and_a_redirect_ends(
    indexed: World, index: SimpleIndex, elsewhere: SimpleIndex
) -> None:
    make_wheel(elsewhere.folder, "one", "1.0")
    index.canned["/simple/one/"] = [Reply(status=302, headers={"Location": f"{elsewhere.root}/simple/one/"})]
    url = index.url.replace("://", "://me:hunter2@")
    indexed.install("one", "--index-url", url)
    assert "authorization" in index.asked[0].headers
    assert elsewhere.asked
    assert not any("authorization" in asked.headers for asked in elsewhere.asked)
    index.canned["/simple/two/"] = [Reply(status=302, headers={"Location": "/simple/two/"})] * 20
    refused(indexed, "pip", "install", "two", says=("more than 10 redirects",))


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "javascript:alert(1)", "http://[::1/x"])
def test_i2_a_redirect_to_what_is_no_address_of_the_network(indexed: World, index: SimpleIndex, target: str) -> None:
    index.canned["/simple/one/"] = [Reply(status=302, headers={"Location": target})] * 9
    refused(indexed, "pip", "install", "one", says=("/simple/one/",))


def _bomb(layers: int) -> bytes:
    deflate = zlib.compressobj(9, wbits=31)
    data = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(80)) + deflate.flush()
    return gzip.compress(data) if layers == 2 else data


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        pytest.param(Reply(headers={"Content-Type": JSON_TYPE}), "no JSON", id="empty"),
        pytest.param(Reply(body=b'{"files": [', headers={"Content-Type": JSON_TYPE}), "no JSON", id="truncated"),
        pytest.param(Reply(body=b'{"files": 3}', headers={"Content-Type": JSON_TYPE}), "no JSON", id="wrong types"),
        pytest.param(Reply(body=b"[" * 100_000, headers={"Content-Type": JSON_TYPE}), "no JSON", id="deep"),
        pytest.param(Reply(body=b"%PDF", headers={"Content-Type": "application/pdf"}), "no package page", id="pdf"),
        pytest.param(Reply(body=b"x"), "no package page", id="no type"),
        pytest.param(
            Reply(body=_bomb(1), headers={**HTML, "Content-Encoding": "gzip"}), "longer than 64 MiB", id="bomb"
        ),
        pytest.param(
            Reply(body=_bomb(2), headers={**HTML, "Content-Encoding": "gzip, gzip"}), "gzip, gzip", id="double bomb"
        ),
    ],
)
def test_i3_a_page_that_is_none(
    indexed: World, index: SimpleIndex, elsewhere: SimpleIndex, reply: Reply, says: str
) -> None:
    make_wheel(elsewhere.folder, "one", "6.6")
    index.canned["/simple/one/"] = [reply] * 9
    refused(
        indexed,
        "pip",
        "install",
        "one",
        "--extra-index-url",
        index.url,
        "--index-url",
        elsewhere.url,
        says=(says, index.root),
    )
    assert elsewhere.asked == []


BAD_LINKS: tuple[dict[str, Any], ...] = (
    {"url": "javascript:alert(1)"},
    {"url": "file:///etc/passwd"},
    {"url": "https://[bad/x"},
    {"filename": f"../{WHEEL}"},
    {"filename": f"one\0{WHEEL}"},
    {"filename": "one-" + "9" * (5 << 20) + "-py3-none-any.whl"},
    {"hashes": {"sha256": "junk"}},
    {"hashes": 3},
)


def test_i3_bad_links_are_skipped_each_with_its_reason(indexed: World, index: SimpleIndex, wheel: bytes) -> None:
    bad = [{**entry(wheel), "filename": "one-9.9-py3-none-any.whl", **link} for link in BAD_LINKS]
    index.canned["/simple/one/"] = [page(*bad, entry(wheel)), page(*bad)]
    indexed.install("one")
    assert indexed.installed()["one"] == "1.0"
    said = refused(indexed, "pip", "install", "-vv", "--refresh", "one>1")
    assert said.count("skipped on") == len(bad), said
    assert len(said) < 100_000


def test_i3_a_base_of_another_host_leads_there_without_any_login(
    indexed: World, index: SimpleIndex, elsewhere: SimpleIndex
) -> None:
    data = make_wheel(elsewhere.folder, "one", "1.0").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    body = f'<base href="{elsewhere.root}/files/"><a href="{WHEEL}#sha256={digest}">x</a>'.encode()
    index.canned["/simple/one/"] = [Reply(body=body, headers=HTML)]
    indexed.install("one", "--index-url", index.url.replace("://", "://me:hunter2@"))
    assert not any("authorization" in asked.headers for asked in elsewhere.asked)


OTHER_NAMES = (
    "one-1.0-py3-none.whl", "one-1.0.whl", "one-1.0-x-y-py3-none-any-z.whl", "one__-1.0-py3-none-any.whl",
    "one-junk-py3-none-any.whl", "one-1.0-build-py3-none-any.whl", "two-1.0-py3-none-any.whl", "one-.tar.gz",
    "-1.0.tar.gz", "one.tar.gz", "one-1.0.exe", "-", ".whl", ".tar.gz", "one-1.0-py3-none-any.WHL",
)  # fmt: skip


def test_i4_files_by_other_names_are_skipped(indexed: World, index: SimpleIndex, wheel: bytes) -> None:
    index.canned["/simple/one/"] = [page(*(entry(wheel, filename=name) for name in OTHER_NAMES))]
    refused(indexed, "pip", "install", "one")


def test_i5_metadata_beside_the_wheel_must_be_what_was_promised(
    indexed: World, index: SimpleIndex, wheel: bytes
) -> None:
    index.canned["/simple/one/"] = [page(entry(wheel, **{"core-metadata": {"sha256": "0" * 64}}))]
    index.canned[f"/files/{WHEEL}.metadata"] = [Reply(body=b"Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")] * 5
    refused(indexed, "pip", "install", "one", says=(f"{WHEEL}.metadata", "sha256"))


@pytest.mark.parametrize(
    "metadata",
    [
        b"Metadata-Version: 2.1\nName: other\nVersion: 1.0\n",
        b"Metadata-Version: 2.1\nName: one\nVersion: 6.6\n",
        b"Metadata-Version: 2.1\nName: one\nVersion: junk\n",
        b"Metadata-Version: 2.1\nName: one\nVersion: 1.0\nRequires-Dist: !!\n",
        b"Metadata-Version: 2.1\xff\n\x00",
    ],
    ids=["name", "version", "no version", "requirement", "binary"],
)
def test_i5_metadata_beside_the_wheel_that_is_not_of_it(
    indexed: World, index: SimpleIndex, wheel: bytes, metadata: bytes
) -> None:
    promised = {"core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}}
    index.canned["/simple/one/"] = [page(entry(wheel, **promised))]
    index.canned[f"/files/{WHEEL}.metadata"] = [Reply(body=metadata)] * 5
    refused(indexed, "pip", "install", "one", says=("one",))


@pytest.mark.parametrize(
    "requires", ["", "Requires-Dist: gone\n", "Requires-Dist: two>6\n", "Requires-Dist: two; python_version<'3'\n"]
)
def test_i5_metadata_that_hides_or_adds_a_dependency(indexed: World, index: SimpleIndex, requires: str) -> None:
    """What the wheel itself says differs: it is not installed as if it did not."""
    metadata = f"Metadata-Version: 2.1\nName: one\nVersion: 1.0\n{requires}".encode()
    data = make_wheel(index.folder, "one", "1.0", requires=["two"]).read_bytes()
    make_wheel(index.folder, "two", "1.0")
    promised = {"core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()}}
    index.canned["/simple/one/"] = [page(entry(data, **promised))]
    index.canned[f"/files/{WHEEL}.metadata"] = [Reply(body=metadata)] * 5
    said = indexed.miniuv("pip", "install", "one")
    assert "Traceback" not in said.err
    assert (said.code, set(indexed.installed()) & {"one", "two"}) in [(0, {"one", "two"}), (1, set())], said.err


@pytest.mark.parametrize(
    ("facts", "installs"),
    [
        ({"requires-python": "junk"}, True),
        ({"requires-python": ">=3,<4,!!"}, True),
        ({"requires-python": "<3"}, False),
        ({"yanked": "broken"}, False),
        ({"core-metadata": "junk"}, False),
        ({"core-metadata": {"sha256": "zz"}}, False),
        ({"core-metadata": {}}, True),
        ({"core-metadata": {"md99": "zz"}}, True),
        ({"size": -1}, True),
        ({"size": 1e400}, False),
    ],
)
def test_i6_odd_facts_of_a_file_follow_the_rules(
    indexed: World, index: SimpleIndex, wheel: bytes, facts: dict[str, Any], installs: bool
) -> None:
    index.canned["/simple/one/"] = [page(entry(wheel, **facts))]
    said = indexed.miniuv("pip", "install", "one>=1")
    assert "Traceback" not in said.err
    assert said.code == (0 if installs else 1), said.err


@pytest.mark.parametrize("first", [200, 403, 500], ids=["has it", "refuses", "fails"])
def test_i7_the_first_index_that_may_have_the_name_decides(
    indexed: World, index: SimpleIndex, elsewhere: SimpleIndex, wheel: bytes, first: int
) -> None:
    make_wheel(elsewhere.folder, "one", "6.6")
    if first != 200:
        index.canned["/simple/one/"] = [Reply(status=first)] * 9
    command = ("pip", "install", "one", "--extra-index-url", index.url, "--index-url", elsewhere.url)
    if first == 200:
        assert indexed.miniuv(*command).code == 0
        assert indexed.installed()["one"] == "1.0"
    else:
        refused(indexed, *command, says=(index.root,))
    assert elsewhere.asked == []


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.dev.toml"])
def test_i8_a_lock_file_is_no_requirement_file(world: World, name: str) -> None:
    """PEP 751 is not read: it must not pass for something that is."""
    text = 'lock-version = "1.0"\ncreated-by = "x"\n\n[[packages]]\nname = "one"\nversion = "1.0"\n'
    (world.folder / name).write_text(text)
    refused(world, "pip", "install", "-r", name, says=(name,))
    refused(world, "pip", "install", name, says=("pylock",))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(body=b"x" * 1000, cut=500), id="half a body"),
        pytest.param(Reply(body=b"no gzip", headers={**HTML, "Content-Encoding": "gzip"}), id="no gzip"),
        pytest.param(
            Reply(body=gzip.compress(b"x" * 5000)[:-9], headers={**HTML, "Content-Encoding": "gzip"}), id="cut gzip"
        ),
        pytest.param(Reply(body=b"x", headers={**HTML, "Content-Encoding": "br"}), id="unknown coding"),
        pytest.param(Reply(status=429, headers={"Retry-After": "0"}), id="429"),
        pytest.param(Reply(status=503, headers={"Retry-After": "Mon, 1 Jan 2024 00:00:00 +9999999999999"}), id="503"),
    ],
)
def test_i9_a_failure_is_tried_again_and_then_refused(
    indexed: World, index: SimpleIndex, wheel: bytes, reply: Reply
) -> None:
    index.canned["/simple/one/"] = [reply] * 9
    refused(indexed, "pip", "install", "one", says=("/simple/one/",), environ={"MINIUV_RETRIES": "2"})
    assert len(index.paths("/simple/one/")) == 3
    index.canned["/simple/one/"] = [reply] * 2
    assert indexed.miniuv("pip", "install", "one", environ={"MINIUV_RETRIES": "2"}).code == 0


def test_i9_half_a_file_is_never_a_whole_one(indexed: World, index: SimpleIndex, wheel: bytes) -> None:
    index.canned[f"/files/{WHEEL}"] = [Reply(body=wheel, cut=len(wheel) // 2)] * 9
    refused(indexed, "pip", "install", "one", says=(WHEEL,), environ={"MINIUV_RETRIES": "1"})


def test_i9_not_modified_changes_neither_the_page_nor_its_kind(
    indexed: World, index: SimpleIndex, wheel: bytes
) -> None:
    known = page(entry(wheel))
    tagged = Reply(body=known.body, headers={**known.headers, "ETag": '"1"', "Cache-Control": "no-cache"})
    lie = Reply(status=304, headers={**HTML, "ETag": '"1"', "Cache-Control": "no-cache"})
    index.canned["/simple/one/"] = [tagged, lie, lie]
    for _ in range(3):
        indexed.install("one", "--reinstall")
    assert len(index.paths("/simple/one/")) == 3


def test_i9_not_modified_to_whoever_has_nothing_is_refused(indexed: World, index: SimpleIndex) -> None:
    index.canned["/simple/one/"] = [Reply(status=304)] * 9
    refused(indexed, "pip", "install", "one", says=("304",))


_ODD = {
    "age": {"Age": "\xb2", "Cache-Control": "max-age=9"},
    "expires": {"Expires": "Mon, 1 Jan 2024 00:00:00 +99999999999999", "Date": "x"},
    "etag": {"ETag": "\xff\xe9"},
}


@pytest.mark.parametrize("headers", _ODD.values(), ids=_ODD)
def test_i9_odd_headers_are_no_traceback(
    indexed: World, index: SimpleIndex, wheel: bytes, headers: dict[str, str]
) -> None:
    known = page(entry(wheel))
    index.canned["/simple/one/"] = [Reply(body=known.body, headers={**known.headers, **headers})] * 2
    for _ in range(2):
        indexed.install("one", "--reinstall")


def test_i9_a_server_that_hangs_is_given_up(indexed: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        held: list[socket.socket] = []
        server = threading.Thread(target=lambda: held.append(silent.accept()[0]))
        server.start()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/simple/"
        quick = {"MINIUV_TIMEOUT": "0.3", "MINIUV_RETRIES": "0"}
        refused(indexed, "pip", "install", "one", "--index-url", address, says=("did not answer",), environ=quick)
        server.join()
        held[0].close()
