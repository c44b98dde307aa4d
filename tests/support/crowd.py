"""A crowd: many processes that install the same projects from one cache, watched by wrappers round git and the backend.

The wrappers write one line for each fetch and each build, and hold a lock of the kernel's as long as they run: on the
folder that they write to. A second writer finds it taken, and says so.
"""

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from demo.index_alone import index_alone_variables, load_index_alone
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.git_repositories import project_files as setuptools_files
from tests.support.lock_rules import violations
from tests.support.processes import read_lock_log
from tests.support.projects import project_files, write_files
from tests.support.pythons import make_environment

WATCHDOG = 120.0
"""Seconds that a crowd may take; it hangs if it takes longer."""

_GIT = """#!/bin/sh
case " $* " in
*" fetch "*) exec {python} -IS "$0.py" "$@" ;;
*) exec {git} "$@" ;;
esac
"""

_FETCH = """import fcntl, os, sys, time
address = next(word for word in sys.argv if word.startswith("file:"))
folder = os.environ["GIT_DIR"]
with open(os.environ["CROWD_LOG"], "a") as log:
    log.write(f"fetch {os.path.basename(address)} {folder} {os.getpid()}\\n")
lock = os.open(folder, os.O_RDONLY)
os.set_inheritable(lock, True)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    with open(os.environ["CROWD_LOG"], "a") as log:
        log.write(f"two-writers {folder}\\n")
time.sleep(float(os.environ.get("CROWD_PAUSE") or 0))
os.execv(GIT, ["git", *sys.argv[1:]])
"""

