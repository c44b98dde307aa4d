import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from miniuv.cache.jobs import Job, JobRunner, Permit
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.store import Store
from miniuv.errors import BuildError, Interrupted, LockOrderError, LockWaitExpiredError
from miniuv.reporter import Reporter
from tests.support.lock_rules import violations
from tests.support.processes import OtherProcess, RecordingReporter, read_lock_log, until

LIMITS: dict[Permit, int] = {"fetch": 8, "download": 16, "build": 2}


@pytest.fixture
def reporter() -> RecordingReporter:
    return RecordingReporter()


@pytest.fixture
def store(tmp_path: Path, reporter: RecordingReporter) -> Iterator[Store]:
    with Store.open(tmp_path / "cache", reporter=reporter, runtime=tmp_path / "runtime") as store:
        yield store


@pytest.fixture
def jobs(store: Store, reporter: RecordingReporter) -> JobRunner:
    return make_runner(store, reporter)


def make_runner(store: Store, reporter: Reporter, *, lock_wait: float | None = None) -> JobRunner:
    return JobRunner(locks=store.locks, reporter=reporter, limits=LIMITS, lock_wait=lock_wait)


def make_job(
    store: Store,
    subject: str,
    work: Callable[[], object] = lambda: None,
    *,
    permit: Permit = "build",
    source_tree: Path | None = None,
) -> Job[str]:
    """Do ``work`` once and publish a file that names ``subject``."""

    def lookup() -> str | None:
        found = store.find("blobs", subject)
        return None if found is None else found.read_text()

    def run() -> str:
        work()
        with store.staging() as staging:
            (staging / "file").write_text(subject)
            return store.publish(staging / "file", "blobs", subject).read_text()

    return Job(
        kind="wheel",
        subject=subject,
        title=f"{subject} (wheel)",
        permit=permit,
        lookup=lookup,
        run=run,
        source_tree=source_tree,
    )


