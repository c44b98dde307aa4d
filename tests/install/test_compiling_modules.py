"""Bytecode, made by the target interpreter."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from miniuv.models.request import InstallOptions
from miniuv.process import Completed, SubprocessRunner
from tests.support.environments import Environment
from tests.support.wheels import make_wheel

COMPILE = InstallOptions(compile_bytecode=True)


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return Environment.make(tmp_path)


def compiled(env: Environment) -> set[str]:
    return {str(path.relative_to(env.site)) for path in env.site.rglob("*.pyc")}


def test_modules_are_compiled_recorded_and_not_compiled_again(env: Environment, tmp_path: Path) -> None:
    source = "import sys\ndef where(): return sys._getframe().f_code.co_filename\n"
    tag = env.interpreter.cache_tag

    env.install(
        make_wheel(tmp_path, "foo", "1.0", {"foo.py": source, "pkg/a.py": "", "pkg/b.txt": ""}), options=COMPILE
    )

    expected = {f"__pycache__/foo.{tag}.pyc", f"pkg/__pycache__/a.{tag}.pyc"}
    assert compiled(env) == expected
    record = (env.site / "foo-1.0.dist-info/RECORD").read_text().splitlines()
    assert {f"{path},," for path in expected} <= set(record)
    assert env.run("-c", "import foo; print(foo.where())") == str(env.site / "foo.py")
    times = {path: path.stat().st_mtime_ns for path in env.site.rglob("*.pyc")}
    env.run("-c", "import foo, pkg.a")
    assert {path: path.stat().st_mtime_ns for path in env.site.rglob("*.pyc")} == times


def test_compiled_files_go_with_their_distribution(env: Environment, tmp_path: Path) -> None:
    before = env.tree()
    env.install(make_wheel(tmp_path, "foo", "1.0", {"foo.py": "", "pkg/a.py": ""}), options=COMPILE)
    env.apply(remove=["foo"])
    assert env.tree() == before


def test_one_that_cannot_be_compiled_is_installed_with_a_warning(env: Environment, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"fine.py": "", "python2.py": "print 'x'\n", "binary.py": b"\0\xff"}

    env.install(make_wheel(tmp_path, "foo", "1.0", files), options=COMPILE)

    assert compiled(env) == {f"__pycache__/fine.{env.interpreter.cache_tag}.pyc"}
    assert (env.site / "python2.py").is_file()
    (warning,) = env.reporter.warnings
    assert "and 1 more could not be compiled" in warning
    assert len(env.reporter.notes) == 2


def test_many_modules_are_compiled_by_several_processes(env: Environment, tmp_path: Path) -> None:
    files = {f"pkg/m{number}.py": f"x = {number}\n" for number in range(200)}

    env.install(make_wheel(tmp_path, "foo", "1.0", files), options=COMPILE)

    assert len(compiled(env)) == 200


class _Dies(SubprocessRunner):
    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        return Completed(returncode=-9, stdout=b"", stderr=b"")


def test_an_interpreter_that_dies_while_compiling_is_a_warning(env: Environment, tmp_path: Path) -> None:
    env.apply([env.prepare(make_wheel(tmp_path, "foo", "1.0"))], options=COMPILE, runner=_Dies())

    assert "did not compile" in env.reporter.warnings[0]
    assert list(env.installed()) == ["foo"]


def test_the_tag_is_that_of_the_target(env: Environment) -> None:
    assert Path(importlib.util.cache_from_source("x.py")).name == f"x.{env.interpreter.cache_tag}.pyc"
