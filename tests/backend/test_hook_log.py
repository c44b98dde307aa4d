"""What a backend prints is kept, bounded, and never holds anybody up."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

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
    assert log.excerpt(1) == ("two",)


def test_the_output_of_a_later_hook_is_appended_and_is_what_the_last_lines_show(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, "print('one')")
    run(log, "print('two')")
    assert log.path.read_text() == "# build_wheel\none\n# build_wheel\ntwo\n"
    assert log.excerpt(5) == ("two",)


def test_a_flood_leaves_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log", limit=1000)
    run(log, "for n in range(200_000): print('line', n)")
    text = log.path.read_text()
    assert len(text) < 4000
    assert text.startswith("# build_wheel\nline 0\n")
    assert "bytes are left out here" in text
    assert text.endswith("line 199999\n")


def test_a_pipe_that_little_comes_out_of_is_left_alone_for_a_moment_and_one_that_is_full_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []

    class Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None:
                rests.append(timeout)
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Event", Event)
    for text, count in (("a line\n", 1), ("x" * 60_000 + "\n", 0)):
        rests.clear()
        with HookLog(tmp_path / "log").listen("build_wheel", lambda _: None) as output:
            os.write(output.fileno(), text.encode())
        assert len(rests) == count


def test_one_endless_line_is_bounded_too(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log", limit=100_000)
    run(log, "import sys; sys.stdout.write('x' * 5_000_000)")
    assert log.path.stat().st_size < 600_000


def test_credentials_do_not_reach_the_log_or_the_listener(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    heard: list[str] = []
    run(log, "print('see https://user:hunter2@host/x?token=hunter3')", heard=heard)
    assert "hunter" not in log.path.read_text() + "".join(heard) + "".join(log.excerpt(9))
    assert heard == ["see https://****@host/x?token=****"]


def test_an_excerpt_begins_where_the_traceback_begins(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, "print('before'); f = lambda n: g(n - 1) if n else 1 / 0\ndef g(n): f(n)\nf(4)")
    assert log.excerpt(3)[0] == "Traceback (most recent call last):"
    assert log.excerpt(3)[-1] == "ZeroDivisionError: division by zero"


def test_an_excerpt_that_tells_of_no_error_is_led_by_the_first_lines_that_did(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    noise = "\nfor n in range(100): print('line', n)\n"
    run(log, f"print('x.c:1: error: bad'){noise}print('error: command gcc failed')")
    assert log.excerpt(2) == ("x.c:1: error: bad", "...", "line 99", "error: command gcc failed")
    run(log, f"print('x.c:1: error: bad'){noise}print('an error at last')")
    assert log.excerpt(2) == ("line 99", "an error at last")


def test_a_long_line_is_cut_in_an_excerpt(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, "print('x' * 5000)")
    assert log.excerpt(1) == ("x" * 299 + "…",)


def test_bytes_that_are_no_text_are_shown_as_far_as_they_can(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    run(log, r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok\r\n')")
    assert log.excerpt(1) == ("\ufffd\ufffd ok",)


def test_a_daemon_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "log")
    daemon = "import time; time.sleep(20)"
    start = time.monotonic()
    run(log, f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {daemon!r}]); print('done')")
    assert time.monotonic() - start < 10
    assert log.excerpt(1) == ("done",)


def test_a_log_that_cannot_be_written_does_not_stop_the_backend(tmp_path: Path) -> None:
    log = HookLog(tmp_path / "missing" / "log")
    run(log, "print('x' * 300_000); print('done')")
    assert log.excerpt(1) == ("done",)
