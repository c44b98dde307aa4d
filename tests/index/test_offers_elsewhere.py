"""What a long page offers is worked out by a worker where one is free, else here, with one answer."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from miniuv.index.offering import REQUEST, offering
from miniuv.index.package_index import PackageIndex
from miniuv.index.select import Selection
from miniuv.index.simple import JSON_TYPE
from miniuv.models.url import Url
from miniuv.workers import Workers
from tests.index.conftest import OpenIndex
from tests.index.test_page_offers import FRESH, target
from tests.support.processes import OtherProcess
from tests.support.simple_index import Reply, SimpleIndex

_EMPTY = b'{"meta": {"api-version": "1.0"}, "files": []}'
FOO, BAR = map(canonicalize_name, ("foo", "bar"))


class Worker(Workers):
    """One that is no other process, and so can be looked at."""

    def __init__(self, *, idle: bool = True) -> None:
        super().__init__(lambda: offering(target()))
        self.idle = idle
        self.requests: list[bytes] = []
        self.before: Callable[[], object] = lambda: None

    @property
    def is_one_idle(self) -> bool:
        return self.idle

    def do(self, work: bytes, *, weight: int = 0, wait: bool = True) -> bool:
        assert not wait, "the page is sooner parsed here"
        self.requests.append(work)
        self.before()
        try:
            offering(target())(work)
        except ValueError:
            return False
        return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "served"
    files.mkdir()
    for number in range(300):
        (files / f"foo-1.{number}-py3-none-any.whl").touch()
    (files / "bar-1.0-py3-none-any.whl").touch()
    return files


def selected(index: PackageIndex) -> Selection:
    return index.selection(FOO, interpreter=target())


def test_a_worker_makes_the_same_offer_and_nobody_parses_the_page_here(
    folder: Path, open_index: OpenIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimpleIndex(folder, page_headers=FRESH) as server:
        here = dict(selected(open_index(server.url)).versions)
    worker = Worker()
    with SimpleIndex(folder, page_headers=FRESH) as server:
        monkeypatch.setattr("miniuv.index.package_index.parse_page", None)
        there = selected(open_index(server.url, workers=worker))
        assert [request.startswith(REQUEST) for request in worker.requests] == [True]
        assert list(there.versions) == list(here)
        assert there.versions[Version("1.7")][0].filename == "foo-1.7-py3-none-any.whl"


def test_the_next_run_has_the_offer_and_asks_nobody(folder: Path, open_index: OpenIndex) -> None:
    worker = Worker()
    with SimpleIndex(folder, page_headers=FRESH) as server:
        for _ in range(2):
            assert len(selected(open_index(server.url, workers=worker)).versions) == 300
        assert len(server.asked) == 1
    assert len(worker.requests) == 1


def test_who_is_busy_is_not_waited_for(folder: Path, open_index: OpenIndex) -> None:
    worker = Worker(idle=False)
    with SimpleIndex(folder) as server:
        assert len(selected(open_index(server.url, workers=worker)).versions) == 300
    assert worker.requests == []


def test_a_short_page_is_no_work_for_a_worker(folder: Path, open_index: OpenIndex) -> None:
    worker = Worker()
    with SimpleIndex(folder) as server:
        assert open_index(server.url, workers=worker).selection(BAR, interpreter=target()).versions
    assert worker.requests == []


def test_a_page_that_may_not_be_kept_is_parsed_here(folder: Path, open_index: OpenIndex) -> None:
    worker = Worker()
    with SimpleIndex(folder, page_headers={"Cache-Control": "no-store"}) as server:
        assert len(selected(open_index(server.url, workers=worker)).versions) == 300
    assert worker.requests == []


def test_a_worker_that_finds_the_page_damaged_makes_no_offer_of_it(
    folder: Path, open_index: OpenIndex, tmp_path: Path
) -> None:
    def damage() -> None:
        for body in (tmp_path / "cache" / "v1" / "http").rglob("*"):
            if body.is_file():
                body.write_bytes(_EMPTY)

    worker = Worker()
    worker.before = damage
    with SimpleIndex(folder) as server:
        assert len(selected(open_index(server.url, workers=worker)).versions) == 300
    assert len(worker.requests) == 1


_FORKED = """
from functools import partial
from pathlib import Path
import miniuv.index.package_index as package_index
from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.index.client import HttpClient
from miniuv.index.offering import offering
from miniuv.models.url import Url
from miniuv.reporter import Reporter
from miniuv.settings import Settings
from miniuv.workers import Workers
from tests.index.test_page_offers import FOO, target

settings = Settings(cache_dir=Path(sys.argv[1]), configured_index_url=Url.parse(sys.argv[2]))
with (
    Store.open(settings.cache_dir, reporter=Reporter()) as store,
    Workers(partial(offering, target())) as workers,
    HttpClient(settings, environ={}, reporter=Reporter()) as client,
):
    store.guards()
    workers.start(1)
    package_index.make_offer = package_index.parse_page = None
    index = package_index.PackageIndex(
        settings=settings, client=client, store=store, reporter=Reporter(), workers=workers,
        jobs=JobRunner(locks=store.locks, reporter=Reporter(), limits={}, lock_wait=None),
    )
    say(str(len(index.selection(FOO, interpreter=target()).versions)))
"""


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="workers are forked on Linux only")
def test_a_forked_worker_does_it(folder: Path, tmp_path: Path) -> None:
    with (
        SimpleIndex(folder) as server,
        OtherProcess(_FORKED, tmp_path / "cache", server.url, environ={"NO_PROXY": "127.0.0.1"}) as process,
    ):
        process.expect("300")


class EmptyPages(SimpleIndex):
    """Has a page for every name, and no file."""

    def _page(self, name: str) -> Reply:
        return Reply(
            body=b'{"meta": {"api-version": "1.0"}, "files": []}', headers={"Content-Type": JSON_TYPE, **FRESH}
        )


def test_an_empty_page_is_as_good_as_none(folder: Path, open_index: OpenIndex) -> None:
    with EmptyPages(folder) as server:
        for _ in range(2):
            assert selected(open_index(server.url)).is_empty


def test_an_empty_page_hides_no_later_index_either_when_it_is_looked_at_again(
    folder: Path, open_index: OpenIndex
) -> None:
    with EmptyPages(folder) as empty, SimpleIndex(folder, page_headers=FRESH) as full:
        assert selected(open_index(empty.url)).is_empty
        for _ in range(2):
            both = open_index(full.url, extra_index_urls=(Url.parse(empty.url),))
            assert len(selected(both).versions) == 300
