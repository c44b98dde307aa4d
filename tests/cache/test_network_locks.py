"""Locks over a network that answers late or never."""

from pathlib import Path

import pytest

from miniuv.cache import mounts
from tests.support.processes import OtherProcess
from tests.support.shims import compile_shim

_MOUNTS = """\
22 28 0:21 / /proc rw,nosuid - proc proc rw
28 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 28 0:33 / /home/with\\040space rw,relatime shared:1 - nfs4 server:/export - x rw,vers=4.2
41 28 0:34 / /mnt/far rw - fuse.sshfs me@host:/ rw
42 28 0:35 / /tmp rw - tmpfs tmpfs rw
a line that is none
"""


@pytest.mark.parametrize(
    ("device", "remote"), [((0, 33), True), ((0, 34), True), ((0, 35), False), ((254, 0), False), ((0, 99), False)]
)
def test_a_file_system_over_a_network_is_known_by_its_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: tuple[int, int], remote: bool
) -> None:
    import os

    (tmp_path / "mountinfo").write_text(_MOUNTS)
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    assert mounts.is_remote(os.makedev(*device)) is remote


def test_nothing_is_thought_remote_where_nobody_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "nowhere")
    assert not mounts.is_remote(33)


LOCKING = """
import time
from pathlib import Path
from miniuv.cache import network
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.cache.store import Store
from tests.support.processes import RecordingReporter
network.is_remote = lambda device: True
network.PATIENCE = float(sys.argv[2])
base, reporter = Path(sys.argv[1]), RecordingReporter()
(base / "env").mkdir()
with Store.open(base / "cache", reporter=reporter, runtime=base) as store:
    began = time.monotonic()
    with store.staging():
        for subject in ("a", "b", "c"):
            with store.locks.try_acquire([LockKey.job("git", subject)], step="x"):
                pass
    with store.locks.environment(base / "env"):
        say((base / "env" / ".lock-owner").exists())
    say(len(reporter.warnings))
    say(time.monotonic() - began >= network.PATIENCE)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_shim("broken_locks", tmp_path_factory.mktemp("shim"))


def test_locks_that_never_return_are_waited_for_once_and_then_there_are_none(tmp_path: Path, library: Path) -> None:
    environ = {"LD_PRELOAD": str(library), "BROKEN_LOCKS": "hang"}
    with OtherProcess(LOCKING, tmp_path, 0.3, environ=environ) as other:
        assert other.end() == ["True", "1", "True"]


def test_locks_that_return_are_used_over_a_network_too(tmp_path: Path) -> None:
    with OtherProcess(LOCKING, tmp_path, 60) as other:
        assert other.end() == ["False", "0", "False"]