_BACKEND = '''"""Another backend, watched."""
import fcntl, os, time
import INNER as inner
from INNER import *


def _watched(what, *arguments):
    with open(os.environ["CROWD_LOG"], "a") as log:
        log.write(f"{what} NAME {os.getcwd()} {os.getpid()}\\n")
    lock = os.open("pyproject.toml", os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with open(os.environ["CROWD_LOG"], "a") as log:
            log.write(f"two-writers {os.getcwd()}\\n")
    time.sleep(float(os.environ.get("CROWD_PAUSE") or 0))
    try:
        return getattr(inner, f"build_{what}")(*arguments)
    finally:
        os.close(lock)


def build_wheel(*arguments):
    return _watched("wheel", *arguments)


def build_editable(*arguments):
    return _watched("editable", *arguments)
'''


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a wrapper wrote."""

    what: str
    """``fetch``, ``wheel``, ``editable``, ``two-writers``."""
    name: str
    folder: str = ""
    pid: int = 0

    def is_child_of(self, pid: int) -> bool:
        """Whether it lives, and descends from the process ``pid``."""
        return pid in _ancestors(self.pid)


@dataclass(kw_only=True)
class Crowd:
    """``processes`` environments, and what is installed into each: ``editables`` that share git requirements."""

    world: World
    processes: int
    editables: tuple[str, ...]
    repositories: tuple[str, ...]
    seed: int
    killed: set[int] = field(default_factory=set)
    _pids: set[int] = field(default_factory=set)

    @classmethod
    def make(
        cls, folder: Path, *, processes: int, editables: int, repositories: int, seed: int = 0, real: bool = False
    ) -> Self:
        """Make everything but the environments; ``real`` projects are built by setuptools, from the package index."""
        folder.mkdir(parents=True, exist_ok=True)
        world = World.make(folder, environment=False)
        crowd = cls(
            world=world,
            processes=processes,
            editables=tuple(f"editable{number}" for number in range(editables)),
            repositories=tuple(f"shared{number}" for number in range(repositories)),
            seed=seed,
        )
        crowd._watch()
        if real:
            settings = load_index_alone(os.environ, cache=crowd.cache, directory=folder)
            del world.environ["MINIUV_NO_INDEX"]
            world.environ = index_alone_variables(world.environ, settings)
        requirements = [crowd._repository(number, name, real) for number, name in enumerate(crowd.repositories)]
        for number, name in enumerate(crowd.editables):
            shuffled = random.Random(f"{seed} {name}").sample(requirements, len(requirements))
            write_files(world.folder / name, _project(name, shuffled, dynamic=number % 2 == 0, real=real))
        return crowd

    @property
    def cache(self) -> Path:
        return Path(self.world.environ["MINIUV_CACHE_DIR"])

    @property
    def log(self) -> Path:
        """What the wrappers write."""
        return Path(self.world.environ["CROWD_LOG"])

    def forget(self) -> None:
        """Make the cache cold and the logs empty."""
        shutil.rmtree(self.cache, ignore_errors=True)
        for log in (self.log, self._lock_log):
            log.unlink(missing_ok=True)
        self.killed.clear()
        self._pids.clear()

    def start(self, number: int, *, order: object = None, pause: float = 0) -> "subprocess.Popen[str]":
        """Start an install into environment ``number``, made anew.

        ``order`` shuffles what it names; ``pause`` makes its fetches and builds last longer.
        """
        environment = self.world.folder / f".venv{number}"
        shutil.rmtree(environment, ignore_errors=True)
        make_environment(environment)
        return self.start_again(number, order=order, pause=pause)

    def start_again(self, number: int, *, order: object = None, pause: float = 0) -> "subprocess.Popen[str]":
        """Start an install into environment ``number`` as it is."""
        shuffled = random.Random(f"{self.seed} {number} {order}").sample(self.editables, len(self.editables))
        words = [word for name in shuffled for word in ("-e", name)]
        python = ("--python", f".venv{number}")
        process = self.world.start("pip", "install", *words, *python, environ={"CROWD_PAUSE": str(pause)})
        self._pids.add(process.pid)
        return process

    def kill(self, process: "subprocess.Popen[str]") -> None:
        """SIGKILL ``process`` alone; what it started lives on, as far as it does."""
        self.killed.add(process.pid)
        process.kill()
        _close(process)

    def end(self, processes: Sequence["subprocess.Popen[str]"], *, within: float = WATCHDOG) -> None:
        """Wait until all have ended, and well; who hangs is asked where it stands, and ended."""
        deadline = time.monotonic() + within
        try:
            for process in processes:
                _, err = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
                assert process.returncode == 0, err
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {within:.0f} s:\n{self._standing(processes)}") from None
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                _close(process)

    def lines(self) -> list[Line]:
        """What the wrappers have seen so far."""
        try:
            text = self.log.read_text()
        except FileNotFoundError:
            return []
        lines = []
        for row in text.splitlines():
            what, name, *rest = row.split()
            folder, pid = rest or ("", "0")
            lines.append(Line(what=what, name=name, folder=folder, pid=int(pid)))
        return lines

    def count(self, what: str) -> Counter[str]:
        """How often each repository was fetched, or each project built."""
        return Counter(line.name for line in self.lines() if line.what == what)

    def check_done_once(self) -> None:
        """One fetch for each repository, one build for each wheel, one for each editable and process."""
        assert self.count("fetch") == {f"{name}.git": 1 for name in self.repositories}
        assert self.count("wheel") == dict.fromkeys(self.repositories, 1)
        assert self.count("editable") == dict.fromkeys(self.editables, self.processes)

    def check_done_again_by_the_killed_alone(self) -> None:
        """Whatever a killed process was doing was done once more, and nothing else."""
        for what in ("fetch", "wheel"):
            assert max(self.count(what).values(), default=0) <= 1 + len(self.killed), self.lines()

    def check_writers(self) -> None:
        """No folder had two writers at once, and git wrote to private ones alone."""
        lines = self.lines()
        assert [line for line in lines if line.what == "two-writers"] == []
        private = str(self.cache / "v1" / "tmp")
        assert [line for line in lines if line.what == "fetch" and not line.folder.startswith(private)] == []

    def check_log(self, *, once: bool = True, exclusive: bool = True) -> list[dict[str, object]]:
        """Hold the log of all locks to the rules, as ``violations`` does; return its events."""
        events = self.events()
        broken = violations(events, killed=self.killed, once=once, exclusive=exclusive)
        assert broken == [], "\n".join(map(str, broken[:20]))
        assert {event["pid"] for event in events} >= self._pids - self.killed
        return events

    def check_installed(self, numbers: Iterable[int]) -> None:
        """Everything is in the environments, and importable."""
        names = sorted((*self.editables, *self.repositories))
        for number in numbers:
            python = self.world.folder / f".venv{number}" / "bin" / "python"
            done = subprocess.run(
                [python, "-c", f"import {', '.join(names)}"], capture_output=True, text=True, check=False, cwd="/"
            )
            assert done.returncode == 0, done.stderr

    def events(self) -> list[dict[str, object]]:
        """Every step of every lock so far."""
        return read_lock_log(self._lock_log) if self._lock_log.exists() else []

    @property
    def _lock_log(self) -> Path:
        return Path(self.world.environ["MINIUV_LOCK_LOG"])

    def _standing(self, processes: Sequence["subprocess.Popen[str]"]) -> str:
        alive = [process.pid for process in processes if process.poll() is None]
        last: dict[object, Mapping[str, object]] = {}
        for event in self.events():
            if event["pid"] in alive:
                last[event["pid"], event["thread"]] = event
        return "\n".join([f"alive: {alive}", *(json.dumps(event) for event in last.values())])

    def _watch(self) -> None:
        """Put the wrappers in place."""
        folder, environ = self.world.folder, self.world.environ
        git = shutil.which("git")
        assert git is not None
        wrapper = folder / "bin" / "git"
        wrapper.parent.mkdir()
        wrapper.write_text(_GIT.format(python=shlex.quote(os.path.realpath(sys.executable)), git=shlex.quote(git)))
        wrapper.chmod(0o755)
        wrapper.with_name("git.py").write_text(f"GIT = {git!r}\n{_FETCH}")
        environ["PATH"] = f"{wrapper.parent}{os.pathsep}{environ['PATH']}"
        environ["CROWD_LOG"] = str(folder / "crowd.log")
        environ["MINIUV_LOCK_LOG"] = str(folder / "locks.log")

    def _repository(self, number: int, name: str, real: bool) -> str:
        """Make one; every other requirement names a branch, and every other package tells its metadata by a build."""
        path = self.world.folder / "repositories" / f"{name}.git"
        repository = GitRepository.create(path)
        commit = repository.commit(_project(name, (), dynamic=number % 3 == 0, real=real))
        return f"{name} @ git+{repository.url}@{commit if number % 2 else 'main'}"


def _close(process: "subprocess.Popen[str]") -> None:
    process.wait()
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()  # unread: who lives on may hold the other end


def _ancestors(pid: int) -> Iterator[int]:
    """The parents of a living process, upwards."""
    while pid > 1:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return
        pid = int(stat.rpartition(")")[2].split()[1])
        yield pid


def _project(name: str, dependencies: Sequence[str], *, dynamic: bool, real: bool) -> dict[str, str]:
    """The files of a project whose backend is watched; only a tiny one can be ``dynamic``."""
    if real:
        inner, files = "setuptools.build_meta", setuptools_files(name, dependencies=dependencies)
        project = files["pyproject.toml"].replace(f'"{inner}"', '"watched"\nbackend-path = ["backend"]')
    else:
        inner, files = "tiny", project_files(name, dependencies=dependencies, dynamic=dynamic)
        project = files["pyproject.toml"].replace('"tiny"', '"watched"')
    backend = _BACKEND.replace("INNER", inner).replace("NAME", name)
    return {**files, "pyproject.toml": project, "backend/watched.py": backend}