class Gate:
    """Work that says when it began and goes on when it may."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.runs = 0

    def __call__(self) -> None:
        self.runs += 1
        self.began.set()
        assert self.may_end.wait(30)


class TestInOneProcess:
    def test_a_job_is_run_once_and_found_from_then_on(self, store: Store, jobs: JobRunner) -> None:
        runs: list[int] = []
        job = make_job(store, "a", lambda: runs.append(1))
        assert [jobs.obtain(job), jobs.obtain(job)] == ["a", "a"]
        assert len(runs) == 1

    def test_many_threads_share_one_run(self, store: Store, jobs: JobRunner) -> None:
        gate = Gate()
        with ThreadPoolExecutor(32) as pool:
            results = [pool.submit(jobs.obtain, make_job(store, "a", gate)) for _ in range(32)]
            assert gate.began.wait(30)
            gate.may_end.set()
            assert {result.result() for result in results} == {"a"}
        assert gate.runs == 1

    def test_its_failure_is_everybodys_and_the_next_one_tries_anew(self, store: Store, jobs: JobRunner) -> None:
        gate = Gate()

        def fail() -> None:
            gate()
            raise BuildError("no good")

        with ThreadPoolExecutor(8) as pool:
            results = [pool.submit(jobs.obtain, make_job(store, "a", fail)) for _ in range(8)]
            assert gate.began.wait(30)
            gate.may_end.set()
            assert {str(result.exception()) for result in results} == {"no good"}
        assert jobs.obtain(make_job(store, "a")) == "a"

    def test_no_more_run_at_once_than_there_are_permits(self, store: Store, jobs: JobRunner) -> None:
        guard, running, most = threading.Lock(), set[int](), [0]
        turn = threading.Event()

        def work() -> None:
            me = threading.get_ident()
            with guard:
                running.add(me)
                most[0] = max(most[0], len(running))
            turn.wait(0.001)
            with guard:
                running.remove(me)

        with ThreadPoolExecutor(64) as pool:
            made = pool.map(lambda name: jobs.obtain(make_job(store, name, work)), [f"job{n}" for n in range(64)])
            assert len(list(made)) == 64
        assert most[0] == LIMITS["build"]

    def test_a_permit_without_a_limit_is_always_there(self, store: Store, jobs: JobRunner) -> None:
        everybody = threading.Barrier(20, timeout=30)
        with ThreadPoolExecutor(20) as pool:
            made = pool.map(
                lambda name: jobs.obtain(make_job(store, name, everybody.wait, permit="free")),
                [f"job{number}" for number in range(20)],
            )
            assert len(list(made)) == 20

    def test_a_permit_comes_back_after_a_failure(self, store: Store, jobs: JobRunner) -> None:
        for number in range(2 * LIMITS["build"]):
            with pytest.raises(ZeroDivisionError):
                jobs.obtain(make_job(store, f"bad{number}", lambda: 1 // 0))
        assert jobs.obtain(make_job(store, "good")) == "good"

    def test_two_jobs_on_one_source_tree_take_turns(self, tmp_path: Path, store: Store, jobs: JobRunner) -> None:
        inside = threading.Lock()

        def work() -> None:
            assert inside.acquire(blocking=False)
            inside.release()

        with ThreadPoolExecutor(4) as pool:
            made = pool.map(
                lambda name: jobs.obtain(make_job(store, name, work, permit="free", source_tree=tmp_path)), "abcd"
            )
            assert list(made) == list("abcd")


class TestRules:
    def test_a_job_that_obtains_another_is_refused(self, store: Store, jobs: JobRunner) -> None:
        inner = make_job(store, "inner")
        with pytest.raises(LockOrderError, match=r"inner \(wheel\)"):
            jobs.obtain(make_job(store, "outer", lambda: jobs.obtain(inner)))
        assert jobs.obtain(inner) == "inner"

    def test_it_is_refused_though_the_other_is_published_already(self, store: Store, jobs: JobRunner) -> None:
        inner = make_job(store, "inner")
        jobs.obtain(inner)
        with pytest.raises(LockOrderError):
            jobs.obtain(make_job(store, "outer", lambda: jobs.obtain(inner)))

    def test_looking_for_one_job_may_not_obtain_another(self, store: Store, jobs: JobRunner) -> None:
        inner = make_job(store, "inner")
        outer = Job(
            kind="x", subject="x", title="outer", permit="free", lookup=lambda: jobs.obtain(inner), run=lambda: "x"
        )
        with pytest.raises(LockOrderError, match="was waited for inside `outer`"):
            jobs.obtain(outer)
        assert jobs.obtain(inner) == "inner"

    def test_nobody_obtains_while_holding_a_lock(self, tmp_path: Path, store: Store, jobs: JobRunner) -> None:
        with store.locks.environment(tmp_path), pytest.raises(LockOrderError):
            jobs.obtain(make_job(store, "a"))

    def test_others_who_wait_can_ask_whether_they_may(self, store: Store, jobs: JobRunner) -> None:
        jobs.check_free("something")
        with pytest.raises(LockOrderError, match="something was waited for while holding"):
            jobs.obtain(make_job(store, "a", lambda: jobs.check_free("something")))


class TestCancel:
    def test_it_wakes_followers_those_without_a_permit_and_those_behind_a_lock(
        self, tmp_path: Path, store: Store, jobs: JobRunner
    ) -> None:
        gates = [Gate() for _ in range(LIMITS["build"])]
        with ThreadPoolExecutor(8) as pool, OtherProcess(HOLD_JOB, tmp_path) as other:
            other.expect("running")
            behind = pool.submit(jobs.obtain, make_job(store, "held", permit="free"))
            running = [pool.submit(jobs.obtain, make_job(store, f"run{n}", gate)) for n, gate in enumerate(gates)]
            for gate in gates:
                assert gate.began.wait(30)
            waiting = [pool.submit(jobs.obtain, make_job(store, name)) for name in ("run0", "other", "other")]
            jobs.cancel()
            assert {type(result.exception(30)) for result in (behind, *waiting)} == {Interrupted}
            for gate in gates:
                gate.may_end.set()
            assert [result.result(30) for result in running] == ["run0", "run1"]
        with pytest.raises(Interrupted):
            jobs.obtain(make_job(store, "new"))


OTHER = """
import os, threading
from pathlib import Path
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
from tests.cache.test_cache_jobs import make_job, make_runner
base = Path(sys.argv[1])
store = Store.open(base / "cache", reporter=Reporter(), runtime=base / "runtime")
jobs = make_runner(store, Reporter())
def hold():
    say("running")
    hear()
