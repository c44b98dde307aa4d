import random
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


def asked_beside(server: SimpleIndex) -> list[str]:
    return [path for path in server.paths("/files/") if path.endswith(".metadata")]


def test_a_host_that_never_answers_is_asked_three_times_in_all(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        index = open_index(server.url)
        files = index.files(FOO)
        assert at_once(6, lambda: index.metadata(files[0])) == [None] * 6
        assert index.metadata(files[1]) is None
        assert open_index(server.url).metadata(files[1]) is None
        assert len(asked_beside(server)) == 3


def test_a_host_that_answers_for_some_files_is_asked_once_for_each(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="unadvertised") as server:
        index = open_index(server.url)
        first, second = index.files(FOO)
        server.canned[f"/files/{WHEEL}.metadata"] = [Reply(status=404)]
        assert index.metadata(first) is None
        assert index.metadata(second) is not None
        asked = server.paths("/files/")
        assert index.metadata(first) is None
        assert server.paths("/files/") == asked


def test_a_file_whose_host_had_a_bad_moment_is_asked_for_again(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="unadvertised") as server:
        index = open_index(server.url)
        first, second = index.files(FOO)
        assert index.metadata(second) is not None
        server.canned[f"/files/{WHEEL}.metadata"] = [Reply(status=400)]
        assert index.metadata(first) is None
        assert index.metadata(first) is not None


def test_a_page_that_advertises_some_is_believed_about_the_others(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="advertised") as server:
        server.extra[WHEEL] = {"core-metadata": False}
        index = open_index(server.url)
        first, second = index.files(FOO)
        assert index.metadata(first) is None
        assert index.metadata(second) is not None
        assert asked_beside(server) == ["/files/foo-2.0-py3-none-any.whl.metadata"]


@pytest.fixture
def long_wheel(tmp_path: Path) -> bytes:
    """Longer than what is fetched whole, with its METADATA before what does not compress."""
    content = {"foo/data.bin": random.Random(1).randbytes(900_000), "zzz/data.bin": random.Random(2).randbytes(200_000)}
    return make_wheel(tmp_path / "long", "foo", "1.0", content).read_bytes()


def test_metadata_is_read_out_of_a_long_wheel_without_fetching_it(
    folder: Path, open_index: OpenIndex, long_wheel: bytes
) -> None:
    (folder / WHEEL).write_bytes(long_wheel)
    with SimpleIndex(folder, ranges=True) as server:
        index = open_index(server.url)
        (file,) = (file for file in index.files(FOO) if file.filename == WHEEL)
        text = index.metadata(file)
        assert text is not None
        assert b"Name: foo" in text
        parts = [asked.headers.get("range", "") for asked in server.asked if asked.path.endswith(".whl")]
        assert parts
        assert all(part.startswith("bytes=") for part in parts)
        assert open_index(server.url).metadata(file) == text
        assert len([asked for asked in server.asked if asked.path.endswith(".whl")]) == len(parts)


def test_what_no_page_speaks_of_is_not_asked_for_beside_a_wheel_whose_length_is_known(
    folder: Path, open_index: OpenIndex, long_wheel: bytes
) -> None:
    (folder / WHEEL).write_bytes(long_wheel)
    with SimpleIndex(folder, metadata="unadvertised", ranges=True) as server:
        for file in folder.glob("*.whl"):
            server.extra[file.name] = {"size": file.stat().st_size}
        index = open_index(server.url)
        found = {file.filename: index.metadata(file) for file in index.files(FOO)}
        assert found.pop("foo-2.0-py3-none-any.whl") is None  # a short one, which will be fetched whole
        assert b"Name: foo" in (found[WHEEL] or b"")
        assert asked_beside(server) == []


def test_a_long_wheel_whose_host_gives_no_parts_has_its_metadata_beside_it(
    folder: Path, open_index: OpenIndex, long_wheel: bytes
) -> None:
    (folder / WHEEL).write_bytes(long_wheel)
    with SimpleIndex(folder, metadata="unadvertised") as server:
        server.extra[WHEEL] = {"size": len(long_wheel)}
        index = open_index(server.url)
        (file,) = (file for file in index.files(FOO) if file.filename == WHEEL)
        assert b"Name: foo" in (index.metadata(file) or b"")


def test_a_host_that_gives_no_parts_is_asked_for_one_once(
    folder: Path, open_index: OpenIndex, long_wheel: bytes
) -> None:
    (folder / WHEEL).write_bytes(long_wheel)
    with SimpleIndex(folder) as server:
        for _ in range(2):
            index = open_index(server.url)
            assert [index.metadata(file) for file in index.files(FOO)] == [None, None]
        assert len([path for path in server.paths("/files/") if path.endswith(".whl")]) == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=206, body=b"x" * 100),
        Reply(status=206, body=b"x" * 100, headers={"Content-Range": "bytes 0-99/100"}),
        Reply(status=206, body=b"x" * 9, headers={"Content-Range": "bytes 0-99/100"}),
        Reply(status=206, body=b"x" * 300_000, headers={"Content-Range": "bytes 0-99/100"}),
        Reply(status=206, body=b"x", headers={"Content-Range": "bytes 0-0/999999999999999"}),
        Reply(status=416),
        Reply(status=404),
    ],
    ids=["without a range", "no zip", "too short", "too long", "of another size", "refused", "gone"],
)
def test_a_part_that_is_no_part_of_a_wheel_is_no_metadata(
    reply: Reply, folder: Path, open_index: OpenIndex, long_wheel: bytes
) -> None:
    (folder / WHEEL).write_bytes(long_wheel)
    with SimpleIndex(folder, ranges=True) as server:
        index = open_index(server.url)
        (file,) = (file for file in index.files(FOO) if file.filename == WHEEL)
        server.canned[f"/files/{WHEEL}"] = [reply] * 5
        assert index.metadata(file) is None


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
