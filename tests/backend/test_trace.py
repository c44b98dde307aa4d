"""The tracing script by itself, in a plain Python: what it hears, and that nothing else is different."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from miniuv.backend.trace import TRACER, TraceReport, read_report, traced
from miniuv.stamps import path_of, stamp


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "sub").mkdir(parents=True)
    (folder / "text").write_text("a")
    (folder / "link").symlink_to("sub")
    (folder / "broken").symlink_to("nowhere")
    return folder


def run(project: Path, code: str, python: str = sys.executable) -> tuple[TraceReport | None, str]:
    """What the report tells of ``code``, and what that printed."""
    script, report = project.parent / "script" / "run.py", project.parent / "report" / "hook"
    for path in (script, report):
        path.parent.mkdir(exist_ok=True)
    script.write_text(code)
    done = subprocess.run(
        traced([python, str(script), "word"], report), cwd=project, capture_output=True, text=True, check=False
    )
    return read_report(report), done.stdout + done.stderr


def kinds(report: TraceReport | None, project: Path) -> dict[str, set[str]]:
    assert report is not None
    found = {path_of(each.line): set(each.kinds) for each in report.seen}
    return {os.path.relpath(path, project): what for path, what in found.items() if path.startswith(str(project))}


def test_a_stamp_is_what_miniuv_stamps_says(project: Path) -> None:
    (project / "odd\nname").write_text("")
    report, _ = run(project, "import os\nfor name in [*os.listdir(), 'absent']: os.lstat(name)")
    assert report is not None
    lines = [each.line for each in report.seen if path_of(each.line) != str(project)]
    assert len(lines) == 6
    assert lines == [stamp(path_of(line)) for line in lines]


def test_a_script_finds_itself_as_in_a_plain_run(project: Path) -> None:
    code = "import sys\nprint(__name__, sys.argv, sys.path[0], __file__, vars(sys.modules['__main__']) is globals())"
    _, told = run(project, code)
    script = project.parent / "script" / "run.py"
    plain = subprocess.run([sys.executable, script, "word"], cwd=project, capture_output=True, text=True, check=True)
    assert told == plain.stdout


def test_a_traceback_is_that_of_a_plain_run(project: Path) -> None:
    _, told = run(project, "import os\ndef f():\n    os.stat('absent')\nf()\n")
    script = project.parent / "script" / "run.py"
    plain = subprocess.run([sys.executable, script, "word"], cwd=project, capture_output=True, text=True, check=False)
    assert told == plain.stderr


def test_a_script_that_ends_before_its_time_leaves_no_report(project: Path) -> None:
    assert run(project, "import os\nos._exit(0)")[0] is None


@pytest.mark.parametrize(
    ("code", "heard"),
    [
        ("open('text')", {"text": {"r"}}),
        ("open('new', 'w')", {"new": {"w"}}),
        ("open('text', 'r+')", {"text": {"r", "w"}}),
        ("os.path.isfile('text')", {"text": {"t"}}),
        ("pathlib.Path('text').is_file(); pathlib.Path('no').exists()", {"text": {"t"}, "no": {"t"}}),
        ("os.path.getmtime('text')", {"text": {"s"}}),
        ("os.access('text', os.R_OK)", {"text": {"a"}}),
        ("os.readlink('link')", {"link": {"k"}}),
        ("os.listdir('sub')", {"sub": {"l"}}),
        ("[each.is_dir() for each in os.scandir('.')]", {".": {"l"}, "link": {"t"}, "broken": {"t"}}),
        ("os.chdir('sub'); open('../text')", {"sub/../text": {"r"}}),
        ("os.rename('text', 'other')", {"text": {"m"}, "other": {"m"}}),
        ("os.link('text', 'other')", {"text": {"r"}, "other": {"w"}}),
        ("os.mkdir('a'); os.rmdir('a')", {"a": {"w"}}),
        ("d = os.open('sub', 0); os.mkdir('x', dir_fd=d)", {"sub": {"r"}, "sub/x": {"w"}}),
        ("d = os.open('.', 0); os.stat('text', dir_fd=d)", {".": {"r"}, "text": {"s"}}),
        ("d = os.open('.', 0); os.open('text', 0, dir_fd=d)", {".": {"r"}, "text": {"r"}}),
        ("d = os.open('.', 0); os.listdir(d)", {".": {"r", "l"}}),
        ("os.fstat(os.open('text', 0))", {"text": {"r", "s"}}),
    ],
)
def test_everything_that_is_looked_at_is_heard(project: Path, code: str, heard: dict[str, set[str]]) -> None:
    report, told = run(project, f"import os, pathlib\n{code}")
    assert told == ""
    assert {os.path.normpath(path): what for path, what in kinds(report, project).items()} == {
        os.path.normpath(path): what for path, what in heard.items()
    }


def test_what_was_taken_from_os_before_is_heard_too(project: Path) -> None:
    taken = "import sys; sys.path[:0] = ['.']\nfrom os import stat, scandir\n"
    start = f"space = {{'__name__': 't', '__file__': {str(TRACER)!r}}}\nexec(open({str(TRACER)!r}).read(), space)\n"
    report = project.parent / "report"
    code = f"{taken}{start}space['start']({str(report / 'own')!r})\nstat('text')\nspace['finish']()\n"
    report.mkdir()
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert kinds(read_report(report / "own"), project)["text"] == {"s"}


def test_a_report_cut_short_is_none(project: Path) -> None:
    run(project, "open('text')")
    path = project.parent / "report" / "hook"
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert read_report(path) is None


def test_it_runs_on_every_python_there_is(project: Path) -> None:
    pythons = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))
    new_enough = [path for path in pythons if int(path.parent.parent.name.split(".")[1]) > 8]
    code = "import shutil, pathlib\npathlib.Path('no').exists()\nshutil.copytree('sub', 'copy')\nshutil.rmtree('copy')"
    for python in [Path(sys.executable), *new_enough]:
        report, told = run(project, code, str(python))
        assert told == ""
        found = kinds(report, project)
        assert found["no"] == {"t"}
        assert "l" in found["sub"]
        assert "w" in found["copy"]
