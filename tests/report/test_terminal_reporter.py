import io
import os
import pty
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.errors import BuildError, MiniuvError
from miniuv.report.errors import error_lines
from miniuv.report.live import LiveStatus
from miniuv.report.style import ColorChoice, Style, wants_color
from miniuv.report.terminal import TerminalReporter
from miniuv.report.words import duration, packages
from miniuv.reporter import Activity, WaitNotice, activity, counted

PLAIN = Style(False)


def reporter(*, verbose: int = 0, quiet: int = 0) -> tuple[TerminalReporter, io.StringIO]:
    stream = io.StringIO()
    return TerminalReporter(stream, style=PLAIN, verbose=verbose, quiet=quiet), stream


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00ms"),
        (0.00031, "0.31ms"),
        (0.0042, "4ms"),
        (0.9994, "999ms"),
        (0.9996, "1.00s"),
        (1.234, "1.23s"),
        (59.994, "59.99s"),
        (59.996, "1m 00s"),
        (125, "2m 05s"),
        (-1, "0.00ms"),
    ],
)
def test_durations_read_as_in_uv(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(min_value=0, max_value=100_000))
def test_no_duration_has_sixty_seconds_or_a_thousand_milliseconds(seconds: float) -> None:
    text = duration(seconds)
    assert "60" not in text.split("m ")[-1] or "m " not in text
    assert text != "1000ms"


def test_one_package_is_singular() -> None:
    assert [packages(count) for count in (0, 1, 2)] == ["0 packages", "1 package", "2 packages"]


def test_steps_and_builds_are_told_when_they_are_done() -> None:
    told, stream = reporter()
    with activity(told, "build", "one @ file:///one"):
        assert stream.getvalue() == ""
    with counted(told, "install", 2):
        pass
    built, installed = stream.getvalue().splitlines()
    assert built.startswith("      Built one @ file:///one in ")
    assert installed.startswith("Installed 2 packages in ")


def test_a_step_that_failed_is_not_told_as_done() -> None:
    told, stream = reporter()
    with pytest.raises(ValueError, match="no"), counted(told, "resolve", 2), activity(told, "build", "one"):
        raise ValueError("no")
    assert stream.getvalue() == ""


def test_a_warning_is_told_once() -> None:
    told, stream = reporter()
    told.warning("careful", hint="look")
    told.warning("careful", hint="look")
    assert stream.getvalue() == "warning: careful\n  hint: look\n"


@pytest.mark.parametrize(
    ("quiet", "expected"),
    [(0, {"line", "warning", "waiting", "error"}), (1, {"warning", "waiting", "error"}), (2, set())],
)
def test_quiet_keeps_what_matters_and_twice_quiet_nothing(quiet: int, expected: set[str]) -> None:
    told, stream = reporter(quiet=quiet)
    told.line("line")
    told.note("note")
    told.warning("this")
    told.waiting(WaitNotice(subject="this", waited=1, owner="pid 1"))
    told.error("error: this")
    assert {line.partition(" ")[0].rstrip(":") for line in stream.getvalue().splitlines()} == expected


def test_quiet_silences_verbose() -> None:
    told, stream = reporter(verbose=2, quiet=1)
    told.note("note")
    with activity(told, "build", "one") as building:
        told.progress(building, "half")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("verbose", "expected"), [(0, []), (1, ["a note"]), (2, ["a note", "one: half"])])
def test_verbose_adds_notes_and_twice_verbose_every_line(verbose: int, expected: list[str]) -> None:
    told, stream = reporter(verbose=verbose)
    told.note("a note")
    with activity(told, "metadata", "one") as preparing:
        told.progress(preparing, "half")
    assert [line for line in stream.getvalue().splitlines() if "took" not in line] == expected


def test_every_line_is_redacted() -> None:
    told, stream = reporter(verbose=2)
    address = "https://user:hunter2@host/x?token=hunter2"
    for tell in (told.line, told.note, told.warning, told.error):
        tell(f"see {address}")
    with activity(told, "fetch", address) as fetching:
        told.progress(fetching, address)
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("****@host/x?token=****") == 7


def test_an_error_has_its_place_and_after_a_blank_line_its_hint() -> None:
    error = MiniuvError("it broke\nin two lines", where="one.toml:3", hint="mend it")
    assert list(error_lines(error, style=PLAIN)) == ["error: one.toml:3: it broke", "in two lines", "", "hint: mend it"]


def test_an_error_without_a_hint_of_its_own_has_the_usual_one() -> None:
    assert list(error_lines(BuildError("no"), style=PLAIN))[-1] == f"hint: {BuildError.usual_hint}"


@pytest.mark.parametrize("failure", [BrokenPipeError, OSError, ValueError])
def test_a_stream_that_nobody_reads_is_no_error(failure: type[Exception]) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise failure

    told = TerminalReporter(Broken(), style=PLAIN)
    told.line("x")
    told.error("x")


@pytest.mark.parametrize(
    ("choice", "environ", "expected"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_off_a_terminal(choice: ColorChoice, environ: dict[str, str], expected: bool) -> None:
    assert wants_color(choice, io.StringIO(), environ) is expected


def test_many_threads_write_whole_lines_above_the_status() -> None:
    ours, theirs = pty.openpty()
    sent: list[bytes] = []

    def read() -> None:
        while True:
            try:
                chunk = os.read(ours, 65536)
            except OSError:
                return
            if not chunk:
                return
            sent.append(chunk)

    reading = threading.Thread(target=read)
    reading.start()
    with os.fdopen(theirs, "w") as stream:
        told = TerminalReporter(stream, style=PLAIN, live=True)
        shown = threading.Event()
        status = told._status
        assert isinstance(status, LiveStatus)
        summary = status._summary

        def observed() -> str:
            shown.set()
            return summary()

        status._summary = observed
        told.started(Activity(kind="resolve", subject=""))
        assert shown.wait(10)

        def work(name: str) -> None:
            for number in range(30):
                with activity(told, "build", f"{name}-{number}") as building:
                    told.progress(building, "half")

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        told.close()
        told.line("the end")
    reading.join()
    os.close(ours)
    text = b"".join(sent).decode()
    lines = [re.sub(r".*(\x1b\[2K|\x1b\[\?25[hl])", "", line) for line in text.replace("\r\n", "\n").split("\n")]
    built = [line for line in lines if re.fullmatch(r"      Built [a-d]-\d+ in \S+", line)]
    assert len(built) == len(set(built)) == 120
    assert lines[-2:] == ["the end", ""]
    assert "\x1b" not in text[text.rindex("\x1b[2K") + 4 :]
