"""One command goes ahead with a question, and those that ask the same stand back, but not for ever."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniuv.cache.layout import Layout
from miniuv.cache.lead import Lead
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.lock_list import list_locks
from miniuv.cache.locks import LockManager
from miniuv.cache.store import Store
from miniuv.errors import LockOrderError
from tests.support.processes import OtherProcess, RecordingReporter, read_lock_log, until

AHEAD = """
from pathlib import Path
from miniuv.cache.lead import Lead
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
base = Path(sys.argv[1])
store = Store.open(base / "cache", reporter=Reporter(), runtime=base / "runtime")
lead = Lead(locks=store.locks, reporter=Reporter(), lock_wait=None)
say(str(lead.take("q", title="q")))
hear()
lead.give_back()
say("given back")
hear()
store.close()
"""
PATIENCE = 0.3


class Command:
    """One command with a cache, as good as a process of its own."""

    def __init__(self, base: Path, *, lock_wait: float | None = None) -> None:
        self.reporter = RecordingReporter()
        self.store = Store.open(base / "cache", reporter=self.reporter, runtime=base / "runtime")
        self.locks: LockManager = self.store.locks
        self.lead = Lead(locks=self.locks, reporter=self.reporter, lock_wait=lock_wait, stalled_after=PATIENCE)

    def take(self, subject: str = "q") -> bool:
        return self.lead.take(subject, title=subject)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIUV_LOCK_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def commands(tmp_path: Path, log: Path) -> Iterator[list[Command]]:
    made = [Command(tmp_path) for _ in range(3)]
    yield made
    for command in made:
        command.lead.give_back()
        command.store.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def stands_back(log: Path, count: int = 1) -> None:
    until(lambda: sum(event["event"] == "stand-back" for event in read_lock_log(log)) == count)


def test_all_stand_back_until_the_one_that_went_ahead_is_done(
    commands: list[Command], log: Path, pool: ThreadPoolExecutor
) -> None:
    first, *others = commands
    is_done = threading.Event()
    assert first.take()
    behind: list[Future[tuple[bool, bool]]] = [
        pool.submit(lambda command: (command.take(), is_done.is_set()), command) for command in others
    ]
    stands_back(log, 2)
    is_done.set()
    first.lead.give_back()
    assert [each.result(30) for each in behind] == [(False, True)] * 2


def test_whoever_comes_when_it_is_done_goes_ahead(commands: list[Command]) -> None:
    one, other, _ = commands
    assert one.take()
    one.lead.give_back()
    assert other.take()


def test_another_question_is_nobody_elses_business(commands: list[Command]) -> None:
    one, other, _ = commands
    assert one.take("q")
    assert other.take("r")


def test_a_second_question_gives_the_first_one_back(commands: list[Command]) -> None:
    one, other, _ = commands
    assert one.take("q")
    assert one.take("r")
    assert other.take("q")


def test_a_command_that_is_ahead_may_wait_for_jobs_and_its_threads_take_locks(commands: list[Command]) -> None:
    one, *_ = commands
    assert one.take()
    one.locks.check_free("a job")
    with one.locks.attempt([LockKey.job("wheel", "w")], step="w"):  # type: ignore[union-attr]
        pass


def test_nobody_stands_back_with_a_lock_in_hand(commands: list[Command]) -> None:
    one, *_ = commands
    held = one.locks.try_acquire([LockKey.job("wheel", "w")], step="w")
    assert held is not None
    with held, pytest.raises(LockOrderError):
        one.take()


def test_the_end_of_a_killed_command_lets_the_others_go_on(
    tmp_path: Path, commands: list[Command], log: Path, pool: ThreadPoolExecutor
) -> None:
    with OtherProcess(AHEAD, tmp_path) as other:
        other.expect("True")
        behind = pool.submit(commands[0].take)
        stands_back(log)
        other.kill()
        assert behind.result(30) is False


def test_a_command_that_is_stopped_is_not_waited_for(
    tmp_path: Path, commands: list[Command], pool: ThreadPoolExecutor
) -> None:
    with OtherProcess(AHEAD, tmp_path) as other:
        other.expect("True")
        other.stop()
        assert pool.submit(commands[0].take).result(30) is False
        assert commands[0].reporter.warnings == []  # an answer that came with a warning would not be remembered


def test_it_is_waited_for_no_longer_than_for_a_lock(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with OtherProcess(AHEAD, tmp_path) as other, ExitStack() as stack:
        other.expect("True")
        hasty = Command(tmp_path, lock_wait=0.05)
        stack.callback(hasty.store.close)
        assert pool.submit(hasty.take).result(30) is False
        other.tell()
        other.expect("given back")


def test_who_is_ahead_and_with_what_is_in_the_list_of_locks(tmp_path: Path, commands: list[Command]) -> None:
    assert commands[0].take("q")
    (lock,) = list_locks(Layout(root=tmp_path / "cache"), runtime=tmp_path / "runtime")
    assert (lock.kind, lock.step, lock.presence) == ("question", "q", "alive")


def test_where_the_cache_takes_no_lock_everybody_goes_ahead(tmp_path: Path, commands: list[Command]) -> None:
    (Layout(root=tmp_path / "cache").locks / "question").write_text("in the way")
    assert commands[0].take()
    assert commands[1].take()
