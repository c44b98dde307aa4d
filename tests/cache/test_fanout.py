"""A failure that would come again is found once for all who run at the same time."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniuv.cache import failures
from miniuv.cache.failures import Failures
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.errors import (
    ArchiveError,
    BackendError,
    BuildError,
    CacheError,
    GitError,
    HashMismatchError,
    Interrupted,
    MetadataError,
    MiniuvError,
    PackageIndexError,
)
from tests.support.processes import OtherProcess, RecordingReporter, until

ACTION = "failure of wheel a\n"


class Run:
    """One command with a cache, as good as a process of its own: it has its own locks and single flight."""

    def __init__(self, base: Path) -> None:
        self.reporter = RecordingReporter()
        self.store = Store.open(base / "cache", reporter=self.reporter, runtime=base / "runtime")
        self.failures = Failures(self.store)
        self.jobs = JobRunner(
            locks=self.store.locks, reporter=self.reporter, limits={}, lock_wait=None, failures=self.failures
        )

    def fail(self, error: MiniuvError, *, work: Callable[[], object] = lambda: None, tree: Path | None = None) -> str:
        """Obtain a job that does ``work`` and fails; how it ended."""

        def run() -> str:
            work()
            raise error

        job = Job(kind="wheel", subject="a", title="a", permit="free", lookup=lambda: None, run=run, source_tree=tree)
        with pytest.raises(MiniuvError) as caught:
            self.jobs.obtain(job)
        return f"{type(caught.value).__name__}: {caught.value} ({caught.value.hint})"


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[], Run]]:
    runs: list[Run] = []

    def make() -> Run:
        runs.append(Run(tmp_path))
        return runs[-1]

    yield make
    for run in runs:
        run.store.close()


class Tries:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.mark.parametrize("kind", [BackendError, MetadataError, HashMismatchError, ArchiveError])
def test_what_would_come_again_is_told_to_a_run_beside_it_and_not_tried(
    begin: Callable[[], Run], kind: type[MiniuvError]
) -> None:
    one, other, tries = begin(), begin(), Tries()
    error = kind("no good", where="a 1.0", hint="mend it")

    said = [run.fail(error, work=tries) for run in (one, other, other)]

    assert said == [f"{kind.__name__}: a 1.0: no good (mend it)"] * 3
    assert tries.count == 1


@pytest.mark.parametrize("kind", [BuildError, PackageIndexError, GitError, CacheError, Interrupted, MiniuvError])
def test_what_may_go_well_the_next_time_is_tried_by_everybody(
    begin: Callable[[], Run], kind: type[MiniuvError]
) -> None:
    one, other, tries = begin(), begin(), Tries()
    for run in (one, other):
        run.fail(kind("no good"), work=tries)
    assert tries.count == 2


def test_a_failure_that_the_disk_brought_about_is_tried_by_everybody(begin: Callable[[], Run]) -> None:
    one, other, tries = begin(), begin(), Tries()
    error = ArchiveError("it cannot be read")
    error.__cause__ = OSError("input/output error")
    for run in (one, other):
        run.fail(error, work=tries)
    assert tries.count == 2


def test_a_run_that_is_started_later_tries_again(begin: Callable[[], Run]) -> None:
    tries = Tries()
    for _ in range(2):
        begin().fail(BackendError("no good"), work=tries)
    assert tries.count == 2


def test_after_a_minute_nobody_believes_it_any_more(begin: Callable[[], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, tries = begin(), begin(), Tries()
    one.fail(BackendError("no good"), work=tries)
    monkeypatch.setattr(failures, "_LIFE", 0.0)
    other.fail(BackendError("no good"), work=tries)
    assert tries.count == 2


def test_another_boots_failure_is_nobodys(begin: Callable[[], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, tries = begin(), begin(), Tries()
    one.fail(BackendError("no good"), work=tries)
    monkeypatch.setattr(failures, "boot_id", lambda: "another")
    other.fail(BackendError("no good"), work=tries)
    assert tries.count == 2


def test_in_a_source_tree_only_a_run_that_began_after_the_question_counts(
    begin: Callable[[], Run], tmp_path: Path
) -> None:
    runs, tries = [begin() for _ in range(3)], Tries()
    began, may_end = threading.Event(), threading.Event()

    def work() -> None:
        tries()
        began.set()
        assert may_end.wait(30)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(runs[0].fail, BackendError("no good"), work=work, tree=tmp_path)
        assert began.wait(30)
        # Somebody may have mended the tree since that one began: one of these tries, the other is told.
        later = [pool.submit(run.fail, BackendError("still"), work=tries, tree=tmp_path) for run in runs[1:]]
        until(lambda: all(run.jobs._flights for run in runs))
        may_end.set()
        said = [first.result(30), *(result.result(30) for result in later)]

    assert said == ["BackendError: no good (None)", "BackendError: still (None)", "BackendError: still (None)"]
    assert tries.count == 2


def test_a_secret_in_a_failure_never_reaches_the_disk(begin: Callable[[], Run], tmp_path: Path) -> None:
    begin().fail(BackendError("no https://me:geheim@host/a", where="https://me:geheim@host", hint="a geheim"))
    for path in (tmp_path / "cache").rglob("*"):
        if path.is_file():
            assert b"me:geheim" not in path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [{"error": "OSError"}, {"error": "BuildError"}, {"error": 3}, {"message": None}, {"failed": "now"}, {"began": 1}],
)
def test_a_record_that_makes_no_sense_counts_for_nothing(begin: Callable[[], Run], change: dict[str, object]) -> None:
    one, other, tries = begin(), begin(), Tries()
    one.fail(BackendError("no good"), work=tries)
    record = one.store.read_record(ACTION)
    assert record is not None
    one.store.write_record(ACTION, record | change)
    other.fail(BackendError("no good"), work=tries)
    assert tries.count == 2


FAILING = """
from pathlib import Path
from miniuv.errors import BackendError
from tests.cache.test_fanout import Run
base = Path(sys.argv[1])
run = Run(base)
def work():
    with (base / "tries").open("a") as file:
        file.write("tried\\n")
    say("working")
    hear()
