"""Environments on file systems that run full or cannot be written; made in a mount namespace of their own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.mounts import own_mounts


def run_in_namespace(script: str, *arguments: Path) -> str:
    prelude = """
        import subprocess, sys
        from pathlib import Path
        from miniuv.errors import InstallError
        from tests.support.environments import Environment
        from tests.support.wheels import make_wheel
        disk, work = map(Path, sys.argv[1:])
        def mount(*options):
            subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", disk], check=True)
        def refused(env, *wheels, **options):
            before = env.tree()
            try:
                env.install(*wheels, **options)
            except InstallError as error:
                assert env.tree() == before
                print(error.message, "|", error.hint)
            else:
                print("installed")
    """
    code = textwrap.dedent(prelude) + textwrap.dedent(script)
    command = [*own_mounts(), sys.executable, "-c", code, *map(str, arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk"
    path.mkdir()
    return path


def test_a_full_disk_is_told_with_what_is_needed_and_free(disk: Path, tmp_path: Path) -> None:
    said = run_in_namespace(
        """
        mount("size=1m")
        env = Environment.make(disk)
        env.cache = work
        env.install(make_wheel(work, "foo", "1.0"))
        big = make_wheel(work, "foo", "2.0", {"foo.py": "", "big": b"x" * 3_000_000})
        refused(env, big)
        subprocess.run(["mount", "-o", "remount,size=9m", disk], check=True)
        refused(env, big)
        """,
        disk,
        tmp_path,
    )
    first, second = said.splitlines()
    assert "No space left on device (up to 3.0 MB are needed, " in first
    assert "make room" in first
    assert second == "installed"


def test_a_read_only_environment_is_told(disk: Path, tmp_path: Path) -> None:
    said = run_in_namespace(
        """
        mount("size=9m")
        env = Environment.make(disk)
        env.cache = work
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        refused(env, make_wheel(work, "foo", "1.0"))
        """,
        disk,
        tmp_path,
    )
    assert "Read-only file system" in said
    assert "must be writable" in said


def test_a_scheme_folder_on_another_file_system_is_filled_by_copies(disk: Path, tmp_path: Path) -> None:
    said = run_in_namespace(
        """
        env = Environment.make(work)
        (env.prefix / "share").mkdir()
        disk = env.prefix / "share"
        mount("size=9m")
        for version in ("1.0", "2.0"):
            env.install(make_wheel(work, "foo", version, {"foo.py": "", f"foo-{version}.data/data/share/d/x": version}))
            print((disk / "d/x").read_text())
        env.apply(remove=["foo"])
        print(list(disk.iterdir()))
        """,
        disk,
        tmp_path,
    )
    assert said.split() == ["1.0", "2.0", "[]"]
