"""Whatever goes wrong, the environment is as it was."""

import contextlib
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.errors import InstallError, Interrupted
from miniuv.install.moves import Move, UnrestoredError, apply_moves, deferred_signals
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
    """The real rename, but for the ``count``-th, which raises what ``error`` makes."""
    left = count
    real = os.rename

    def rename(source: str, destination: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
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
    done = 0

    def rename(source: str, destination: str) -> None:
        nonlocal done
        done += 1
        if done >= 3:
            raise OSError(errno.EIO, "Input/output error", source)
        real(source, destination)

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(UnrestoredError) as caught:
        change(env, tmp_path)

    (kept,) = (env.prefix / ".miniuv").iterdir()
    assert str(kept) in caught.value.message
    assert list((kept / "old").iterdir())


def test_moves_across_file_systems_are_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def rename(source: str, destination: str) -> None:
        if Path(source).parent != Path(destination).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link", source)
        real(source, destination)

    monkeypatch.setattr(os, "rename", rename)
    for folder in ("old", "new/pkg/sub"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "new/pkg/sub/x").write_text("x")
    (tmp_path / "new/pkg/link").symlink_to("sub/x")
    (tmp_path / "new/file").write_text("file")

    moves = [
        Move(source=str(tmp_path / "new/pkg"), destination=str(tmp_path / "pkg")),
        Move(source=str(tmp_path / "new/file"), destination=str(tmp_path / "file")),
    ]
    apply_moves(moves, interrupted=lambda: False)
    assert (tmp_path / "pkg/link").read_text() == "x"
    assert (tmp_path / "file").read_text() == "file"
    assert not list((tmp_path / "new").iterdir())

    with pytest.raises(FileNotFoundError):
        apply_moves(
            [
                Move(source=str(tmp_path / "pkg"), destination=str(tmp_path / "old/0")),
                Move(source=str(tmp_path / "missing"), destination=str(tmp_path / "pkg")),
            ],
            interrupted=lambda: False,
        )
    assert (tmp_path / "pkg/link").read_text() == "x"
    assert not list((tmp_path / "old").iterdir())
