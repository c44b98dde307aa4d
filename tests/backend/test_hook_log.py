"""What a backend prints is kept, bounded, and never holds anybody up."""

import sys
import time
from pathlib import Path

from miniuv.backend.output import HookLog
from miniuv.process import SubprocessRunner


def run(log: HookLog, code: str, *, heard: list[str] | None = None) -> None:
    lines: list[str] = [] if heard is None else heard
    with log.listen("build_wheel", lines.append) as output:
        SubprocessRunner().run([sys.executable, "-c", code], output=output)


def test_both_streams_are_kept_in_order_below_the_name_of_the_hook(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, "import sys; print('one', flush=True); print('two', file=sys.stderr)")
    assert log.path.read_text() == "# build_wheel\none\ntwo\n"
    assert log.last_lines(1) == ("two",)


def test_the_output_of_a_later_hook_is_appended_and_is_what_the_last_lines_show(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, "print('one')")
    run(log, "print('two')")
    assert log.path.read_text() == "# build_wheel\none\n# build_wheel\ntwo\n"
    assert log.last_lines(5) == ("two",)


def test_a_flood_leaves_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log", limit=1000)
    run(log, "for n in range(200_000): print('line', n)")
    text = log.path.read_text()
    assert len(text) < 4000
    assert text.startswith("# build_wheel\nline 0\n")
    assert "bytes are left out here" in text
    assert text.endswith("line 199999\n")


def test_one_endless_line_is_bounded_too(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log", limit=100_000)
    run(log, "import sys; sys.stdout.write('x' * 5_000_000)")
    assert log.path.stat().st_size < 600_000


def test_credentials_do_not_reach_the_log_or_the_listener(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    heard: list[str] = []
    run(log, "print('see https://user:hunter2@host/x?token=hunter3')", heard=heard)
    assert "hunter" not in log.path.read_text() + "".join(heard) + "".join(log.last_lines(9))
    assert heard == ["see https://****@host/x?token=****"]


def test_bytes_that_are_no_text_are_shown_as_far_as_they_can(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok\r\n')")
    assert log.last_lines(1) == ("\ufffd\ufffd ok",)


def test_a_daemon_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    daemon = "import time; time.sleep(20)"
    start = time.monotonic()
    run(log, f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {daemon!r}]); print('done')")
    assert time.monotonic() - start < 10
    assert log.last_lines(1) == ("done",)


def test_a_log_that_cannot_be_written_does_not_stop_the_backend(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "missing" / "log")
    run(log, "print('x' * 300_000); print('done')")
    assert log.last_lines(1) == ("done",)
