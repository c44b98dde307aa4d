"""Pages of an index that means no good, or is broken: never a traceback, never a link outside the rules."""

import contextlib
import gzip
import json
import time
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.errors import PackageIndexError
from miniuv.index.anchors import read_anchors
from miniuv.index.coding import TransferError, decoded
from miniuv.index.http_cache import lifetime, validators
from miniuv.index.simple import JSON_TYPE, Page, parse_page
from miniuv.models.url import Url

PAGE = Url.parse("https://host/simple/foo/")
FILES: list[dict[str, Any]] = [
    {
        "filename": f"foo-{number}.0-py3-none-any.whl",
        "url": f"https://files/foo-{number}.0-py3-none-any.whl",
        "hashes": {"sha256": "a" * 64},
        "requires-python": ">=3.8",
        "core-metadata": {"sha256": "b" * 64},
        "yanked": False,
        "size": 10,
    }
    for number in range(3)
]
JSON = json.dumps({"meta": {"api-version": "1.1"}, "name": "foo", "files": FILES}).encode()
HTML = "".join(
    f'<!-- {each["filename"]} --><a href="{each["url"]}#sha256={"a" * 64}" data-requires-python="&gt;=3.8" '
    f"data-core-metadata='sha256={'b' * 64}'>{each['filename']}</a><br>\n"
    for each in FILES
).encode()


def check_links(page: Page) -> None:
    """Whatever is listed keeps the rules."""
    for file in page.files:
        assert file.url.scheme == "https"
        assert "/" not in file.filename
        assert file.filename not in ("", ".", "..")
        assert file.filename.isprintable()
        assert all(set(digest) <= set("0123456789abcdef") for digest in file.hashes.values())
    assert page.count >= len(page.listed) + len(page.skipped)


def mutate(data: bytes, draw: st.DataObject) -> bytes:
    """Change, drop or repeat a few pieces of ``data``."""
    pieces = [
        b"",
        b"\0",
        b"\xff",
        b'"',
        b"'",
        b"<",
        b">",
        b"\\ud800",
        b"../",
        b"http://x/",
        b"file:///x",
        b"&#",
        b"9" * 400,
    ]
    piece = st.sampled_from(pieces)
    for _ in range(draw.draw(st.integers(1, 4))):
        start = draw.draw(st.integers(0, len(data)))
        length = draw.draw(st.sampled_from([0, 0, 1, 2, 10, 100]))
        data = data[:start] + draw.draw(piece) + data[start + length :]
    return data


@settings(max_examples=150)
@given(st.data())
def test_a_mutated_page_lists_nothing_outside_the_rules(draw: st.DataObject) -> None:
    original, kind = draw.draw(st.sampled_from([(JSON, JSON_TYPE), (HTML, "text/html")]))
    with contextlib.suppress(PackageIndexError):
        check_links(parse_page(mutate(original, draw), content_type=kind, url=PAGE, index="host"))


@pytest.mark.stress
@settings(max_examples=20_000)
@given(st.data())
def test_many_mutated_pages_list_nothing_outside_the_rules(draw: st.DataObject) -> None:
    original, kind = draw.draw(st.sampled_from([(JSON, JSON_TYPE), (HTML, "text/html")]))
    with contextlib.suppress(PackageIndexError):
        check_links(parse_page(mutate(original, draw), content_type=kind, url=PAGE, index="host"))


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<a href='",
        '<a href="x',
        "<!--",
        "<!",
        "<![CDATA[",
        "<?",
        "</",
        "<script>",
        "<",
        "<a x",
        "<a  =",
        "<style ",
    ],
)
def test_the_time_for_a_page_grows_with_its_length_alone(piece: str) -> None:
    text = piece * 100_000
    began = time.process_time()
    read_anchors(text)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("text", ["<![foo[", "<![if x]>", "<!DOCTYPE [<!x", "<a href=x y='&#" + "9" * 5000 + ";'>"])
def test_odd_declarations_are_no_traceback(text: str) -> None:
    read_anchors(text + '<a href="y">')


@pytest.mark.parametrize("charset", ["idna", "undefined", "utf\0", "hex", "punycode", "nonsense", "utf-16"])
def test_a_charset_that_is_none_is_no_traceback(charset: str) -> None:
    parse_page(HTML, content_type=f"text/html; charset={charset}", url=PAGE, index="host")


class _Reference(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and dict(attrs).get("href"):
            self.anchors.append(dict(attrs))


_TEXT = st.text(alphabet="abc =/&;#.:-_\n", max_size=12)
_BARE = st.text(alphabet="abc./:-_#", min_size=1, max_size=12)
_ATTRIBUTES = st.lists(
    st.tuples(
        st.sampled_from(["href", "HREF", "data-yanked", "rel", "x:y"]),
        st.one_of(_TEXT.map(lambda text: f'="{text}"'), _TEXT.map(lambda text: f" = '{text}'"), st.just("")),
        st.sampled_from([" ", "\n", " / "]),
    ),
    max_size=4,
).map(lambda parts: "".join(f"{space}{name}{value}" for name, value, space in parts))
_WELL_FORMED = st.lists(
    st.one_of(
        _ATTRIBUTES.map(lambda text: f"<a{text}>x</a>"),
        _ATTRIBUTES.map(lambda text: f"<A{text} />"),
        _BARE.map(lambda text: f"<a href={text}>x</a>"),
        st.sampled_from(
            ["<!DOCTYPE html>", "<!-- <a href=no> -->", "<script>'<a href=no>'</script>", "<br/>", "a < b"]
        ),
    ),
    max_size=6,
).map("".join)


@settings(max_examples=150)
@given(_WELL_FORMED)
def test_a_well_formed_page_is_read_as_by_the_standard_library(text: str) -> None:
    reference = _Reference()
    reference.feed(text)
    reference.close()
    assert list(read_anchors(text).anchors) == reference.anchors


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=3), st.integers(1, 500))
def test_gzip_of_any_members_in_any_pieces_is_undone(members: list[bytes], size: int) -> None:
    sent = b"".join(map(gzip.compress, members))
    chunks = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert b"".join(decoded(chunks, "gzip")) == b"".join(members)
    with pytest.raises(TransferError):
        list(decoded([sent[:-1]], "gzip"))


def test_a_bomb_comes_in_small_pieces() -> None:
    deflate = zlib.compressobj(9, wbits=31)
    bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(64)) + deflate.flush()
    assert len(bomb) < 100_000
    sizes = [len(piece) for piece in decoded([bomb], "gzip")]
    assert (sum(sizes), max(sizes)) == (64 << 20, 1 << 20)


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "zstd", "deflate", "x" * 1000])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(TransferError, match="not asked for"):
        list(decoded([b"x"], coding))


_VALUES = [
    "max-age=5", "\xb2", "9" * 5000, '"a\r\nX: y"', "\ud800", "Mon, 1 Jan 2024 00:00:00 GMT",
    "Mon, 1 Jan 99999999999999999999 00:00:00 GMT", "Mon, 1 Jan 2024 00:00:00 +99999999999999",
]  # fmt: skip
_HEADERS = st.dictionaries(
    st.sampled_from(["cache-control", "age", "expires", "date", "etag"]),
    st.one_of(st.text(max_size=30), st.sampled_from(_VALUES)),
)


@given(_HEADERS)
def test_no_header_of_an_answer_is_a_traceback_or_comes_back_as_another_one(headers: dict[str, str]) -> None:
    assert lifetime(headers, 200) >= 0
    assert all(value.isascii() and value.isprintable() for value in validators(headers).values())
