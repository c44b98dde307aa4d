import threading
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from miniuv.errors import OfflineError, PackageIndexError
from miniuv.models.url import Url
from tests.index.conftest import Heard, OpenIndex, at_once
from tests.support.simple_index import Reply, SimpleIndex

FOO = canonicalize_name("foo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "served"
    files.mkdir()
    for name in ("foo-1.0-py3-none-any.whl", "foo-2.0.tar.gz", "foo_bar-1.0.tar.gz"):
        (files / name).write_bytes(name.encode())
    return files


def names(files: object) -> list[str]:
    return [str(file) for file in files]  # type: ignore[attr-defined]  # a tuple of files


@pytest.mark.parametrize("form", ["json", "html"])
def test_the_files_of_a_page_are_listed(form: str, folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, form=form) as server:  # type: ignore[arg-type]  # a Literal
        files = open_index(server.url.rstrip("/")).files(FOO)
        assert names(files) == ["foo-1.0-py3-none-any.whl", "foo-2.0.tar.gz"]
        assert str(files[0].url) == f"{server.root}/files/foo-1.0-py3-none-any.whl"
        assert server.paths() == ["/simple/foo/"]


def test_a_page_is_asked_for_once_whoever_wants_it(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        index = open_index(server.url)
        results = at_once(8, lambda: index.files(FOO))
        assert len({names(result)[0] for result in results}) == 1
        assert len(server.paths()) == 1


def test_the_first_index_that_has_the_name_wins_and_none_are_mixed(
    folder: Path, tmp_path: Path, open_index: OpenIndex
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "foo-9.0.tar.gz").write_bytes(b"")
    (other / "baz-1.0.tar.gz").write_bytes(b"")
    with SimpleIndex(folder) as extra, SimpleIndex(other) as default:
        index = open_index(default.url, extra_index_urls=(Url.parse(extra.url),))
        assert names(index.files(FOO)) == ["foo-1.0-py3-none-any.whl", "foo-2.0.tar.gz"]
        assert names(index.files(canonicalize_name("baz"))) == ["baz-1.0.tar.gz"]
        assert default.paths() == ["/simple/baz/"]


def test_a_name_that_nobody_has_is_no_error(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        assert open_index(server.url).files(canonicalize_name("nobody")) == ()


def test_an_index_folder_on_this_machine_is_read(folder: Path, tmp_path: Path, open_index: OpenIndex) -> None:
    page = tmp_path / "simple" / "foo" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../served/foo-2.0.tar.gz#sha256=aa">foo-2.0.tar.gz</a>')
    (file,) = open_index((tmp_path / "simple").as_uri()).files(FOO)
    assert str(file.url) == (folder / "foo-2.0.tar.gz").as_uri()


def test_a_missing_index_folder_is_warned_about_once_and_skipped(
    folder: Path, open_index: OpenIndex, heard: Heard
) -> None:
    with SimpleIndex(folder) as server:
        index = open_index(server.url, extra_index_urls=(Url.parse("file:///no/such/folder"),))
        assert len(index.files(FOO)) == 2
        index.files(canonicalize_name("foo-bar"))
        assert heard.warnings == ["the index folder `/no/such/folder` does not exist, and is skipped"]


def test_find_links_add_to_the_index(folder: Path, tmp_path: Path, open_index: OpenIndex, heard: Heard) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("foo-3.0-py3-none-any.whl", "Foo_Bar-1.0-py3-none-any.whl", "notes.txt"):
        (wheels / name).write_bytes(b"")
    places = (Url.parse(wheels.as_uri()), Url.parse("file:///no/such/wheels"))
    with SimpleIndex(folder) as server:
        index = open_index(server.url, find_links=places)
        assert names(index.files(FOO))[0] == "foo-3.0-py3-none-any.whl"
        assert len(index.files(FOO)) == 3
        assert "Foo_Bar-1.0-py3-none-any.whl" in names(index.files(canonicalize_name("foo-bar")))
    assert heard.warnings == ["the find-links folder `/no/such/wheels` does not exist, and is skipped"]


def test_find_links_may_be_pages_and_single_archives(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, form="html") as server:
        single = f"{server.root}/files/foo-2.0.tar.gz"
        index = open_index(None, find_links=(Url.parse(f"{server.root}/simple/foo/"), Url.parse(single)))
        assert names(index.files(FOO)) == ["foo-1.0-py3-none-any.whl", "foo-2.0.tar.gz", "foo-2.0.tar.gz"]


def test_without_index_only_find_links_are_asked(folder: Path, open_index: OpenIndex) -> None:
    index = open_index(None, find_links=(Url.parse(folder.as_uri()),))
    assert index.places == (folder.as_uri(),)
    assert "foo-2.0.tar.gz" in names(index.files(FOO))


def test_a_fresh_page_costs_no_request_in_the_next_run(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, page_headers={"Cache-Control": "max-age=600"}, etag=True) as server:
        first = open_index(server.url).files(FOO)
        assert open_index(server.url).files(FOO) == first
        assert len(server.paths()) == 1
        open_index(server.url, refresh=True).files(FOO)
        assert len(server.paths()) == 2


def test_a_stale_page_is_asked_about_by_its_etag(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, etag=True) as server:
        open_index(server.url).files(FOO)
        open_index(server.url).files(FOO)
        assert "if-none-match" in server.asked[1].headers
        (folder / "foo-4.0.tar.gz").write_bytes(b"")
        assert "foo-4.0.tar.gz" in names(open_index(server.url).files(FOO))


def test_a_damaged_page_in_the_cache_is_fetched_again(folder: Path, tmp_path: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, page_headers={"Cache-Control": "max-age=600"}) as server:
        first = open_index(server.url).files(FOO)
        for entry in (tmp_path / "cache").rglob("http/*"):
            entry.write_bytes(b"junk")
        assert open_index(server.url).files(FOO) == first
        for entry in (tmp_path / "cache").rglob("*.json"):
            entry.write_bytes(b'{"junk": 1}')
        assert open_index(server.url).files(FOO) == first


def test_offline_answers_from_the_cache_however_old(folder: Path, tmp_path: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, page_headers={"Cache-Control": "max-age=0"}) as server, SimpleIndex(tmp_path) as empty:
        extra = (Url.parse(empty.url),)
        first = open_index(server.url, extra_index_urls=extra).files(FOO)
        address = server.url
    assert open_index(address, extra_index_urls=extra, offline=True).files(FOO) == first


def test_offline_names_everything_that_is_missing(open_index: OpenIndex) -> None:
    index = open_index("http://127.0.0.1:9/simple", offline=True)
    for name in ("foo", "bar"):
        with pytest.raises(OfflineError) as caught:
            index.files(canonicalize_name(name))
    assert "`bar`, `foo`" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("status", "hint"), [(401, "netrc"), (403, "netrc"), (400, None)])
def test_a_refusal_is_an_error_and_no_reason_to_ask_the_next_index(
    status: int, hint: str | None, folder: Path, open_index: OpenIndex
) -> None:
    with SimpleIndex(folder) as extra, SimpleIndex(folder) as default:
        extra.canned["/simple/foo/"] = [Reply(status=status)]
        with pytest.raises(PackageIndexError) as caught:
            open_index(default.url, extra_index_urls=(Url.parse(extra.url),)).files(FOO)
        assert str(status) in caught.value.message
        assert (hint or "") in (caught.value.hint or "")
        assert default.paths() == []


def test_a_page_beyond_every_measure_is_refused(
    folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miniuv.index.package_index.PAGE_LIMIT", 1000)
    with SimpleIndex(folder) as server:
        server.canned["/simple/foo/"] = [Reply(body=b" " * 5000, headers={"Content-Type": "text/html"})]
        with pytest.raises(PackageIndexError, match="longer than"):
            open_index(server.url).files(FOO)


def test_closing_the_client_ends_a_pause_between_two_tries(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned["/simple/foo/"] = [Reply(status=503, headers={"Retry-After": "15"})] * 9
        index = open_index(server.url)
        ended: list[BaseException] = []

        def ask() -> None:
            try:
                index.files(FOO)
            except BaseException as error:  # noqa: BLE001  # the test looks at it
                ended.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        while not server.paths():
            thread.join(0.01)
        index._http._client.close()
        thread.join(10)
        assert not thread.is_alive()
        assert ended
