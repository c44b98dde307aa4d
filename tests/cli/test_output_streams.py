"""stderr is for people, stdout for data; colour, quiet and verbose; start-up; streams that are closed."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from miniuv import __version__
from tests.support.commands import World
from tests.support.projects import write_project

_MINIUV = [sys.executable, "-m", "miniuv"]


def _imported(world: World, *arguments: str) -> set[str]:
    """The top-level names and rooms that a command imports."""
    code = (
        "import sys, json\nfrom miniuv.cli.entry import main\n"
        f"sys.argv[1:] = {list(arguments)!r}\n"
        "try: main()\nexcept SystemExit: print('\\n' + json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=world.folder, env=world.environ, capture_output=True, text=True, check=True
    )
    names = json.loads(done.stderr.splitlines()[-1])
    return {name.partition(".")[0] for name in names} | {".".join(name.split(".")[:2]) for name in names}


def _on_terminal(
    world: World, *arguments: str, environ: dict[str, str] | None = None, columns: int = 80
) -> tuple[int, str]:
    """Exit code and everything that a terminal is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*_MINIUV, *arguments],
        cwd=world.folder,
        env={**world.environ, "TERM": "xterm-256color", **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    sent = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            break
        if not chunk:
            break
        sent += chunk
    os.close(ours)
    return process.wait(), sent.decode()


def _screen(sent: str) -> list[str]:
    """What stands on the screen at the end; knows the few codes that a status line needs."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\??[\d;]*[A-Za-z]|.", sent, re.DOTALL):
        if part == "\n":
            row += 1
            if row == len(rows):
                rows.append("")
        elif part == "\r":
            column = 0
        elif part == "\x1b[2K":
            rows[row] = ""
        elif re.fullmatch(r"\x1b\[\d*A", part):
            row -= int(part[2:-1] or 1)
        elif part.startswith("\x1b"):
            assert part[-1] in "mhl", part
        else:
            rows[row] = rows[row][:column].ljust(column) + part + rows[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in rows if line.rstrip()]


@pytest.fixture
def slow(world: World) -> World:
    """Two editables, one of which takes long enough to be seen being built."""
    write_project(world.folder, "one")
    folder = write_project(world.folder, "two", dependencies=["one"])
    backend = folder / "backend" / "tiny.py"
    backend.write_text(
        f"import time\n{backend.read_text()}\n_b = _build\ndef _build(*a):\n    time.sleep(0.6)\n    return _b(*a)\n"
    )
    return world


_LINES = [
    r"Resolved 2 packages in \d+(\.\d+)?m?s",
    r"Prepared 2 packages in \d+(\.\d+)?m?s",
    r"Installed 2 packages in \d+(\.\d+)?m?s",
    r" \+ one==1\.0 \(from file:///.*/one\)",
    r" \+ two==1\.0 \(from file:///.*/two\)",
]
_BUILT = r"      Built (one|two) @ file:///.*/\1 in \d+(\.\d+)?m?s"


def _is_uvs(lines: list[str]) -> bool:
    built = [line for line in lines if re.fullmatch(_BUILT, line)]
    rest = [line for line in lines if line not in built]
    return len(built) == 2 and len(rest) == 5 and all(map(re.fullmatch, _LINES, rest))


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["pip", "--help"], ["pip", "install", "--help"]])
def test_what_needs_no_environment_starts_lean(world: World, arguments: list[str]) -> None:
    imported = _imported(world, *arguments)
    heavy = {"rich", "httpx", "packaging", "msgspec", "resolvelib", "filelock", "virtualenv", "subprocess", "asyncio"}
    assert not imported & heavy
    assert "miniuv.workshop" not in imported


@pytest.mark.parametrize("command", ["list", "freeze", "check"])
def test_commands_that_only_look_import_nothing_that_installs(world: World, command: str) -> None:
    imported = _imported(world, "pip", command)
    heavy = {"rich", "httpx", "msgspec", "resolvelib", "virtualenv", "build", "distlib", "asyncio"}
    assert not imported & heavy
    rooms = {"workshop", "resolve", "sources", "prepare", "install", "git", "index", "backend", "archive"}
    assert not {name for name in imported if name.removeprefix("miniuv.") in rooms}


def test_an_installation_off_a_terminal_never_imports_rich(world: World) -> None:
    write_project(world.folder, "one")
    assert "rich" not in _imported(world, "pip", "install", "-e", "one")


def test_version_and_help_go_to_stdout(world: World) -> None:
    for arguments in (["--version"], ["-V"]):
        said = world.miniuv(*arguments)
        assert (said.code, said.out, said.err) == (0, f"miniuv {__version__}\n", "")
    for arguments in (["--help"], ["-h"], ["help"], ["pip", "--help"], ["help", "pip"]):
        said = world.miniuv(*arguments)
        assert (said.code, said.err) == (0, "")
        assert "pip install" in said.out
    for arguments in (["pip", "install", "--help"], ["help", "pip", "install"], ["pip", "install", "x", "-h"]):
        said = world.miniuv(*arguments)
        assert (said.code, said.err) == (0, "")
        assert "--reinstall" in said.out


def test_no_command_at_all_shows_the_help_and_is_wrong_usage(world: World) -> None:
    said = world.miniuv()
    assert (said.code, said.out) == (2, "")
    assert "pip install" in said.err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["install", "x"], "write `miniuv pip install`"),
        (["list"], "write `miniuv pip list`"),
        (["pip"], "there is `miniuv pip install`"),
        (["pip", "instal", "x"], "there is `miniuv pip install`"),
        (["-p", ".venv", "pip", "list"], "the options of a command follow it"),
        (["pip", "install"], "name a requirement"),
        (["pip", "uninstall"], "name a package"),
        (["pip", "install", "-e"], "`miniuv pip install --help`"),
        (["pip", "install", "--user", "x"], "miniuv venv"),
        (["pip", "install", "r.txt"], "write `-r r.txt`"),
        (["pip", "install", "-r", "folder"], "write `-e folder`"),
        (["frobnicate"], "`miniuv --help`"),
        (["pip", "install", "--upgade", "x"], "did you mean `--upgrade`?"),
        (["pip", "install", "--target", "there", "x"], "miniuv venv"),
        (["pip", "install", "-C", "a=b", "x"], "`pyproject.toml`"),
        (["pip", "install", "--no-build-isolation", "x"], "`build-system.requires`"),
        (["pip", "install", "x", "--lock-wait", "y"], "--help"),
        (["pip", "install", "x", "--timeout", "-1"], "--help"),
        (["pip", "install", "x", "-p", ""], "such as `3.12`"),
        (["pip", "list", "--outdated"], "--upgrade --dry-run"),
        (["pip", "remove", "x"], "write `miniuv pip uninstall`"),
        (["pip", "upgrade", "x"], "write `miniuv pip install --upgrade`"),
        (["pip", "download", "x"], "`miniuv --help`"),
    ],
)
def test_usual_mistakes_are_answered_with_what_to_write(world: World, arguments: list[str], hint: str) -> None:
    (world.folder / "r.txt").write_text("x\n")
    (world.folder / "folder").mkdir()
    said = world.miniuv(*arguments)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err.partition("\nhint: ")[2]


def test_what_means_nothing_here_is_taken_silently(world: World) -> None:
    write_project(world.folder, "one")
    options = [
        "--root-user-action",
        "ignore",
        "--use-pep517",
        "--no-warn-script-location",
        "--upgrade-strategy",
        "eager",
    ]
    options += ["--require-virtualenv", "-I", "--index-strategy", "first-index", "--prerelease", "allow", "--no-color"]
    assert "warning" not in world.install(*options, "-e", "one").err
    assert world.installed() == {"one": "1.0"}


def test_options_may_stand_between_the_words_of_a_command(world: World) -> None:
    assert world.miniuv("pip", "-q", "list", "--format", "json").out == "[]\n"


def test_a_variable_with_a_value_it_cannot_have_is_named(world: World) -> None:
    said = world.miniuv("pip", "install", "x", environ={"MINIUV_RETRIES": "abc"})
    assert said.code == 1
    assert "`MINIUV_RETRIES` cannot be `abc`: it must be a whole number" in said.err


def test_a_name_that_is_a_folder_here_is_pointed_to(world: World) -> None:
    write_project(world.folder, "one")
    said = world.miniuv("pip", "install", "one")
    assert said.code == 1
    assert "`./one`" in said.err.partition("\nhint: ")[2]


def test_options_and_requirements_may_be_mixed(world: World) -> None:
    for name in ("one", "two", "three"):
        write_project(world.folder, name)
    world.install("./one", "-e", "two", "./three", "--no-deps")
    assert set(world.installed()) == {"one", "two", "three"}


def test_the_lines_are_uvs(slow: World) -> None:
    said = slow.install("-e", "one", "-e", "two")
    assert _is_uvs(said.err.splitlines()), said.err
    assert said.out == ""
    again = slow.install("one", "two").err
    assert re.fullmatch(r"Resolved 2 packages in \S+\nAudited 2 packages in \S+\n", again)


def test_a_dry_run_says_what_it_would_do(slow: World) -> None:
    lines = slow.install("--dry-run", "-e", "two", "-e", "one").err.splitlines()
    assert lines[1:3] == ["Would download or build 2 packages", "Would install 2 packages"]
    assert [line[:9] for line in lines[3:]] == [" + one==1", " + two==1"]
    assert slow.install("--dry-run", "--no-deps", "-e", "two").code == 0


def test_a_live_status_leaves_nothing_behind_and_mixes_with_no_line(slow: World) -> None:
    code, sent = _on_terminal(slow, "pip", "install", "-e", "one", "-e", "two")
    assert code == 0
    assert "Building two @ file:///" in sent
    assert sent.count("\x1b[?25l") == sent.count("\x1b[?25h") == 1
    assert _is_uvs(_screen(sent)), _screen(sent)


def test_a_live_status_stays_on_one_line_of_a_narrow_terminal(slow: World) -> None:
    code, sent = _on_terminal(slow, "pip", "install", "-e", "one", "-e", "two", columns=30, environ={"NO_COLOR": "1"})
    assert code == 0
    drawn = re.findall(r"[⠀-⣿] [^\r\n]*", sent)
    assert drawn
    assert max(map(len, drawn)) <= 30
    assert "…" in "".join(drawn)


def test_after_an_error_the_status_is_gone(slow: World) -> None:
    backend = slow.folder / "two" / "backend" / "tiny.py"
    backend.write_text(f"{backend.read_text()}\n_c = _build\ndef _build(*a):\n    _c(*a)\n    1 / 0\n")
    code, sent = _on_terminal(slow, "pip", "install", "-e", "two", "-e", "one")
    assert code == 1
    assert sent.count("\x1b[?25l") == sent.count("\x1b[?25h") == 1
    screen = _screen(sent)
    assert not [line for line in screen if re.match(r"[⠀-⣿]", line)]
    assert screen[-1].startswith("hint: ")


def test_a_quick_command_shows_no_status(world: World) -> None:
    code, sent = _on_terminal(world, "pip", "check")
    assert (code, sent) == (0, "No broken requirements found.\r\n")


@pytest.mark.parametrize(
    ("environ", "options", "expected"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"TERM": "dumb"}, [], False),
        ({}, ["--color=never"], False),
    ],
)
def test_colour_on_a_terminal(world: World, environ: dict[str, str], options: list[str], expected: bool) -> None:
    _, sent = _on_terminal(world, *options, "pip", "uninstall", "nosuch", environ=environ)
    assert ("\x1b[" in sent) is expected


def test_no_colour_and_no_status_off_a_terminal(slow: World) -> None:
    assert "\x1b" not in slow.install("-e", "two", "-e", "one").err
    assert "\x1b[31;1merror\x1b[0m" in slow.miniuv("pip", "install", "--color=always", "-r", "x").err
    assert "\x1b" in slow.miniuv("frob", environ={"FORCE_COLOR": "1"}).err


@pytest.mark.parametrize("environ", [{"CI": "1"}, {"TERM": "dumb"}])
def test_where_nobody_watches_there_are_lines_only(slow: World, environ: dict[str, str]) -> None:
    _, sent = _on_terminal(slow, "pip", "install", "-e", "two", "-e", "one", environ={**environ, "NO_COLOR": "1"})
    assert "\x1b" not in sent
    assert _is_uvs(sent.splitlines())


def test_quiet_says_warnings_and_twice_quiet_says_nothing(world: World) -> None:
    write_project(world.folder, "one")
    assert world.install("-q", "-e", "one").err == ""
    assert "warning: `nosuch`" in world.miniuv("-q", "pip", "uninstall", "nosuch").err
    assert "error: " in world.miniuv("pip", "install", "-q", "-e", "nosuch").err
    said = world.miniuv("pip", "install", "-qq", "-e", "nosuch")
    assert (said.code, said.out, said.err) == (1, "", "")
    assert world.miniuv("pip", "freeze", "-qq").out == f"-e {world.folder / 'one'}\n"


def test_verbose_tells_why_and_twice_verbose_what_a_backend_says(world: World) -> None:
    folder = write_project(world.folder, "one")
    backend = folder / "backend" / "tiny.py"
    backend.write_text(f"{backend.read_text()}\nprint('the backend speaks')\n")
    said = world.install("-v", "-e", "one")
    assert "install one 1.0: asked for on the command line" in said.err
    assert "packages are looked for on" not in said.err
    assert "the backend speaks" not in said.err
    assert "the backend speaks" in world.install("-vv", "-e", "one").err
    write_project(world.folder, "one", version="1.1")
    assert "upgrade one 1.1: editable" in world.install("--explain", "-e", "one").err


@pytest.mark.parametrize("redirection", ["| head -0", ">&-", "2>&-", "<&- >&- 2>&-", "2>&1 >&- | head -0"])
def test_closed_streams_are_nobodys_fault(world: World, redirection: str) -> None:
    command = f"set -o pipefail; '{sys.executable}' -m miniuv pip list {redirection}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=world.folder, env=world.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_an_error(world: World) -> None:
    write_project(world.folder, "one")
    world.install("-e", "one")
    for command in ("pip list", "--help", "--version"):
        done = world.run("sh", "-c", f"'{sys.executable}' -m miniuv {command} > /dev/full")
        assert done.code == 1
        assert "No space left on device" in done.err
        assert "Traceback" not in done.err