"""

HOLD_JOB = OTHER + "say(jobs.obtain(make_job(store, 'held', hold)))\nstore.close()\n"


class TestAmongProcesses:
    def test_ctrl_c_ends_a_wait_at_once(self, tmp_path: Path) -> None:
        wait = """
            try:
                jobs.obtain(make_job(store, "held"))
            except KeyboardInterrupt:
                say("interrupted")
            store.close()
        """
        log = tmp_path / "log"
        with OtherProcess(HOLD_JOB, tmp_path) as holder:
            holder.expect("running")
            with OtherProcess(OTHER + dedent(wait), tmp_path, environ={"MINIUV_LOCK_LOG": str(log)}) as waiter:
                until(lambda: log.exists() and any(event["event"] == "wait" for event in read_lock_log(log)))
                os.kill(waiter.pid, signal.SIGINT)
                waiter.expect("interrupted")
                waiter.end()
            holder.tell()
            assert holder.end() == ["held"]

    def test_ctrl_c_ends_the_wait_for_another_thread_at_once(self, tmp_path: Path) -> None:
        wait = """
            def block():
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait()
            import signal
            try:  # the signal may come while the thread is being started
                threading.Thread(target=lambda: jobs.obtain(make_job(store, "a", block)), daemon=True).start()
                while True:
                    jobs.obtain(make_job(store, "a", block))
            except KeyboardInterrupt:
                jobs.cancel()
                say("interrupted")
        """
        with OtherProcess(OTHER + dedent(wait), tmp_path) as waiter:
            assert waiter.end() == ["interrupted"]

    def test_a_job_that_another_process_does_is_waited_for_and_not_repeated(
        self, tmp_path: Path, store: Store, jobs: JobRunner
    ) -> None:
        def never() -> None:
            raise AssertionError("done twice")

        with OtherProcess(HOLD_JOB, tmp_path) as other, ThreadPoolExecutor(1) as pool:
            other.expect("running")
            waiting = pool.submit(jobs.obtain, make_job(store, "held", never))
            other.tell()
            assert waiting.result(30) == "held"
            other.end()

    def test_while_one_job_is_busy_elsewhere_its_permit_serves_others(
        self, tmp_path: Path, store: Store, reporter: RecordingReporter
    ) -> None:
        jobs = JobRunner(locks=store.locks, reporter=reporter, limits={"build": 1}, lock_wait=None)
        with OtherProcess(HOLD_JOB, tmp_path) as other, ThreadPoolExecutor(1) as pool:
            other.expect("running")
            waiting = pool.submit(jobs.obtain, make_job(store, "held"))
            assert [jobs.obtain(make_job(store, name)) for name in "abc"] == list("abc")
            assert not waiting.done()
            other.tell()
            assert waiting.result(30) == "held"

    def test_the_job_of_a_killed_process_is_done_by_who_waits(
        self, tmp_path: Path, store: Store, jobs: JobRunner
    ) -> None:
        with OtherProcess(HOLD_JOB, tmp_path) as other, ThreadPoolExecutor(1) as pool:
            other.expect("running")
            waiting = pool.submit(jobs.obtain, make_job(store, "held"))
            other.kill()
            assert waiting.result(30) == "held"

    def test_a_wait_of_a_second_is_explained(
        self, tmp_path: Path, store: Store, jobs: JobRunner, reporter: RecordingReporter
    ) -> None:
        with OtherProcess(HOLD_JOB, tmp_path) as other, ThreadPoolExecutor(1) as pool:
            other.expect("running")
            waiting = pool.submit(jobs.obtain, make_job(store, "held"))
            assert reporter.told.wait(30)
            other.tell()
            waiting.result(30)
            (notice,) = reporter.notices
            assert notice.subject == "held (wheel)"
            assert f"pid {other.pid} on " in notice.owner
            assert 'step "held (wheel)", running ' in notice.owner

    def test_a_wait_for_our_own_process_is_not_worth_a_word_nor_limited(
        self, tmp_path: Path, store: Store, reporter: RecordingReporter
    ) -> None:
        jobs = make_runner(store, reporter, lock_wait=0.0)
        gate = Gate()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(jobs.obtain, make_job(store, "a", gate, source_tree=tmp_path))
            assert gate.began.wait(30)
            threading.Timer(0.1, gate.may_end.set).start()
            assert jobs.obtain(make_job(store, "b", source_tree=tmp_path)) == "b"
            assert first.result(30) == "a"
        assert reporter.notices == []

    def test_a_limit_ends_a_wait(self, tmp_path: Path, store: Store, reporter: RecordingReporter) -> None:
        jobs = make_runner(store, reporter, lock_wait=0.1)
        with OtherProcess(HOLD_JOB, tmp_path) as other:
            other.expect("running")
            with pytest.raises(LockWaitExpiredError, match=f"held .wheel.: pid {other.pid}"):
                jobs.obtain(make_job(store, "held"))
            assert jobs.obtain(make_job(store, "a")) == "a"

    def test_a_source_tree_is_exclusive_whatever_the_cache(self, tmp_path: Path, store: Store, jobs: JobRunner) -> None:
        (tmp_path / "second").mkdir()
        code = OTHER.replace('base / "cache"', 'base / "other cache"') + (
            "jobs.obtain(make_job(store, 'held', hold, source_tree=base / 'second'))\nsay('done')\nhear()\n"
        )
        with OtherProcess(code, tmp_path) as other, ThreadPoolExecutor(1) as pool:
            other.expect("running")
            key = LockKey.source_tree(tmp_path / "second")
            assert store.locks.try_acquire([key], step="x") is None
            waiting = pool.submit(jobs.obtain, make_job(store, "a", source_tree=tmp_path / "second"))
            other.tell()
            other.expect("done")
            assert waiting.result(30) == "a"


MANY = (
    OTHER
    + """
