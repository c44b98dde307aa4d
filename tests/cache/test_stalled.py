"""A holder that shows no sign of life is passed by where that is legal, and waited for where it is not."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.cache.waits import StallWatch
from miniuv.errors import LockWaitExpiredError
from tests.cache.test_cache_jobs import HOLD_JOB, OTHER, make_job
from tests.support.processes import OtherProcess, RecordingReporter, read_lock_log, until

PATIENCE = 0.3


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watch_for(seconds: float, watch: StallWatch, clock: Clock, sign: object) -> bool:
    """Look each half second, as a waiter does."""
    stalled = watch.is_stalled(sign)
    for _ in range(int(2 * seconds)):
        clock.now += 0.5
        stalled = watch.is_stalled(sign)
    return stalled


def test_sixty_seconds_without_a_sign_are_a_stall_and_less_are_not() -> None:
    clock = Clock()
    watch = StallWatch(clock=clock)
    assert not watch_for(59.5, watch, clock, "beat 1")
    assert watch_for(0.5, watch, clock, "beat 1")


def test_every_sign_begins_the_time_anew() -> None:
    clock = Clock()
    watch = StallWatch(clock=clock)
    assert not any(watch_for(59, watch, clock, f"beat {beat}") for beat in range(10))


def test_a_holder_that_leaves_no_record_is_never_taken_for_stalled() -> None:
    clock = Clock()
    assert not watch_for(600, StallWatch(clock=clock), clock, None)


def test_a_waiter_that_was_stopped_itself_does_not_count_that_time() -> None:
    clock = Clock()
    watch = StallWatch(clock=clock)
    watch.is_stalled("beat 1")
    clock.now += 3600
    assert not watch.is_stalled("beat 1")


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


def make_runner(base: Path, reporter: RecordingReporter, *, lock_wait: float | None = None) -> tuple[Store, JobRunner]:
    store = Store.open(base / "cache", reporter=reporter, runtime=base / "runtime")
    jobs = JobRunner(locks=store.locks, reporter=reporter, limits={}, lock_wait=lock_wait, stalled_after=PATIENCE)
    return store, jobs


def test_the_job_of_a_stopped_process_is_done_by_who_waits_and_both_are_content(
    tmp_path: Path, reporter: RecordingReporter
) -> None:
    store, jobs = make_runner(tmp_path, reporter)
    with store, OtherProcess(HOLD_JOB, tmp_path) as other:
        other.expect("running")
        other.stop()
        assert jobs.obtain(make_job(store, "held")) == "held"
        (warning,) = reporter.warnings
        assert f"held (wheel) is done here: no sign of life from pid {other.pid}" in warning
        assert f"it is stopped: `kill -CONT {other.pid}` lets it go on" in warning
        other.go_on()
        other.tell()
        assert other.end() == ["held"]


def test_two_who_pass_by_a_stopped_process_do_its_job_once(
    tmp_path: Path, reporter: RecordingReporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIUV_LOCK_LOG", str(tmp_path / "log"))
    began, may_end, runs = threading.Event(), threading.Event(), []

    def work() -> None:
        runs.append(1)
        began.set()
        assert may_end.wait(30)

    one, two = (make_runner(tmp_path, reporter) for _ in range(2))
    with one[0], two[0], OtherProcess(HOLD_JOB, tmp_path) as other, ThreadPoolExecutor(2) as pool:
        other.expect("running")
        other.stop()
        waiting = [pool.submit(jobs.obtain, make_job(store, "held", work)) for store, jobs in (one, two)]
        assert began.wait(30)
        until(lambda: sum(event["event"] == "stalled" for event in read_lock_log(tmp_path / "log")) == 2)
        may_end.set()
        assert [result.result(30) for result in waiting] == ["held", "held"]
    assert len(runs) == 1


def test_a_stopped_process_in_a_source_tree_is_waited_for_and_explained(
    tmp_path: Path, reporter: RecordingReporter
) -> None:
    (tmp_path / "tree").mkdir()
    code = OTHER + "say(jobs.obtain(make_job(store, 'held', hold, source_tree=base / 'tree')))\nstore.close()\n"
    store, jobs = make_runner(tmp_path, reporter)
    with store, OtherProcess(code, tmp_path) as other, ThreadPoolExecutor(1) as pool:
        other.expect("running")
        other.stop()
        waiting = pool.submit(jobs.obtain, make_job(store, "mine", source_tree=tmp_path / "tree"))
        assert reporter.told.wait(30)  # a second: the patience is long over
        assert not waiting.done()
        assert "it is stopped" in reporter.notices[0].owner
        other.go_on()
        other.tell()
        assert waiting.result(30) == "mine"
        assert other.end() == ["held"]
    assert reporter.warnings == []


def test_a_stopped_process_in_an_environment_is_waited_for_up_to_the_limit(
    tmp_path: Path, reporter: RecordingReporter
) -> None:
    code = OTHER + "with store.locks.environment(base):\n    hold()\nstore.close()\n"
    store, _ = make_runner(tmp_path, reporter)
    with store, OtherProcess(code, tmp_path) as other:
        other.expect("running")
        other.stop()
        with (
            pytest.raises(LockWaitExpiredError, match="it is stopped"),
            store.locks.environment(tmp_path, limit=2 * PATIENCE),
        ):
            pytest.fail("two hold it")
