import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from miniuv.errors import CacheError
from miniuv.index.offer import Offer, make_offer, read_offer
from miniuv.index.package_index import PackageIndex
from miniuv.index.select import Selection, select
from miniuv.index.simple import JSON_TYPE, Page, parse_page
from miniuv.models.interpreter import Interpreter, Scheme
from miniuv.models.source import IndexFile
from miniuv.models.url import Url
from tests.index.conftest import OpenIndex
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

FOO = canonicalize_name("foo")
HERE = Path("/nowhere")


def target(*tags: str, python: str = "3.12.1") -> Interpreter:
    return Interpreter(
        executable=HERE,
        real_executable=HERE,
        prefix=HERE,
        base_prefix=HERE,
        version=Version(python),
        implementation="cpython",
        cache_tag="cpython-312",
        tags=tags or ("cp312-cp312-linux_x86_64", "py3-none-any"),
        markers={},
        scheme=Scheme(purelib=HERE, platlib=HERE, scripts=HERE, data=HERE, headers=HERE),
    )


def page_of(*files: Mapping[str, object]) -> Page:
    data = json.dumps({"meta": {"api-version": "1.0"}, "files": files}).encode()
    return parse_page(data, content_type=JSON_TYPE, url=Url.parse("https://host/simple/foo/"), index="host")


def offered(page: Page, *, no_build: bool = False) -> Offer:
    data = make_offer(page, name=FOO, interpreter=target(), no_build=no_build)
    offer = read_offer(data, name=FOO, interpreter=target(), no_build=no_build, index="host", page=lambda: page)
    assert offer is not None
    return offer


def told(file: IndexFile) -> tuple[object, ...]:
    """Everything of a file, also what does not count when files are compared."""
    return file, file.url.secret, dict(file.hashes), file.metadata_hashes


_names = st.builds(
    "{}-{}{}".format,
    st.sampled_from(["foo", "Foo", "FOO", "bar", "f__o", "", "foo-bar"]),
    st.sampled_from(["1.0", "1.0.0", "2", "2.0rc1", "1!1", "v3", "junk", "", "1.0+local"]),
    st.sampled_from(
        [
            ".tar.gz",
            ".zip",
            ".tgz",
            ".egg",
            ".whl",
            "-py3-none-any.whl",
            "-1-py3-none-any.whl",
            "-2b-py3-none-any.whl",
            "-b-py3-none-any.whl",
            "-py2.py3-none-any.whl",
            "-py3.-none-any.whl",
            "-cp312-cp312-linux_x86_64.whl",
            "-cp312-cp312-win32.whl",
            "-none-any.whl",
        ]
    ),
)
_files = st.fixed_dictionaries(
    {
        "filename": _names,
        "url": st.sampled_from(["https://host/f?x=1", "../f", "http://host/f", "https://me:pw@host/f"]),
    },
    optional={
        "requires-python": st.sampled_from([">=3.9", "<3", "junk", ""]),
        "yanked": st.sampled_from([True, False, "", "why"]),
        "core-metadata": st.sampled_from([True, False, {"sha256": "b" * 64}]),
        "hashes": st.sampled_from([{}, {"sha256": "A" * 64}, {"sha256": "no"}, {"SHA512": "c" * 128}]),
        "size": st.sampled_from([-1, 0, 7]),
    },
)


@given(st.lists(_files, max_size=12), st.booleans())
def test_an_offer_says_what_the_whole_page_says(files: list[dict[str, object]], no_build: bool) -> None:
    page = page_of(*files)
    plain = select(page.files, name=FOO, interpreter=target(), no_build=no_build)
    offer = offered(page, no_build=no_build)
    assert list(offer.versions) == list(plain.versions)
    for version in plain.versions:
        assert version in offer.versions
        assert list(map(told, offer.versions[version])) == list(map(told, plain.versions[version]))
        assert offer.is_yanked(version) == plain.is_yanked(version)
    assert offer.rejections == plain.rejections
    assert offer.is_empty == (not files)


@given(_names)
def test_a_name_counts_as_the_whole_grammar_reads_it(filename: str) -> None:
    wanted = target()
    try:
        if filename.endswith(".whl"):
            project, version, _, tags = parse_wheel_filename(filename)
            fits = project == FOO and not {str(tag) for tag in tags}.isdisjoint(wanted.tags)
        else:
            suffix = next((end for end in (".tar.gz", ".zip", ".tgz") if filename.endswith(end)), None)
            project, version = parse_sdist_filename(f"{filename.removesuffix(suffix or '')}.tar.gz")
            fits = project == FOO and suffix is not None
    except (InvalidWheelFilename, InvalidSdistFilename):
        fits = False
    offer = offered(page_of({"filename": filename, "url": "f"}))
    assert list(offer.versions) == ([version] if fits else [])


