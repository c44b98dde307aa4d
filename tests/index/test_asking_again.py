"""Whether an answer that is kept still holds, asked of the server, or of another command that has just asked."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from miniuv.cache.store import Store
from miniuv.index.client import Answer, HttpClient
from miniuv.index.http_cache import Bodies, HttpCache
from miniuv.models.url import Url
from miniuv.reporter import Reporter
from miniuv.settings import Settings

PAGE = Url.parse("https://index.invalid/simple/one/")
ACTION = f"get any {PAGE}"


class Server(HttpClient):
    """Answers with one page, and counts how often."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Settings(cache_dir=folder), environ={})
        self.body = b"page"
        self.asked = 0

    def get(self, url: Url, *, headers: Mapping[str, str] | None = None, limit: int) -> Answer:
        self.asked += 1
        return Answer(status=200, headers={"cache-control": "max-age=600"}, body=self.body, url=url)


class Run:
    """One command with ``-U``, by a clock that is set."""

    def __init__(self, store: Store, server: Server, began: float) -> None:
        self.now = began
        self._cache = HttpCache(
            client=server,
            store=store,
            bodies=Bodies(store=store),
            offline=False,
            refresh=True,
            clock=lambda: self.now,
        )

    def ask(self) -> str:
        """Ask for the page; the name of its body."""
        return self._cache.look(PAGE, accept="any", limit=100).kept.body

    def confirm(self, body: str) -> bool:
        return self._cache.confirm(ACTION, body, accept="any", limit=100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=Reporter(), runtime=tmp_path / "runtime") as opened:
        yield opened


def test_what_another_was_told_since_we_began_is_not_asked_once_more(store: Store, tmp_path: Path) -> None:
    server = Server(tmp_path)
    ours, other = Run(store, server, 100.0), Run(store, server, 101.0)
    body = other.ask()
    ours.now = 102.0
    assert ours.confirm(body)
    assert ours.ask() == body
    assert server.asked == 1


def test_what_another_was_told_since_we_began_may_be_news(store: Store, tmp_path: Path) -> None:
    server = Server(tmp_path)
    before = Run(store, server, 99.0).ask()
    ours, other = Run(store, server, 100.0), Run(store, server, 101.0)
    server.body = b"another page"
    other.ask()
    ours.now = 102.0
    assert not ours.confirm(before)


@pytest.mark.parametrize("when", [99.0, 103.0], ids=["before we began", "in the future"])
def test_what_another_was_told_at_another_time_is_asked_again(store: Store, tmp_path: Path, when: float) -> None:
    server = Server(tmp_path)
    body = Run(store, server, when).ask()
    ours = Run(store, server, 100.0)
    ours.now = 102.0
    assert ours.confirm(body)
    assert server.asked == 2
