"""Whatever goes wrong, the environment is as it was."""

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.errors import InstallError, Interrupted
from miniuv.install.moves import UnrestoredError, deferred_signals
from miniuv.install.recovery import recover
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    """An environment with two distributions, about to be upgraded and removed."""
    env = Environment.make(tmp_path)
    env.install(
        make_wheel(tmp_path, "foo", "1.0", {"foo/a.py": "1", "foo/b.py": "1", "foo.pth": "", "x/foo.txt": ""}),
        make_wheel(tmp_path, "bar", "1.0", {"bar.py": "1", "x/bar.txt": "", "bar-1.0.data/scripts/bar": "#!python\n"}),
    )
    return env


def change(env: Environment, tmp_path: Path) -> None:
    new = make_wheel(tmp_path, "foo", "2.0", {"foo/a.py": "2", "foo/c.py": "2", "x/foo.txt": "2", "new/n.py": ""})
    env.apply([env.prepare(new)], remove=["bar"])


def failing_rename(count: int, error: Callable[[], BaseException]) -> Callable[[str, str], None]:
    """The real rename, but for the ``count``-th, which raises what ``error`` makes; probes are none."""
    left = count
    real = os.rename

    def rename(source: str, destination: str) -> None:
        nonlocal left
        left -= not str(destination).endswith(("/.", "/probe"))
        if left == 0:
            left -= 1
            raise error()
        real(source, destination)

    return rename


def no_space() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device", "/somewhere")


def test_a_failure_of_any_rename_leaves_everything_as_it_was(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = env.tree()
    errors: list[InstallError] = []
    for count in range(1, 100):
        with monkeypatch.context() as patch, contextlib.suppress(InstallError):
            patch.setattr(os, "rename", failing_rename(count, no_space))
            try:
                change(env, tmp_path)
            except InstallError as error:
                errors.append(error)
                raise
            break
        assert env.tree() == before
    assert len(errors) >= 8
    assert all("No space left" in error.message and "MB are free" in error.message for error in errors)
    assert {name: str(one.metadata.version) for name, one in env.installed().items()} == {"foo": "2.0"}


def test_an_unexpected_error_is_undone_too(env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = env.tree()
    monkeypatch.setattr(os, "rename", failing_rename(5, lambda: RuntimeError("surprise")))
    with pytest.raises(RuntimeError, match="surprise"):
        change(env, tmp_path)
    assert env.tree() == before


def test_ctrl_c_between_two_renames_is_undone(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = env.tree()
    real = os.rename
    done = 0

    def rename(source: str, destination: str) -> None:
        nonlocal done
        real(source, destination)
        done += 1
        if done == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(Interrupted):
        change(env, tmp_path)
    assert done == 8
    assert env.tree() == before


def test_ctrl_c_after_the_last_rename_is_delivered_when_all_is_new() -> None:
    seen: list[bool] = []

    def interrupted_late() -> None:
        with deferred_signals() as interrupted:
            seen.append(interrupted())
            signal.raise_signal(signal.SIGINT)
            seen.append(interrupted())

    with pytest.raises(KeyboardInterrupt):
        interrupted_late()
    assert seen == [False, True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_failed_undo_says_what_lies_where_and_keeps_it(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.rename
    before = env.tree()
    decided = 0

    def rename(source: str, destination: str) -> None:
        nonlocal decided
        decided += bool(decided) or str(destination).endswith("/journal")
        if decided > 3:
            raise OSError(errno.EIO, "Input/output error", source)
        real(source, destination)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(UnrestoredError) as caught:
            change(env, tmp_path)

    kept = next(path for path in (env.prefix / ".miniuv").iterdir() if path.is_dir())
    assert f"{env.prefix}/" in caught.value.message
    assert "tries again" in str(caught.value.usual_hint)
    assert list((kept / "old").iterdir())

    recover(env.interpreter, reporter=env.reporter)
    assert {name: str(one.metadata.version) for name, one in env.installed().items()} == {"foo": "2.0"}
    assert env.tree() != before
    assert not (env.prefix / ".miniuv").exists()