def test_a_version_is_found_however_it_is_spelled() -> None:
    offer = offered(page_of({"filename": "foo-1.0.tar.gz", "url": "f", "yanked": True}))
    assert Version("1.0.0") in offer.versions
    assert offer.versions[Version("1")] == offer.versions[Version("1.0")]
    assert offer.is_yanked(Version("1"))
    assert Version("2") not in offer.versions


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x93\x01\x90\x92", b"no offer"])
def test_what_is_no_offer_is_not_taken_for_one(data: bytes) -> None:
    page = page_of()
    assert read_offer(data, name=FOO, interpreter=target(), no_build=False, index="host", page=lambda: page) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "served"
    for version in ("1.0", "2.0"):
        make_wheel(files, "foo", version)
    make_wheel(files, "foo", "3.0", tag="cp312-cp312-linux_x86_64")
    return files


FRESH = {"Cache-Control": "max-age=600"}


def selected(index: PackageIndex, interpreter: Interpreter, *, no_build: bool = False) -> Selection:
    return index.selection(FOO, interpreter=interpreter, no_build=no_build)


def test_a_page_that_was_worked_out_is_not_parsed_again(
    folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimpleIndex(folder, page_headers=FRESH) as server:
        first = selected(open_index(server.url), target())
        monkeypatch.setattr("miniuv.index.package_index.parse_page", None)
        again = selected(open_index(server.url), target())
        assert dict(again.versions) == dict(first.versions)
        assert len(server.asked) == 1


def test_each_target_has_an_offer_of_its_own(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, page_headers=FRESH) as server:
        for _ in range(2):
            index = open_index(server.url)
            assert Version("3.0") in selected(index, target()).versions
            assert Version("3.0") not in selected(index, target("py3-none-any")).versions
            assert not selected(index, target("cp39-cp39-win32")).versions
        assert len(server.asked) == 1


@pytest.mark.parametrize("etag", [False, True], ids=["without a validator", "with one"])
def test_a_page_that_changed_is_worked_out_anew(folder: Path, open_index: OpenIndex, etag: bool) -> None:
    with SimpleIndex(folder, etag=etag, page_headers={"Cache-Control": "no-cache"}) as server:
        assert Version("4.0") not in selected(open_index(server.url), target()).versions
        make_wheel(folder, "foo", "4.0")
        assert Version("4.0") in selected(open_index(server.url), target()).versions
        (folder / "foo-4.0-py3-none-any.whl").unlink()
        assert Version("4.0") not in selected(open_index(server.url), target()).versions


def test_an_unchanged_page_keeps_its_offer_when_it_is_asked_for_again(
    folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimpleIndex(folder, etag=True, page_headers={"Cache-Control": "no-cache"}) as server:
        selected(open_index(server.url), target())
        monkeypatch.setattr("miniuv.index.package_index.parse_page", None)
        assert selected(open_index(server.url), target()).versions
        assert len(server.asked) == 2


def test_a_damaged_offer_or_page_in_the_cache_is_made_anew(folder: Path, open_index: OpenIndex, tmp_path: Path) -> None:
    with SimpleIndex(folder, page_headers=FRESH) as server:
        first = selected(open_index(server.url), target())
        for body in (tmp_path / "cache" / "v1" / "http").rglob("*"):
            if body.is_file():
                body.write_bytes(b"damaged")
        again = selected(open_index(server.url), target())
        assert dict(again.versions) == dict(first.versions)
        assert again.rejections == first.rejections


def test_an_offer_that_cannot_be_kept_is_an_offer_all_the_same(
    folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        raise CacheError("the disk is full")

    with SimpleIndex(folder, page_headers=FRESH) as server:
        index = open_index(server.url)
        index.files(FOO)
        monkeypatch.setattr("miniuv.index.http_cache.Bodies.keep", full)
        assert Version("3.0") in selected(index, target()).versions


_IMPORTS = """
import sys
from miniuv.index.package_index import PackageIndex
from miniuv.index.offer import read_offer
print(*sorted({"httpx", "http.client", "urllib.request", "ssl", "email.parser", "html.parser"} & set(sys.modules)))
"""


def test_an_index_that_need_not_be_asked_imports_no_client_and_no_parser() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_fresh_pages_make_no_client(folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    with SimpleIndex(folder, metadata="advertised", page_headers=FRESH) as server:
        index = open_index(server.url)
        file = selected(index, target()).versions[Version("2.0")][0]
        text = index.metadata(file)
        monkeypatch.setattr("miniuv.index.client.HttpClient.stream", None)
        again = open_index(server.url)
        assert again.metadata(selected(again, target()).versions[Version("2.0")][0]) == text
