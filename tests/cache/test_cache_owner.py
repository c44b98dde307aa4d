import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniuv.cache import heartbeat, owner
from miniuv.cache.heartbeat import Heartbeat
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.cache.owner import Owner, describe_holder, duration, read_owner
from miniuv.cache.owner_form import RECORD_LIMIT
from miniuv.reporter import Reporter
from tests.support.processes import OtherProcess

ME = Owner.this_process(step="work")


def test_a_record_is_one_line_that_is_read_back() -> None:
    data = ME.encode()
    assert data.count(b"\n") == 1
    assert Owner.decode(data) == ME


def test_the_rest_of_a_longer_record_does_no_harm() -> None:
    assert Owner.decode(ME.encode() + b'"old"}\n{"pid": 1}') == ME


@pytest.mark.parametrize("junk", [b"", b"\n", b"{}", b"[1]", b"null", b"\xff", b'{"pid": 1}', b"x" * 2000])
def test_junk_is_no_record(junk: bytes) -> None:
    assert Owner.decode(junk) is None


def test_a_field_of_another_type_is_junk() -> None:
    assert Owner.decode(ME.encode().replace(f'"pid":{ME.pid}'.encode(), b'"pid":"1"')) is None


@settings(max_examples=100)
@given(junk=st.binary(max_size=60))
def test_reading_never_raises(junk: bytes) -> None:
    Owner.decode(junk)
    Owner.decode(ME.encode()[:50] + junk)


@settings(max_examples=100)
@given(command=st.text(max_size=600), step=st.text(max_size=600))
def test_a_record_is_never_longer_than_its_limit(command: str, step: str) -> None:
    assert len(replace(ME, command=command, step=step).encode()) <= RECORD_LIMIT


def test_the_command_is_recorded_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/miniuv/__main__.py", "pip", "install", "a @ git+https://me:s3cr3t@host/r"])
    owner._identity.cache_clear()
    try:
        command = Owner.this_process(step="fetch https://me:s3cr3t@host/r").encode().decode()
    finally:
        owner._identity.cache_clear()
    assert "s3cr3t" not in command
    assert "miniuv pip install" in command


def test_we_are_alive_and_ourselves() -> None:
    assert ME.presence == "alive"
    assert ME.is_this_process


def test_a_pid_that_another_process_has_now_is_proof_of_death() -> None:
    assert replace(ME, ticks=ME.ticks + 1).presence == "gone"


@pytest.mark.parametrize("change", [{"host": "other"}, {"boot": "other"}, {"namespace": 1}])
def test_nothing_is_known_of_a_process_elsewhere(change: dict[str, str]) -> None:
    elsewhere = replace(ME, pid=2**22 + 1, **change)  # type: ignore[arg-type]
    assert elsewhere.presence == "unknown"


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0s"), (0.9, "0s"), (59, "59s"), (134, "2m14s"), (3600, "1h00m"), (7325, "2h02m")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_beat_goes_on_until_it_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)
    first, second, third = threading.Event(), threading.Event(), threading.Event()
    beats = Heartbeat()
    beats.add(first.set)
    assert first.wait(10)
    beats.remove(first.set)
    beats.add(second.set)
    assert second.wait(10)
    first.clear()
    beats.add(third.set)
    assert third.wait(10)
    assert not first.is_set()
    beats.close()


def test_a_held_lock_shows_its_owner_beating_and_a_free_one_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.001)
    locks = LockManager(tmp_path, runtime=tmp_path, reporter=Reporter())
    key = LockKey.job("git", "a")
    with locks.try_acquire([key], step="fetch") or pytest.fail("busy"):
        record = read_owner(tmp_path / key.name)
        assert record is not None
        assert (record.pid, record.step) == (os.getpid(), "fetch")
        while record is not None and record.beat < 3:
            record = read_owner(tmp_path / key.name) or record
        assert locks.holder(key) is None
    assert read_owner(tmp_path / key.name) is None
    locks.close()


def test_a_lock_that_a_dead_holder_left_to_its_child_is_told_so(tmp_path: Path) -> None:
    code = """
        import os, subprocess
        from pathlib import Path
        from miniuv.cache.lock_keys import LockKey
        from miniuv.cache.locks import LockManager
        from miniuv.reporter import Reporter
        locks = LockManager(Path(sys.argv[1]), runtime=Path(sys.argv[1]), reporter=Reporter())
        held = locks.try_acquire([LockKey.job("git", "a")], step="x")
        child = subprocess.Popen(["sleep", "60"], close_fds=False, stdin=0, stdout=2, preexec_fn=None,
                                 pass_fds=[held._holds[0]._file.descriptor])
        say(child.pid)
        hear()
    """
    import signal

    path = tmp_path / LockKey.job("git", "a").name
    with OtherProcess(code, tmp_path) as parent:
        child = int(parent.line())
        try:
            parent.kill()
            text = describe_holder(path)
        finally:
            os.kill(child, signal.SIGKILL)
    assert text.startswith(f"pid {parent.pid} ")
    assert f'is gone, left to pid {child} "sleep 60"' in text