from miniuv.cache import tree_state
tree_state._SETTLED = 0
tree = Path(sys.argv[2]) if sys.argv[2:] else None
run.store.find("blobs", "k")  # who has asked the cache for anything is seen by others
say("ready")
hear()
say(run.fail(BackendError("no good", where="a 1.0", hint="mend it"), work=work, tree=tree))
run.store.close()
"""


def test_four_processes_wait_for_one_that_fails_and_all_say_the_same(tmp_path: Path) -> None:
    with (
        OtherProcess(FAILING, tmp_path) as owner,
        OtherProcess(FAILING, tmp_path) as one,
        OtherProcess(FAILING, tmp_path) as two,
        OtherProcess(FAILING, tmp_path) as three,
    ):
        for process in (owner, one, two, three):
            process.expect("ready")
        owner.tell()
        owner.expect("working")
        for process in (one, two, three):
            process.tell()
        owner.tell()
        said = [process.end() for process in (owner, one, two, three)]
    assert said == [["BackendError: a 1.0: no good (mend it)"]] * 4
    assert (tmp_path / "tries").read_text() == "tried\n"


@pytest.mark.parametrize("mended", [False, True])
def test_four_processes_wait_for_a_source_tree_that_fails_and_one_tries_again_if_it_was_mended_meanwhile(
    tmp_path: Path, mended: bool
) -> None:
    tree = tmp_path / "tree"
    (tree / "build").mkdir(parents=True)
    (tree / "setup.py").write_text("broken")
    with ExitStack() as stack:
        owner, *others = (stack.enter_context(OtherProcess(FAILING, tmp_path, tree)) for _ in range(4))
        for process in (owner, *others):
            process.expect("ready")
        owner.tell()
        owner.expect("working")
        for process in others:
            process.tell()
        (tree / "build" / "output").write_text("of the backend")
        if mended:
            (tree / "setup.py").write_text("better")
        owner.tell()
        if mended:
            until(lambda: (tmp_path / "tries").read_text().count("tried") == 2)
            for process in others:
                process.tell()
        heard = [line for process in (owner, *others) for line in process.end() if line != "working"]
    assert heard == ["BackendError: a 1.0: no good (mend it)"] * 4
    assert (tmp_path / "tries").read_text() == "tried\n" * (1 + mended)
