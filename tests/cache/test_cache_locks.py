import errno
import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.cache.lock_file import LockFile
from miniuv.cache.lock_keys import LockKey, Rank
from miniuv.cache.lock_log import LockLog
from miniuv.cache.locks import LockManager
from miniuv.errors import CacheError, Interrupted, LockOrderError, LockWaitExpiredError, TargetError
from miniuv.reporter import Reporter
from tests.support.processes import OtherProcess, RecordingReporter

MANAGER = """
import os
from pathlib import Path
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.reporter import Reporter
base = Path(sys.argv[1])
locks = LockManager(base / "locks", runtime=base / "runtime", reporter=Reporter())
"""

HOLD_JOB = (
    MANAGER
    + """
held = locks.try_acquire([LockKey.job("git", "a")], step="fetch a")
say("held" if held else "busy")
hear()
"""
)


def make_manager(base: Path, reporter: Reporter | None = None) -> LockManager:
    return LockManager(base / "locks", runtime=base / "runtime", reporter=reporter or Reporter())


@pytest.fixture
def locks(tmp_path: Path) -> Iterator[LockManager]:
    manager = make_manager(tmp_path)
    yield manager
    manager.close()


def job(subject: str) -> LockKey:
    return LockKey.job("git", subject)


def in_a_thread(locks: LockManager, *keys: LockKey) -> bool:
    """Whether another thread gets ``keys``."""
    got = []

    def work() -> None:
        held = locks.try_acquire(keys, step="try")
        got.append(held is not None)
        if held:
            held.release()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return got[0]


