"""Before anything is linked: is it still what was unpacked?"""

import os
from pathlib import Path

import pytest

from miniuv.archive.intact import DamagedWheelError, examine
from tests.support.environments import Environment, unpack
from tests.support.wheels import make_wheel


def test_a_restored_cache_with_other_times_is_intact(tmp_path: Path) -> None:
    wheel = unpack(make_wheel(tmp_path, "foo", "1.0"), tmp_path / "cache")
    os.utime(wheel.root / "foo.py", ns=(0, 0))
    condition = examine(wheel)
    assert not condition.damaged
    assert [(file.path, file.mtime_ns) for file in condition.drifted] == [("foo.py", 0)]


def test_missing_changed_and_replaced_files_are_damage(tmp_path: Path) -> None:
    names = ("longer", "same", "gone", "linked", "folder", "fine")
    wheel = unpack(make_wheel(tmp_path, "foo", "1.0", dict.fromkeys(names, "text")), tmp_path / "cache")
    (wheel.root / "longer").write_text("texts")
    (wheel.root / "same").write_text("tEXt")
    for name in ("gone", "linked", "folder"):
        (wheel.root / name).unlink()
    (wheel.root / "linked").symlink_to("fine")
    (wheel.root / "folder").mkdir()

    assert set(examine(wheel).damaged) == {"longer", "same", "gone", "linked", "folder"}


def test_an_edit_through_a_hard_link_is_not_installed_again(tmp_path: Path) -> None:
    env = Environment.make(tmp_path)
    prepared = env.prepare(make_wheel(tmp_path, "foo", "1.0", {"foo.py": "x = 1\n"}))
    env.apply([prepared], link_mode="hardlink")
    (env.site / "foo.py").write_text("x = 666\n")
    other = Environment.make(tmp_path, "other")
    before = other.tree()

    with pytest.raises(DamagedWheelError) as caught:
        other.apply([prepared])

    assert caught.value.wheel is prepared.wheel
    assert caught.value.paths == ("foo.py",)
    assert other.tree() == before
