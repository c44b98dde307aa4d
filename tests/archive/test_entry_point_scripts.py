"""Programs from ``entry_points.txt`` and ``.data/scripts``, as bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from miniuv.archive.scripts import read_entry_points, shebang, with_shebang
from miniuv.errors import ArchiveError

PYTHON = Path("/env/bin/python")


def scripts(text: str, executable: Path = PYTHON) -> dict[str, bytes]:
    found = read_entry_points(text.encode(), where="pkg-1.0-py3-none-any.whl")
    return {entry.name: entry.script(executable) for entry in found}


def test_console_and_gui_programs_are_made_and_other_groups_are_not() -> None:
    made = scripts("[console_scripts]\na = m:f\n\n[gui_scripts]\nB.c-d = m.n:o.p\n\n[pytest11]\nx = y\n")
    assert set(made) == {"a", "B.c-d"}
    assert made["B.c-d"].startswith(b"#!/env/bin/python\n")
    assert b"from m.n import o\n" in made["B.c-d"]
    assert b"sys.exit(o.p())" in made["B.c-d"]


def test_extras_after_an_entry_point_are_passed_over() -> None:
    assert b"from m import f\n" in scripts("[console_scripts]\na = m:f [fancy, more]\n")["a"]


@pytest.mark.parametrize(
    "target",
    ["m", "m:", ":f", "m:f;import os", "m:f()", "m:f g", "m:1f", "m-n:f", "m:f.", "../m:f", "m:f\n x=1", "%(a)s"],
)
def test_a_target_that_is_not_module_and_function_is_refused(target: str) -> None:
    with pytest.raises(ArchiveError, match="entry point `a`"):
        scripts(f"[console_scripts]\na = {target}\n")


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "..", "a\\b", "a\x07"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ArchiveError, match="no plain file name"):
        scripts(f"[console_scripts]\n{name} = m:f\n")


def test_a_broken_file_is_refused_in_one_line() -> None:
    with pytest.raises(ArchiveError, match="cannot be read") as caught:
        scripts("a = m:f\n")
    assert "\n" not in caught.value.message


def test_only_a_first_line_that_starts_with_python_is_rewritten() -> None:
    assert with_shebang(b"#!python\nprint()\n", PYTHON) == b"#!/env/bin/python\nprint()\n"
    assert with_shebang(b"#!pythonw -u\r\nprint()\n", PYTHON) == b"#!/env/bin/python\nprint()\n"
    assert with_shebang(b"#!/bin/sh\n", PYTHON) is None
    assert with_shebang(b"\x7fELF", PYTHON) is None


@pytest.mark.parametrize("folder", ["plain", "with blank", "quo'te", 'double"quote', "x" * 150, "dollar$HOME", "ü"])
def test_programs_start_wherever_the_environment_lies(tmp_path: Path, folder: str) -> None:
    executable = tmp_path / folder / "python"
    executable.parent.mkdir()
    executable.symlink_to(sys.executable)
    program = tmp_path / "program"
    program.write_bytes(shebang(executable) + b"import sys\nprint(sys.argv[1:])\n")
    program.chmod(0o755)

    said = subprocess.run([program, "a b", "c"], check=True, capture_output=True, text=True).stdout

    assert said == "['a b', 'c']\n"
