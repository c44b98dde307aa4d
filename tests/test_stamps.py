import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv import stamps

_ODD_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


def _rewrite(file: Path) -> None:
    facts = file.stat()
    file.write_text("two")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_text("one")
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    os.rename(other, file)


def _link_away(file: Path) -> None:
    os.rename(file, file.with_name("other"))
    file.symlink_to("other")


@pytest.mark.parametrize(
    "change",
    [_rewrite, _replace, _link_away, lambda file: file.chmod(0o600), os.unlink, lambda file: file.write_text("longer")],
)
def test_a_stamp_holds_until_the_file_changes(file: Path, change: Callable[[Path], object]) -> None:
    line = stamps.stamp(str(file))
    assert stamps.holds(line)
    time.sleep(0.02)  # past the tick, as everyone must be who trusts a stamp
    change(file)
    assert not stamps.holds(line)


def test_a_stamp_of_nothing_holds_until_something_appears(tmp_path: Path) -> None:
    line = stamps.stamp(str(tmp_path / "absent"))
    assert stamps.holds(line)
    (tmp_path / "absent").mkdir()
    assert not stamps.holds(line)


def test_a_folder_changes_with_what_is_in_it(tmp_path: Path) -> None:
    line = stamps.stamp(str(tmp_path))
    time.sleep(0.02)
    (tmp_path / "new").touch()
    assert not stamps.holds(line)


def test_a_symbolic_link_changes_with_what_it_leads_to(file: Path) -> None:
    link = file.with_name("link")
    link.symlink_to(file)
    line = stamps.stamp(str(link))
    assert stamps.holds(line)
    file.write_text("longer")
    assert not stamps.holds(line)


def test_a_hard_link_made_elsewhere_moves_the_stamp_of_a_source_only(file: Path) -> None:
    source, linked = stamps.stamp(str(file)), stamps.stamp(str(file), linked=True)
    time.sleep(0.02)
    os.link(file, file.with_name("elsewhere"))
    assert (stamps.holds(source), stamps.holds(linked)) == (False, True)


@given(name=_ODD_NAMES.filter(lambda name: name not in (".", "..") and len(name.encode()) < 200))
def test_any_file_name_survives_in_one_line(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    path = tmp_path_factory.mktemp("odd") / name
    path.touch()
    line = stamps.stamp(str(path))
    assert "\n" not in line
    assert stamps.holds(line)
    assert stamps.path_of(line) == str(path)


@given(line=st.text())
def test_garbage_holds_for_nothing(line: str) -> None:
    assert not stamps.holds(line)


def test_stamps_settle_only_when_the_clock_has_moved_on(file: Path) -> None:
    assert stamps.settled(lambda: [stamps.stamp(str(file))]) is not None
    assert time.time_ns() - file.stat().st_mtime_ns >= 20_000_000


@pytest.mark.parametrize("ahead", [3600, -0.5])
def test_stamps_of_the_future_or_of_a_coarse_clock_do_not_settle(file: Path, ahead: float) -> None:
    when = int(time.time() + ahead + 1) * 1_000_000_000
    os.utime(file, ns=(when, when))
    assert stamps.settled(lambda: [stamps.stamp(str(file), linked=True)]) is None


def test_files_that_keep_changing_do_not_settle(file: Path) -> None:
    def take() -> list[str]:
        os.utime(file)
        return [stamps.stamp(str(file))]

    assert stamps.settled(take) is None
