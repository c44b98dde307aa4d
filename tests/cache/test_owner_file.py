"""Where there is no ``flock``, an environment is still one process's at a time."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniuv.cache.locks import LockManager
from miniuv.cache.owner import Owner, read_owner
from miniuv.cache.owner_file import ForeignOwnerError, OwnerFile
from miniuv.errors import LockWaitExpiredError, TargetError
from tests.support.commands import World
from tests.support.processes import OtherProcess, RecordingReporter, until
from tests.support.shims import compile_shim

HOLDER = """
from pathlib import Path
from miniuv.cache.owner_file import OwnerFile
file = OwnerFile.take(Path(sys.argv[1]))
say(bool(file))
hear()
file.close()
say("closed")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "owner"


def left_behind(path: Path) -> None:
    """Make a dead process's file."""
    with OtherProcess(HOLDER, path) as other:
        other.expect("True")
        other.kill()


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_it_is_one_process_s_until_that_gives_it_up(path: Path) -> None:
    with OtherProcess(HOLDER, path) as other:
        other.expect("True")
        assert OwnerFile.take(path) is None
        owner = read_owner(path)
        assert owner is not None
        assert owner.pid == other.pid
        other.tell()
        other.expect("closed")
        file = OwnerFile.take(path)
        assert file is not None
        assert OwnerFile.take(path) is None, "nor are threads of one process let in together"
        file.close()
    assert names(path.parent) == []


def test_what_a_dead_process_left_is_taken_over_by_one(path: Path) -> None:
    left_behind(path)
    start = threading.Barrier(8)

    def contend() -> OwnerFile | None:
        start.wait(30)
        return OwnerFile.take(path)

    with ThreadPoolExecutor(8) as pool:
        contenders = [pool.submit(contend) for _ in range(8)]
    winners = [file for file in (each.result() for each in contenders) if file is not None]
    # Those who came while the claim was held have gone away with nothing; whoever has it, has it alone.
    assert len(winners) == 1
    assert names(path.parent) == ["owner"]
    winners[0].close()
    assert names(path.parent) == []


def test_a_claim_whose_holder_died_is_taken_over_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(path)
    claims: list[Path] = []
    really = OwnerFile.take

    def die_with_the_claim(wanted: Path) -> OwnerFile | None:
        if wanted != path and not claims:
            claims.append(wanted)
            left_behind(wanted)
            return None
        return really(wanted)

    monkeypatch.setattr(OwnerFile, "take", die_with_the_claim)
    assert really(path) is None
    assert names(path.parent) == ["owner", claims[0].name]
    file = really(path)
    assert file is not None
    file.close()
    assert names(path.parent) == []


def test_who_claims_a_dead_one_s_file_too_late_takes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_behind(path)
    really, successor = OwnerFile.take, ExitStack()

    def be_late(wanted: Path) -> OwnerFile | None:
        path.unlink()
        other = successor.enter_context(OtherProcess(HOLDER, path))
        other.expect("True")
        return really(wanted)

    monkeypatch.setattr(OwnerFile, "take", be_late)
    with successor:
        assert really(path) is None
        owner = read_owner(path)
        assert owner is not None
        assert owner.presence == "alive"


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot": "before"}, {"namespace": 1}])
def test_of_a_process_elsewhere_nothing_is_taken(path: Path, change: dict[str, object]) -> None:
    record = json.loads(Owner.this_process(step="x").encode()) | change
    path.write_text(json.dumps(record))
    with pytest.raises(ForeignOwnerError, match=f"pid {os.getpid()}"):
        OwnerFile.take(path)
    assert names(path.parent) == ["owner"]


def test_a_file_that_says_nothing_is_not_taken(path: Path) -> None:
    path.touch()
    with pytest.raises(ForeignOwnerError, match="an unknown process"):
        OwnerFile.take(path)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim("broken_locks", tmp_path_factory.mktemp("shim"))


INSIDE = """
from pathlib import Path
from miniuv.cache.locks import LockManager
from tests.support.processes import RecordingReporter
base, turns = Path(sys.argv[1]), int(sys.argv[2])
locks = LockManager(base / "locks", runtime=base, reporter=RecordingReporter())
say("ready")
hear()
for _ in range(turns):
    with locks.environment(base / "env"):
        (base / "inside").touch(exist_ok=False)
        (base / "inside").unlink()
say("done")
hear()
with locks.environment(base / "env"):
    say("in")
    hear()
locks.close()
"""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "env").mkdir()
    return tmp_path


@pytest.mark.parametrize("way", ["ENOSYS", "ENOLCK"])
def test_without_flock_nobody_is_in_an_environment_with_somebody_else(base: Path, library: Path, way: str) -> None:
    environ = {"LD_PRELOAD": str(library), "BROKEN_LOCKS": way}
    with ExitStack() as stack:
        others = [stack.enter_context(OtherProcess(INSIDE, base, 40, environ=environ)) for _ in range(3)]
        for other in others:
            other.expect("ready")
        for other in others:
            other.tell()
        for other in others:
            other.expect("done")
        for other in others:
            other.tell()
            other.expect("in")
            other.kill()
    assert names(base / "env") == [".lock", ".lock-owner"]


def test_without_flock_the_holder_is_told_by_name(base: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from miniuv.cache import flock

    def refuse(descriptor: int, *, blocking: bool) -> bool:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(flock, "lock_descriptor", refuse)
    reporter = RecordingReporter()
    locks = LockManager(base / "locks", runtime=base, reporter=reporter)
    environ = {"LD_PRELOAD": str(library), "BROKEN_LOCKS": "ENOSYS"}
    with OtherProcess(INSIDE, base, 0, environ=environ) as other:
        other.expect("ready")
        other.tell()
        other.expect("done")
        other.tell()
        other.expect("in")
        with (
            pytest.raises(LockWaitExpiredError, match=f"pid {other.pid} on .*alive"),
            locks.environment(base / "env", limit=0.1),
        ):
            pass
        other.tell()
        until(lambda: not (base / "env" / ".lock-owner").exists())
    record = json.loads(Owner.this_process(step="x").encode()) | {"host": "elsewhere"}
    (base / "env" / ".lock-owner").write_text(json.dumps(record))
    with pytest.raises(TargetError, match=r"pid .* on elsewhere") as caught, locks.environment(base / "env"):
        pass
    assert caught.value.where == str(base / "env" / ".lock-owner")
    assert "delete that file" in str(caught.value.hint)
    assert reporter.warnings == []
    locks.close()


def test_clearing_an_environment_without_flock_leaves_who_owns_it(tmp_path: Path, library: Path) -> None:
    world = World.make(tmp_path)
    environ = {"LD_PRELOAD": str(library), "BROKEN_LOCKS": "ENOSYS"}
    done = world.start("venv", "--clear", ".venv", environ=environ)
    _, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    left_behind(world.folder / ".venv" / ".lock-owner")
    done = world.start("venv", "--clear", ".venv", environ=environ)
    _, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert names(world.folder / ".venv").count(".lock") == 1
    assert ".lock-owner" not in names(world.folder / ".venv"), "taken over, and given up at the end"
