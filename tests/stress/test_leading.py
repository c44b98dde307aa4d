"""Commands that ask the very same at the same time: one resolves, builds and fetches, the others take what it made."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import Popen

import pytest

from miniuv.workers import COUNT
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.processes import read_lock_log, until
from tests.support.projects import project_files, write_project
from tests.support.pythons import make_environment

_SLOW = """

_build_wheel = build_wheel


def build_wheel(*arguments):
    import time
    deadline = time.monotonic() + 60
    while not os.path.exists(os.environ["GO"]) and time.monotonic() < deadline:
        time.sleep(0.01)
    return _build_wheel(*arguments)
"""


class Together:
    """Commands that run at once; the build of `slow` goes on when ``go`` is called."""

    def __init__(self, folder: Path) -> None:
        self.world = World.make(folder, environment=False)
        self.log, self._go = folder / "log", folder / "go"
        all_cores = {"MINIUV_CONCURRENT_BUILDS": str(os.cpu_count())}  # whatever this container may use
        self._environ = {"MINIUV_LOCK_LOG": str(self.log), "GO": str(self._go), **all_cores}
        self.repository = GitRepository.create(self.world.folder / "slow.git")
        files = project_files("slow")
        files["backend/tiny.py"] += _SLOW
        self.commit = self.repository.commit(files)
        self.commands: list[Popen[str]] = []
        for number in range(3):
            make_environment(self.world.folder / f".venv{number}")

    def start(self, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> "Popen[str]":
        """Begin to install into an environment that no other has."""
        python = f".venv{len(self.commands)}"
        words = ("pip", "install", "--python", python, *arguments)
        command = self.world.start(*words, environ={**self._environ, **(environ or {})})
        self.commands.append(command)
        return command

    def start_building(self, project: Path) -> "Popen[str]":
        """Begin to install ``project``, as far as the build of `slow`."""
        command = self.start("-e", project)
        until(self.is_building(command))
        return command

    def requires(self, reference: str) -> Path:
        """A project that requires `slow` at ``reference``."""
        requirement = f"slow @ git+{self.repository.url}@{reference}"
        return write_project(self.world.folder, "proj", dependencies=[requirement])

    def go(self) -> None:
        self._go.touch()

    def events(self, kind: str, command: "Popen[str]") -> list[dict[str, object]]:
        events = read_lock_log(self.log) if self.log.exists() else []
        return [event for event in events if event["event"] == kind and event["pid"] == command.pid]

    def until(self, kind: str, command: "Popen[str]") -> None:
        """Wait until ``command`` does ``kind``, as the log has it."""

        def is_there() -> bool:
            assert command.poll() is None, "it has ended"
            return bool(self.events(kind, command))

        until(is_there)

    def end(self) -> list[str]:
        """Wait for all; what they said."""
        said = []
        for command in self.commands:
            _, err = command.communicate(timeout=60)
            assert command.returncode == 0, err
            said.append(err)
        return said

    def is_building(self, command: "Popen[str]") -> Callable[[], bool]:
        return lambda: any(event["kind"] == "wheel" for event in self.events("run", command))


@pytest.fixture
def together(tmp_path: Path) -> Iterator[Together]:
    made = Together(tmp_path)
    yield made
    for command in made.commands:
        if command.poll() is None:
            command.kill()
            command.communicate()


def shown(said: str) -> list[str]:
    return sorted(line for line in map(str.strip, said.splitlines()) if line.startswith("+ "))


def test_those_who_ask_the_same_find_all_of_it_made_and_install_it(together: Together) -> None:
    project = together.requires(together.commit)
    together.start_building(project)
    others = [together.start("-e", project) for _ in range(2)]
    for other in others:
        together.until("stand-back", other)
    together.go()
    said = together.end()

    titles = [str(event["title"]) for other in others for event in together.events("run", other)]
    assert [title for title in titles if "slow" in title] == []  # `proj` brings its own backend: it is always built
    assert shown(said[1]) == shown(said[2]) == shown(said[0]) != []


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")
def test_the_one_that_goes_ahead_has_workers(together: Together) -> None:
    first = together.start_building(together.requires(together.commit))
    children = Path(f"/proc/{first.pid}/task/{first.pid}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (str(first.pid), *children)]
    assert lines[1:].count(lines[0]) == COUNT
    together.go()
    together.end()


def test_the_next_one_goes_on_with_what_a_killed_one_has_left(together: Together) -> None:
    project = together.requires(together.commit)
    first = together.start_building(project)
    other = together.start("-e", project)
    together.until("stand-back", other)
    first.kill()
    until(together.is_building(other))
    first.communicate()
    together.commands.remove(first)
    together.go()
    (said,) = together.end()
    assert any("slow" in line for line in shown(said))


def test_what_will_not_be_remembered_is_worked_on_by_all(together: Together) -> None:
    project = together.requires("main")
    together.start_building(project)
    other = together.start("-e", project)
    together.until("wait", other)  # behind the build itself
    together.go()
    together.end()


def test_a_dry_run_waits_for_nobody_that_installs(together: Together) -> None:
    project = together.requires(together.commit)
    first = together.start_building(project)
    dry = together.start("-e", project, "--dry-run")
    _, err = dry.communicate(timeout=60)
    assert (dry.returncode, first.poll()) == (0, None), err
    together.go()
    together.end()


@pytest.mark.skipif(os.cpu_count() == 1, reason="one build at a time keeps all cores busy")
def test_where_one_may_not_keep_the_cores_busy_several_split_the_builds(together: Together) -> None:
    project = together.requires(together.commit)
    together.start_building(project)
    other = together.start("-e", project, environ={"MINIUV_CONCURRENT_BUILDS": "1"})
    together.until("wait", other)
    together.go()
    together.end()