class TestExclusion:
    def test_a_lock_is_held_by_one_process_and_free_again_after_its_release(
        self, tmp_path: Path, locks: LockManager
    ) -> None:
        with OtherProcess(HOLD_JOB, tmp_path) as other:
            other.expect("held")
            assert locks.try_acquire([job("a")], step="x") is None
            other.tell()
            other.end()
        with locks.try_acquire([job("a")], step="x") or pytest.fail("busy"):
            pass

    def test_sigkill_of_its_holder_frees_a_lock(self, tmp_path: Path, locks: LockManager) -> None:
        with OtherProcess(HOLD_JOB, tmp_path) as other:
            other.expect("held")
            other.kill()
            assert locks.try_acquire([job("a")], step="x") is not None

    def test_threads_of_one_process_exclude_each_other(self, locks: LockManager) -> None:
        with locks.try_acquire([job("a")], step="x") or pytest.fail("busy"):
            assert not in_a_thread(locks, job("a"))
            assert in_a_thread(locks, job("b"))
        assert in_a_thread(locks, job("a"))

    def test_several_are_taken_all_or_none(self, locks: LockManager) -> None:
        with locks.try_acquire([job("b")], step="x") or pytest.fail("busy"):
            assert not in_a_thread(locks, job("a"), job("b"), job("c"))
            assert in_a_thread(locks, job("a"), job("c"))

    def test_a_source_tree_is_the_same_by_every_path_and_for_every_cache(self, tmp_path: Path) -> None:
        tree, link = tmp_path / "tree", tmp_path / "link"
        tree.mkdir()
        link.symlink_to(tree)
        one = LockManager(tmp_path / "1", runtime=tmp_path / "runtime", reporter=Reporter())
        two = LockManager(tmp_path / "2", runtime=tmp_path / "runtime", reporter=Reporter())
        with one.try_acquire([LockKey.source_tree(tree)], step="x") or pytest.fail("busy"):
            assert not in_a_thread(two, LockKey.source_tree(link))

    def test_a_source_tree_that_is_gone_is_one_clear_error(self, tmp_path: Path) -> None:
        with pytest.raises(CacheError, match="cannot lock the source tree: no such file"):
            LockKey.source_tree(tmp_path / "nothing")

    def test_releasing_twice_is_once(self, locks: LockManager) -> None:
        held = locks.try_acquire([job("a")], step="x")
        assert held is not None
        held.release()
        with locks.try_acquire([job("a")], step="x") or pytest.fail("busy"):
            held.release()
            assert not in_a_thread(locks, job("a"))

    def test_a_lock_on_a_file_that_lost_its_name_is_no_lock(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from miniuv.cache import flock

        path = tmp_path / "lock"
        native = flock.lock_descriptor
        tries = []

        def lock_after_a_replacement(descriptor: int, *, blocking: bool) -> bool:
            tries.append(descriptor)
            if len(tries) == 1:
                path.unlink()
            return native(descriptor, blocking=blocking)

        monkeypatch.setattr(flock, "lock_descriptor", lock_after_a_replacement)
        file = LockFile.try_lock(path)
        assert file is not None
        assert len(tries) == 2
        assert os.path.samestat(path.stat(), os.fstat(file.descriptor))
        file.close()

    def test_locks_are_not_inherited_by_programs(self, tmp_path: Path, locks: LockManager) -> None:
        with locks.try_acquire([job("a")], step="x") or pytest.fail("busy"):
            path = str(tmp_path / "locks" / job("a").name)
            links = {name: _link(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")}
            (descriptor,) = [int(name) for name, link in links.items() if link == path]
            assert not os.get_inheritable(descriptor)


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


class TestRules:
    def test_upwards_is_allowed(self, tmp_path: Path, locks: LockManager) -> None:
        low, high = sorted([job("a"), job("b")])
        with (
            locks.try_acquire([low], step="x") or pytest.fail("busy"),
            locks.try_acquire([high], step="x") or pytest.fail("busy"),
            locks.try_acquire([LockKey.source_tree(tmp_path)], step="x") or pytest.fail("busy"),
        ):
            pass

    @pytest.mark.parametrize("again", [True, False], ids=["the same", "a lower one"])
    def test_downwards_is_refused_whether_busy_or_not(self, locks: LockManager, again: bool) -> None:
        low, high = sorted([job("a"), job("b")])
        with (
            locks.try_acquire([high], step="x") or pytest.fail("busy"),
            pytest.raises(LockOrderError, match="downwards"),
        ):
            locks.try_acquire([high if again else low], step="x")

    def test_no_job_is_tried_while_holding_a_source_tree(self, tmp_path: Path, locks: LockManager) -> None:
        with (
            locks.try_acquire([LockKey.source_tree(tmp_path)], step="x") or pytest.fail("busy"),
            pytest.raises(LockOrderError, match="downwards"),
        ):
            locks.try_acquire([job("a")], step="x")

    def test_nothing_is_tried_while_holding_an_environment(self, tmp_path: Path, locks: LockManager) -> None:
        with locks.environment(tmp_path), pytest.raises(LockOrderError, match="alone"):
            locks.try_acquire([job("a")], step="x")

    def test_nobody_waits_for_an_environment_while_holding(self, tmp_path: Path, locks: LockManager) -> None:
        with (
            locks.try_acquire([job("a")], step="x") or pytest.fail("busy"),
            pytest.raises(LockOrderError, match="was waited for while holding"),
            locks.environment(tmp_path),
        ):
            pass

    def test_an_environment_is_not_one_of_several(self, tmp_path: Path, locks: LockManager) -> None:
        with pytest.raises(LockOrderError, match="alone"):
            locks.try_acquire([job("a"), LockKey.environment(tmp_path)], step="x")

    def test_what_another_thread_holds_is_no_breach(self, tmp_path: Path, locks: LockManager) -> None:
        with locks.try_acquire([LockKey.source_tree(tmp_path)], step="x") or pytest.fail("busy"):
            assert in_a_thread(locks, job("a"))

    def test_after_a_breach_everything_can_be_taken_again(self, locks: LockManager) -> None:
        low, high = sorted([job("a"), job("b")])
        with locks.try_acquire([high], step="x") or pytest.fail("busy"), pytest.raises(LockOrderError):
            locks.try_acquire([low], step="x")
        with locks.try_acquire([high, low], step="x") or pytest.fail("busy"):
            pass

    @settings(max_examples=30)
    @given(subjects=st.lists(st.text(max_size=3), min_size=1, max_size=5))
    def test_keys_are_taken_upwards_in_whatever_order_they_are_given(
        self, tmp_path_factory: pytest.TempPathFactory, subjects: list[str]
    ) -> None:
        base = tmp_path_factory.mktemp("base")
        log = base / "log"
        manager = LockManager(base / "locks", runtime=base / "runtime", reporter=Reporter(), log=LockLog(str(log)))
        with manager.try_acquire(map(job, subjects), step="x") or pytest.fail("busy"):
            taken = [
                told["name"] for told in map(json.loads, log.read_text().splitlines()) if told["event"] == "acquire"
            ]
            assert taken == [key.name for key in sorted({job(subject) for subject in subjects})]
        manager.close()

    def test_the_ranks_are_ordered_as_documented(self) -> None:
        assert [rank.value for rank in Rank] == [5, 10, 20, 30, 40]

    @pytest.mark.parametrize("kind", ["", "../x", "A", "a/b"])
    def test_a_kind_of_job_is_a_plain_word(self, kind: str) -> None:
        with pytest.raises(LockOrderError):
            LockKey.job(kind, "x")


HOLD_ENVIRONMENT = (
    MANAGER
    + """
with locks.environment(base / "env", step="commit"):
    say("held")
    hear()
"""
)


class TestEnvironment:
    @pytest.fixture
    def env(self, tmp_path: Path) -> Path:
        env = tmp_path / "env"
        env.mkdir()
        return env

    def test_a_wait_for_it_ends_when_the_holder_does(self, tmp_path: Path, env: Path, locks: LockManager) -> None:
        with OtherProcess(HOLD_ENVIRONMENT, tmp_path) as other:
            other.expect("held")
            threading.Timer(0.1, other.tell).start()
            with locks.environment(env):
                pass
            other.end()

    def test_a_wait_of_a_second_is_explained(self, tmp_path: Path, env: Path) -> None:
        reporter = RecordingReporter()
        locks = make_manager(tmp_path, reporter)
        with OtherProcess(HOLD_ENVIRONMENT, tmp_path) as other:
            other.expect("held")

            def let_go() -> None:
                reporter.told.wait()
                other.tell()

            threading.Thread(target=let_go, daemon=True).start()
            with locks.environment(env):
                pass
            other.end()
            (notice,) = reporter.notices
            assert 1 <= notice.waited < 5
            assert str(notice).startswith(f"waiting for the environment {env}: pid {other.pid} on ")
            assert 'step "commit", running ' in notice.owner
            assert notice.owner.endswith(" ago")
        locks.close()

    def test_a_limit_ends_a_wait_with_an_exit_code_of_its_own(
        self, tmp_path: Path, env: Path, locks: LockManager
    ) -> None:
        with OtherProcess(HOLD_ENVIRONMENT, tmp_path) as other:
            other.expect("held")
            with (
                pytest.raises(LockWaitExpiredError, match=f"pid {other.pid}") as caught,
                locks.environment(env, limit=0.1),
            ):
                pass
        assert caught.value.exit_code == 75
        assert "--lock-wait" in str(caught.value.hint)

    def test_a_wait_can_be_interrupted(self, tmp_path: Path, env: Path, locks: LockManager) -> None:
        wake = threading.Event()
        with OtherProcess(HOLD_ENVIRONMENT, tmp_path) as other:
            other.expect("held")
            threading.Timer(0.1, wake.set).start()
            with pytest.raises(Interrupted), locks.environment(env, wake=wake):
                pass

    def test_a_holder_that_leaves_no_record_is_named_by_the_kernel(
        self, tmp_path: Path, env: Path, locks: LockManager
    ) -> None:
        foreign = """
            import fcntl
            file = open(sys.argv[1] + "/env/.lock", "w")
            fcntl.flock(file, fcntl.LOCK_EX)
            say("held")
            hear()
        """
        with locks.environment(env):
            pass  # the record of an earlier holder must not be taken for this one's
        with OtherProcess(foreign, tmp_path) as other:
            other.expect("held")
            with (
                pytest.raises(LockWaitExpiredError, match=f'pid {other.pid} "python'),
                locks.environment(env, limit=0.1),
            ):
                pass

    @pytest.mark.parametrize("mode", [0o755, 0o700, 0o775])
    def test_its_file_has_the_environments_own_mode_and_stays(self, env: Path, locks: LockManager, mode: int) -> None:
        env.chmod(mode)
        with locks.environment(env):
            inode = (env / ".lock").stat().st_ino
        with locks.environment(env):
            pass
        facts = (env / ".lock").stat()
        assert stat.S_IMODE(facts.st_mode) == mode & 0o666
        assert facts.st_ino == inode

    def test_a_missing_environment_is_one_clear_error(self, tmp_path: Path, locks: LockManager) -> None:
        with pytest.raises(TargetError, match="cannot lock the environment"), locks.environment(tmp_path / "nothing"):
            pass

    def test_a_symlink_in_the_place_of_its_file_is_not_followed(
        self, tmp_path: Path, env: Path, locks: LockManager
    ) -> None:
        (env / ".lock").symlink_to(tmp_path / "victim")
        with pytest.raises(TargetError), locks.environment(env):
            pass
        assert not (tmp_path / "victim").exists()


class TestTrouble:
    @pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
    def test_a_file_system_without_locks_is_warned_about_once_and_lived_with(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
    ) -> None:
        from miniuv.cache import flock

        def refuse(descriptor: int, *, blocking: bool) -> bool:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(flock, "lock_descriptor", refuse)
        reporter = RecordingReporter()
        locks = make_manager(tmp_path, reporter)
        for subject in ("a", "b"):
            with locks.try_acquire([job(subject)], step="x") or pytest.fail("busy"):
                pass
        assert len(reporter.warnings) == 1
        locks.close()

    def test_running_out_of_descriptors_is_an_error_and_not_a_busy_lock(self, tmp_path: Path) -> None:
        code = (
            MANAGER
            + """
import resource
from miniuv.errors import CacheError
resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
files = []
try:
    while True:
        files.append(open("/dev/null"))
except OSError:
    pass
try:
    locks.try_acquire([LockKey.job("git", "a")], step="x")
except CacheError as error:
    for file in files:
        file.close()
    say(error.hint)
say(bool(locks.try_acquire([LockKey.job("git", "a")], step="x")))
"""
        )
        with OtherProcess(code, tmp_path) as other:
            hint, again = other.end()
        assert "ulimit -n" in hint
        assert again == "True"
