from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from miniuv.errors import HashMismatchError
from tests.index.conftest import OpenIndex, at_once
from tests.support.simple_index import Reply, SimpleIndex
from tests.support.wheels import make_wheel

FOO = canonicalize_name("foo")
WHEEL = "foo-1.0-py3-none-any.whl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "served"
    for version in ("1.0", "2.0"):
        make_wheel(files, "foo", version)
    return files


@pytest.mark.parametrize("metadata", ["advertised", "unadvertised"])
@pytest.mark.parametrize("form", ["json", "html"])
def test_metadata_is_read_beside_the_wheel_and_kept(
    form: str, metadata: str, folder: Path, open_index: OpenIndex
) -> None:
    with SimpleIndex(folder, form=form, metadata=metadata) as server:  # type: ignore[arg-type]  # Literals
        file = open_index(server.url).files(FOO)[0]
        for _ in range(2):
            text = open_index(server.url).metadata(file)
            assert text is not None
            assert b"Name: foo" in text
        assert server.paths("/files/") == [f"/files/{WHEEL}.metadata"]


def test_a_host_that_does_not_answer_is_asked_once(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        index = open_index(server.url)
        files = index.files(FOO)
        assert at_once(6, lambda: index.metadata(files[0])) == [None] * 6
        assert index.metadata(files[1]) is None
        assert open_index(server.url).metadata(files[1]) is None
        assert len(server.paths("/files/")) == 1


def test_a_page_that_advertises_some_is_believed_about_the_others(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="advertised") as server:
        server.extra[WHEEL] = {"core-metadata": False}
        index = open_index(server.url)
        first, second = index.files(FOO)
        assert index.metadata(first) is None
        assert index.metadata(second) is not None
        assert server.paths("/files/") == ["/files/foo-2.0-py3-none-any.whl.metadata"]


def test_metadata_with_a_wrong_hash_is_refused(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="advertised") as server:
        server.canned[f"/files/{WHEEL}.metadata"] = [Reply(body=b"Metadata-Version: 2.1\nName: evil\nVersion: 1\n")]
        index = open_index(server.url)
        with pytest.raises(HashMismatchError, match="metadata"):
            index.metadata(index.files(FOO)[0])


def test_a_friendly_page_in_place_of_metadata_is_no_metadata(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned[f"/files/{WHEEL}.metadata"] = [Reply(body=b"<html>nothing here</html>")]
        index = open_index(server.url)
        assert index.metadata(index.files(FOO)[0]) is None


def test_offline_no_metadata_is_asked_for(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="unadvertised") as server:
        files = open_index(server.url).files(FOO)
        online = open_index(server.url).metadata(files[0])
        offline = open_index(server.url, offline=True)
        assert offline.metadata(files[0]) == online
        assert offline.metadata(files[1]) is None


def test_metadata_beside_a_local_wheel_is_read(folder: Path, open_index: OpenIndex, tmp_path: Path) -> None:
    from miniuv.models.url import Url

    (folder / f"{WHEEL}.metadata").write_bytes(b"Metadata-Version: 2.1\nName: foo\nVersion: 1.0\n")
    index = open_index(None, find_links=(Url.parse(folder.as_uri()),))
    first, second = index.files(FOO)
    assert (index.metadata(first) or b"").startswith(b"Metadata-Version")
    assert index.metadata(second) is None