from concurrent.futures import ThreadPoolExecutor
import json, random
work, names = float(sys.argv[2]), json.loads(sys.argv[3])
if len(sys.argv) > 4:
    random.Random(sys.argv[4]).shuffle(names)
pause = threading.Event()
say("ready")
hear()
with ThreadPoolExecutor(len(names)) as pool:
    made = list(pool.map(lambda name: jobs.obtain(make_job(store, name, lambda: pause.wait(work))), names))
assert made == names, made
store.close()
"""
)


def test_two_processes_with_the_same_work_split_it(tmp_path: Path) -> None:
    log, names = tmp_path / "log", [f"job{number}" for number in range(12)]
    with (
        OtherProcess(MANY, tmp_path, 0.1, json.dumps(names), environ={"MINIUV_LOCK_LOG": str(log)}) as one,
        OtherProcess(MANY, tmp_path, 0.1, json.dumps(names), environ={"MINIUV_LOCK_LOG": str(log)}) as two,
    ):
        for other in (one, two):
            other.expect("ready")
        for other in (one, two):
            other.tell()
        for other in (one, two):
            other.end()
        pids = {one.pid, two.pid}
    events = read_lock_log(log)
    assert violations(events) == []
    done = [event for event in events if event["event"] == "done"]
    assert Counter(event["title"] for event in done) == {f"{name} (wheel)": 1 for name in names}
    shares = Counter(event["pid"] for event in done)
    assert set(shares) == pids
    assert min(shares.values()) >= 0.3 * len(names)


def test_many_processes_in_other_orders_and_killed_ones_among_them_hang_nobody(tmp_path: Path) -> None:
    log, names = tmp_path / "log", [f"job{number}" for number in range(20)]
    others = [
        OtherProcess(MANY, tmp_path, 0.005, json.dumps(names), seed, environ={"MINIUV_LOCK_LOG": str(log)})
        for seed in range(5)
    ]
    for other in others:
        other.expect("ready")
    for other in others:
        other.tell()
    with others[0], others[1]:
        others[0].kill()
        others[1].kill()
    for other in others[2:]:
        with other:
            other.end()
    events = read_lock_log(log)
    assert violations(events, killed={others[0].pid, others[1].pid}) == []
    assert max(Counter(event["title"] for event in events if event["event"] == "done").values()) == 1
    with Store.open(tmp_path / "cache", reporter=Reporter()) as store:
        assert all(store.find("blobs", name) for name in names)
        assert {path.name for path in (store.root / "v1" / "tmp").iterdir()} <= {
            path.name for path in (store.root / "v1" / "leases").iterdir()
        }
