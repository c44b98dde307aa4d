"""From the cache into the environment, and back never."""

import errno
import os
from pathlib import Path

import pytest

from miniuv.install.link import Linker, LinkMode
from tests.support.environments import Environment
from tests.support.wheels import make_wheel


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_text("content")
    path.chmod(0o755)
    os.utime(path, ns=(5, 1_700_000_000_123_456_789))
    return path


@pytest.mark.parametrize("mode", ["auto", "clone", "hardlink", "copy"])
def test_every_mode_keeps_content_permissions_and_time(source: Path, tmp_path: Path, mode: LinkMode) -> None:
    target = tmp_path / "target"

    Linker(mode).place(str(source), str(target))

    facts = target.stat()
    assert target.read_text() == "content"
    assert facts.st_mode & 0o777 == 0o755
    assert facts.st_mtime_ns == 1_700_000_000_123_456_789
    assert (facts.st_ino == source.stat().st_ino) <= (mode in ("auto", "hardlink"))


def test_where_nothing_can_be_linked_it_is_copied_without_trying_each_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    def refuse(*_: object) -> None:
        nonlocal tried
        tried += 1
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    linker = Linker("hardlink")
    for number in range(3):
        linker.place(str(source), str(tmp_path / f"target{number}"))

    assert tried == 1
    assert (tmp_path / "target2").read_text() == "content"


def test_one_file_with_too_many_links_is_copied_and_the_next_one_linked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def limited(origin: str, target: str) -> None:
        if target.endswith("0"):
            raise OSError(errno.EMLINK, "Too many links")
        real(origin, target)

    monkeypatch.setattr(os, "link", limited)
    linker = Linker("hardlink")
    for number in range(2):
        linker.place(str(source), str(tmp_path / f"target{number}"))

    assert (tmp_path / "target0").stat().st_nlink == 1
    assert (tmp_path / "target1").stat().st_nlink == 2


def test_programs_and_records_are_never_links_to_the_cache(tmp_path: Path) -> None:
    env = Environment.make(tmp_path)
    wheel = make_wheel(tmp_path, "foo", "1.0", {"foo.py": "", "foo-1.0.data/scripts/foo": "#!/bin/sh\n"})

    env.install(wheel, link_mode="hardlink")

    assert (env.site / "foo.py").stat().st_nlink == 2
    info = env.site / "foo-1.0.dist-info"
    for path in (env.bin / "foo", info / "RECORD", info / "INSTALLER"):
        assert path.stat().st_nlink == 1
