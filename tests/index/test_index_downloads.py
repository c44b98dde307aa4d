import hashlib
import os
import threading
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from miniuv.errors import HashMismatchError, MiniuvError, OfflineError, PackageIndexError
from miniuv.index.download import Download
from miniuv.models.source import ArchiveSource, IndexFile
from miniuv.models.url import Url
from tests.index.conftest import Heard, OpenIndex, at_once
from tests.support.simple_index import Reply, SimpleIndex

NAME = "foo-1.0.tar.gz"
CONTENT = b"an archive " * 20_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "served"
    files.mkdir()
    (files / NAME).write_bytes(CONTENT)
    return files


def archive(server: SimpleIndex, **hashes: str) -> ArchiveSource:
    return ArchiveSource(url=Url.parse(f"{server.root}/files/{NAME}"), hashes=hashes)


def blobs(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("blobs/**/*") if path.is_file()]


def leftovers(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("tmp/**/*") if path.is_file()]


def test_a_file_of_an_index_lands_in_the_cache_under_its_hash(
    folder: Path, tmp_path: Path, open_index: OpenIndex
) -> None:
    with SimpleIndex(folder) as server:
        index = open_index(server.url)
        (file,) = index.files(canonicalize_name("foo"))
        done = index.download(file)
        assert (done.sha256, done.filename) == (DIGEST, NAME)
        assert done.path.read_bytes() == CONTENT
        assert index.download(file) == done
        assert open_index(server.url).download(file) == done
        assert len(server.paths("/files/")) == 1
    assert blobs(tmp_path) == [done.path]


def test_many_threads_download_once(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        index = open_index(server.url)
        results = at_once(8, lambda: index.download(archive(server)))
        assert len(results) == 8
        assert len({result.path for result in results if isinstance(result, Download)}) == 1
        assert len(server.paths()) == 1


@pytest.mark.parametrize(
    "hashes", [{"sha256": "0" * 64}, {"sha512": "0" * 128}, {"md5": "0" * 32}, {"sha256": DIGEST, "md5": "0"}]
)
def test_a_wrong_hash_is_refused_and_nothing_is_kept(
    hashes: dict[str, str], folder: Path, tmp_path: Path, open_index: OpenIndex
) -> None:
    with SimpleIndex(folder) as server:
        with pytest.raises(HashMismatchError) as caught:
            open_index(server.url).download(archive(server, **hashes))
        assert [asked.headers.get("cache-control") for asked in server.asked] == [None, "no-cache"]
    assert NAME in caught.value.message
    assert caught.value.hint
    assert blobs(tmp_path) == []
    assert leftovers(tmp_path) == []


def test_a_wrong_hash_from_a_stale_proxy_is_cured_by_asking_past_it(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned[f"/files/{NAME}"] = [Reply(body=b"stale")]
        assert open_index(server.url).download(archive(server, sha256=DIGEST)).path.read_bytes() == CONTENT


def test_hashes_that_nobody_can_check_are_refused(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server, pytest.raises(HashMismatchError, match="no known hash"):
        open_index(server.url).download(archive(server, crc32="00"))


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(body=CONTENT, cut=1000),
        Reply(body=b"", headers={"Content-Length": str(len(CONTENT))}, cut=0),
        Reply(status=503),
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=500, headers={"Retry-After": "junk"}),
    ],
    ids=["broken off", "hung up", "503", "429", "500"],
)
def test_a_failure_that_may_pass_is_tried_again(
    trouble: Reply, folder: Path, tmp_path: Path, open_index: OpenIndex, heard: Heard
) -> None:
    with SimpleIndex(folder) as server:
        server.canned[f"/files/{NAME}"] = [trouble, trouble]
        assert open_index(server.url).download(archive(server)).path.read_bytes() == CONTENT
        assert len(server.paths()) == 3
    assert len(heard.notes) == 2
    assert leftovers(tmp_path) == []


