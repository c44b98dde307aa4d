import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.errors import PackageIndexError
from miniuv.index.simple import JSON_TYPE, Page, parse_page
from miniuv.models.url import Url

PAGE = Url.parse("https://host/simple/foo/")
DIGEST = "a" * 64


def from_json(*files: Any, **fields: Any) -> Page:
    page = {"meta": {"api-version": "1.1"}, "name": "foo", "files": list(files), **fields}
    return parse_page(json.dumps(page).encode(), content_type=JSON_TYPE, url=PAGE, index="host")


def from_html(body: str, content_type: str = "text/html; charset=utf-8", url: Url = PAGE) -> Page:
    return parse_page(body.encode(), content_type=content_type, url=url, index="host")


def test_json_and_html_say_the_same() -> None:
    as_json = from_json(
        {
            "filename": "foo-1.0-py3-none-any.whl",
            "url": "../../files/foo-1.0-py3-none-any.whl",
            "hashes": {"sha256": DIGEST},
            "requires-python": ">=3.9",
            "core-metadata": {"sha256": "b" * 64},
            "yanked": "broken",
            "provenance": None,
        }
    )
    as_html = from_html(
        f'<a href="../../files/foo-1.0-py3-none-any.whl#sha256={DIGEST}" data-requires-python="&gt;=3.9" '
        f'data-core-metadata="sha256={"b" * 64}" data-yanked="broken">foo-1.0-py3-none-any.whl</a>'
    )
    assert as_json.files == as_html.files
    (file,) = as_json.files
    assert str(file.url) == "https://host/files/foo-1.0-py3-none-any.whl"
    assert (file.hashes, file.metadata_hashes) == (as_html.files[0].hashes, as_html.files[0].metadata_hashes)
    assert file.metadata_hashes == {"sha256": "b" * 64}
    assert (file.requires_python, file.yanked) == (">=3.9", "broken")


@pytest.mark.parametrize(
    ("fields", "hashes"),
    [
        ({}, None),
        ({"core-metadata": True}, {}),
        ({"core-metadata": False, "dist-info-metadata": True}, None),
        ({"data-dist-info-metadata": {"sha256": DIGEST}}, {"sha256": DIGEST}),
    ],
)
def test_the_newer_name_of_the_metadata_field_wins(fields: dict[str, Any], hashes: object) -> None:
    (file,) = from_json({"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz", **fields}).files
    assert file.metadata_hashes == hashes


@pytest.mark.parametrize(("said", "yanked"), [(False, None), (True, ""), ("", ""), ("why", "why")])
def test_yanked_may_be_a_reason_or_a_flag(said: bool | str, yanked: str | None) -> None:
    (file,) = from_json({"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz", "yanked": said}).files
    assert file.yanked == yanked


def test_a_base_element_moves_relative_links() -> None:
    (file,) = from_html('<base href="https://cdn/p/"><a href="foo-1.0.tar.gz">foo-1.0.tar.gz</a>').files
    assert str(file.url) == "https://cdn/p/foo-1.0.tar.gz"


def test_a_percent_encoded_name_is_decoded() -> None:
    (file,) = from_html('<a href="foo-1.0%2Bcpu-py3-none-any.whl">x</a>').files
    assert file.filename == "foo-1.0+cpu-py3-none-any.whl"


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ({"url": "javascript:alert(1)"}, "scheme `javascript`"),
        ({"url": "file:///etc/passwd"}, "this machine"),
        ({"url": "http://host/foo-1.0.tar.gz"}, "plain http"),
        ({"url": "https://[bad"}, "cannot be read"),
        ({"filename": "../foo-1.0.tar.gz"}, "no plain file name"),
        ({"filename": "foo\x00-1.0.tar.gz"}, "no plain file name"),
        ({"filename": "x" * 300}, "no file name"),
        ({"filename": ""}, "no file name"),
        ({"hashes": {"sha256": "not hexadecimal"}}, "no hash"),
        ({"hashes": 3}, "odd"),
        ({"core-metadata": 3}, "odd"),
    ],
)
def test_a_bad_entry_is_skipped_with_a_reason_and_the_others_stay(link: dict[str, Any], reason: str) -> None:
    good = {"filename": "foo-1.0.tar.gz", "url": "foo-1.0.tar.gz"}
    page = from_json({**good, **link}, good)
    assert [file.filename for file in page.files] == ["foo-1.0.tar.gz"]
    (skipped,) = page.skipped
    assert reason in skipped.reason


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"files": 3}', b'{"meta": {"api-version": "2.0"}, "files": []}', b"\xff\xfe", b"[" * 100_000],
)
def test_a_page_that_is_no_simple_json_is_refused(data: bytes) -> None:
    with pytest.raises(PackageIndexError) as caught:
        parse_page(data, content_type=JSON_TYPE, url=PAGE, index="host")
    assert caught.value.where == str(PAGE)


def test_html_of_a_future_major_version_is_refused() -> None:
    with pytest.raises(PackageIndexError, match="version"):
        from_html('<meta name="pypi:repository-version" content="2.0"><a href="foo-1.0.tar.gz">x</a>')


@pytest.mark.parametrize("content_type", ["", "application/pdf", "text/plain"])
def test_an_unknown_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(PackageIndexError, match="no package page"):
        from_html("", content_type)


@given(st.binary(max_size=400), st.sampled_from([JSON_TYPE, "text/html", "text/html; charset=nonsense"]))
def test_junk_never_escapes_as_a_foreign_error(data: bytes, content_type: str) -> None:
    with contextlib.suppress(PackageIndexError):
        parse_page(data, content_type=content_type, url=PAGE, index="host")


@given(st.text(alphabet='<>a="/ hrefbsdt&;#:\\.\n\x00-', max_size=120))
def test_junk_anchors_never_escape_as_a_foreign_error(text: str) -> None:
    from_html(f'<a href="{text}">x</a>')
