"""The place of source trees' locks: one for all who see the same file systems, ours alone, made when it is needed."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.cache import runtime
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.cache.runtime import runtime_folder
from miniuv.errors import CacheError
from miniuv.reporter import Reporter

_NAME = f"miniuv-{os.geteuid()}"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """What stands for ``/tmp`` and ``/dev/shm``."""
    found = (tmp_path / "tmp", tmp_path / "shm")
    for place in found:
        place.mkdir()
    monkeypatch.setattr(runtime, "_PLACES", found)
    return found


def choose(tmp_path: Path) -> Path:
    return runtime_folder(fallback=tmp_path / "fallback")


def test_choosing_makes_nothing_and_the_first_lock_makes_the_folder_for_us_alone(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = choose(tmp_path)
    assert folder == places[0] / _NAME
    assert list(places[0].iterdir()) == []
    locks = LockManager(tmp_path / "locks", runtime=folder, reporter=Reporter())
    before = os.umask(0)
    try:
        with locks.try_acquire([LockKey.source_tree(tmp_path)], step="build") or pytest.fail("it is free"):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert stat.S_IMODE((folder / "src").stat().st_mode) == 0o700
    finally:
        os.umask(before)
        locks.close()
    assert choose(tmp_path) == folder


def a_file(folder: Path) -> None:
    folder.write_text("")


def a_link(folder: Path) -> None:
    folder.symlink_to(folder.parent)


def open_to_all(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize("squat", [a_file, a_link, open_to_all])
def test_where_somebody_sits_on_the_name_the_next_place_is_taken_and_then_the_cache(
    places: tuple[Path, Path], tmp_path: Path, squat: Callable[[Path], None]
) -> None:
    squat(places[0] / _NAME)
    assert choose(tmp_path) == places[1] / _NAME
    squat(places[1] / _NAME)
    assert choose(tmp_path) == tmp_path / "fallback"


def test_a_folder_of_another_user_is_not_used(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = os.geteuid() + 1
    (places[0] / f"miniuv-{stranger}").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: stranger)  # so that the folder is somebody else's
    assert choose(tmp_path) == places[1] / f"miniuv-{stranger}"


def test_who_takes_the_name_between_the_choice_and_the_lock_gets_no_lock_of_ours(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    locks = LockManager(tmp_path / "locks", runtime=choose(tmp_path), reporter=Reporter())
    open_to_all(places[0] / _NAME)
    with pytest.raises(CacheError, match="somebody else sits on the name"):
        locks.try_acquire([LockKey.source_tree(tmp_path)], step="build")
    locks.close()
    assert list((places[0] / _NAME).iterdir()) == []


HOLDER = """
import subprocess, sys
from pathlib import Path
from miniuv.cache import runtime
from miniuv.cache.lock_keys import LockKey
from miniuv.cache.locks import LockManager
from miniuv.reporter import Reporter
base, caches = Path(sys.argv[1]), sys.argv[2:]
runtime._PLACES = (base / "tmp", base / "shm")
cache = base / caches[0]
folder = runtime.runtime_folder(fallback=cache)
held = LockManager(cache, runtime=folder, reporter=Reporter()).try_acquire([LockKey.source_tree(base)], step="build")
print(folder.relative_to(base), "free" if held else "busy", flush=True)
if caches[1:]:
    subprocess.run([sys.executable, __file__, base, *caches[1:]], check=True)
"""

_READ_ONLY = """
mount -t tmpfs -o mode=0755 none "$1/tmp" || exit 99
mkdir -m 0700 "$1/tmp/$2" "$1/tmp/$2/src" && mount -o remount,ro "$1/tmp" || exit 98
shift 2
exec "$@"
"""


def test_where_the_first_place_is_read_only_two_caches_still_exclude_each_other(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    unshare = ("unshare", "--mount", "--")
    try:
        subprocess.run([*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not let us mount a file system of our own (needs root)")
    script = tmp_path / "holder.py"
    script.write_text(HOLDER)
    command = [sys.executable, str(script), str(tmp_path), "one", "two"]
    done = subprocess.run(
        [*unshare, "sh", "-c", _READ_ONLY, "sh", tmp_path, _NAME, *command], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"shm/{_NAME} free", f"shm/{_NAME} busy"], done.stderr
    assert list(places[0].iterdir()) == [], "the mount was in a namespace of its own"