def test_a_failure_that_does_not_pass_ends_after_the_retries(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned[f"/files/{NAME}"] = [Reply(status=503)] * 9
        with pytest.raises(PackageIndexError, match="503"):
            open_index(server.url, retries=2).download(archive(server))
        assert len(server.paths()) == 3


def test_an_index_that_lies_about_the_size_is_stopped_there(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.extra[NAME] = {"size": 100}
        index = open_index(server.url, retries=0)
        (file,) = index.files(canonicalize_name("foo"))
        with pytest.raises(PackageIndexError, match="longer than the 100 bytes"):
            index.download(file)


@pytest.mark.parametrize(("status", "hint"), [(404, "check the address"), (401, "netrc"), (410, "--refresh")])
def test_a_refusal_is_told_with_a_hint(status: int, hint: str, folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        server.canned[f"/files/{NAME}"] = [Reply(status=status)]
        with pytest.raises(PackageIndexError) as caught:
            open_index(server.url).download(archive(server))
        assert hint in (caught.value.hint or "")
        assert len(server.paths()) == 1


def test_an_address_without_a_hash_is_asked_about_again_in_the_next_run(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, etag=True) as server:
        first = open_index(server.url).download(archive(server))
        assert open_index(server.url).download(archive(server)) == first
        assert "if-none-match" in server.asked[1].headers
        (folder / NAME).write_bytes(b"another one")
        assert open_index(server.url).download(archive(server)).path.read_bytes() == b"another one"


def test_an_address_with_a_strong_hash_is_never_asked_about_again(folder: Path, open_index: OpenIndex) -> None:
    promised = {"sha512": hashlib.sha512(CONTENT).hexdigest()}
    with SimpleIndex(folder) as server:
        for _ in range(2):
            assert open_index(server.url).download(archive(server, **promised)).sha256 == DIGEST
        assert len(server.paths()) == 1


def test_offline_uses_what_is_there_and_lists_what_is_not(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder) as server:
        known = archive(server)
        open_index(server.url).download(known)
        offline = open_index(server.url, offline=True)
        assert offline.download(known).sha256 == DIGEST
        with pytest.raises(OfflineError) as caught:
            offline.download(ArchiveSource(url=Url.parse(f"{server.root}/files/bar-1.0.tar.gz")))
        assert "`bar-1.0.tar.gz`" in caught.value.message
        assert len(server.paths()) == 1


def test_a_local_archive_is_copied_and_seen_again_when_it_changes(folder: Path, open_index: OpenIndex) -> None:
    path = folder / NAME
    os.utime(path, (1, 1))
    source = ArchiveSource(url=Url.parse(path.as_uri()))
    first = open_index().download(source)
    assert first.path.read_bytes() == CONTENT
    assert open_index().download(source) == first
    path.write_bytes(b"edited")
    assert first.path.read_bytes() == CONTENT
    assert open_index().download(source).path.read_bytes() == b"edited"
    path.write_bytes(b"EDITED")
    assert open_index().download(source).path.read_bytes() == b"EDITED"


@pytest.mark.parametrize("place", ["/no/such/file.whl", "/", "/dev/null/x.whl"])
def test_a_local_archive_that_cannot_be_read_is_an_error_with_its_path(place: str, open_index: OpenIndex) -> None:
    with pytest.raises(PackageIndexError) as caught:
        open_index().download(ArchiveSource(url=Url.parse(f"file://{place}")))
    assert caught.value.where == place


@pytest.mark.parametrize("address", ["ftp://host/foo-1.0.tar.gz", "file://elsewhere/foo-1.0.tar.gz"])
def test_an_address_of_another_kind_is_refused(address: str, open_index: OpenIndex) -> None:
    with pytest.raises(MiniuvError):
        open_index().download(ArchiveSource(url=Url.parse(address)))


def test_two_runs_at_once_download_once(folder: Path, open_index: OpenIndex) -> None:
    gate = threading.Event()
    with SimpleIndex(folder) as server:
        original = server.reply

        def slow(path: str, headers: dict[str, str]) -> Reply:
            gate.wait(5)
            return original(path, headers)

        server.reply = slow  # type: ignore[method-assign]
        runs = [open_index(server.url), open_index(server.url)]
        results: list[Download] = []
        threads = [
            threading.Thread(target=lambda run=run: results.append(run.download(archive(server, sha256=DIGEST))))
            for run in runs
        ]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        assert [result.sha256 for result in results] == [DIGEST, DIGEST]
        assert len(server.paths()) == 1


def test_the_metadata_of_an_sdist_is_not_asked_for(folder: Path, open_index: OpenIndex) -> None:
    with SimpleIndex(folder, metadata="unadvertised") as server:
        file = IndexFile(filename=NAME, url=Url.parse(f"{server.root}/files/{NAME}"), index="")
        assert open_index(server.url).metadata(file) is None
        assert server.paths() == []
