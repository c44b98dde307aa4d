"""Build environments: cache entries that every build with the same requirements shares."""

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from miniuv.archive.intact import DamagedWheelError
from miniuv.backend.placement import place_wheel, site_packages
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.cache.trouble import cache_error
from miniuv.models.interpreter import Interpreter
from miniuv.models.wheel import UnpackedWheel
from miniuv.process import Runner
from miniuv.reporter import Reporter, activity

_FORMAT = "1"
_MOST_WORKERS = 4
_FILES_PER_WORKER = 100
"""With fewer, a further process costs more than it saves; setuptools has 224, compiled in half a second by one."""


class BuildEnvironments:
    """Makes virtual environments by hand, compiled once, and never writes to them again.

    They are made from the base installation, so they outlive the target environment.
    """

    def __init__(self, *, store: Store, jobs: JobRunner, runner: Runner, reporter: Reporter) -> None:
        self._store = store
        self._jobs = jobs
        self._runner = runner
        self._reporter = reporter

    def obtain(self, interpreter: Interpreter, wheels: Sequence[UnpackedWheel]) -> Path:
        """The environment that holds exactly ``wheels``; made now unless it is in the cache.

        Raises ``DamagedWheelError`` where one of them was changed; it is dropped then, to be made anew.
        """
        key = _key(interpreter, wheels)
        names = ", ".join(sorted(wheel.dist_info.removesuffix(".dist-info") for wheel in wheels)) or "nothing"
        return self._jobs.obtain(
            Job(
                kind="benv",
                subject=key,
                title=f"build environment with {names}",
                permit="build",
                lookup=lambda: self._store.find("build-environments", key),
                run=lambda: self._make(key, interpreter, wheels),
            )
        )

    def _make(self, key: str, interpreter: Interpreter, wheels: Sequence[UnpackedWheel]) -> Path:
        final = self._store.path("build-environments", key)
        with self._store.staging("build-environment") as staged:
            root = staged / "root"
            try:
                for folder in ("bin", site_packages(interpreter)):
                    (root / folder).mkdir(parents=True)
                for wheel in sorted(wheels, key=lambda wheel: (wheel.filename, wheel.digest)):
                    place_wheel(wheel, root=root, interpreter=interpreter, python=final / "bin" / "python")
                # Last, so that no wheel can stand in for the interpreter.
                _make_skeleton(root, interpreter)
            except DamagedWheelError as error:
                self._store.discard("unpacked", error.wheel.digest)
                raise
            except OSError as error:
                needed = sum(file.size for wheel in wheels for file in wheel.files)
                raise cache_error(error, path=root, doing="make a build environment", needed=needed) from error
            with activity(self._reporter, "compile", f"build environment {key}"):
                self._compile(root, final, interpreter)
            return self._store.publish(root, "build-environments", key)

    def _compile(self, root: Path, final: Path, interpreter: Interpreter) -> None:
        modules = site_packages(interpreter)
        files = sum(1 for _ in (root / modules).rglob("*.py"))
        workers = str(max(1, min(os.cpu_count() or 1, _MOST_WORKERS, files // _FILES_PER_WORKER)))
        command = [str(interpreter.real_executable), "-I", "-m", "compileall", "-qq", "-j", workers]
        command += ["-s", str(root), "-p", str(final), str(root / modules)]
        environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        # A module that does not compile (a template, another Python's syntax) is no failure of ours.
        completed = self._runner.run(command, environment=environment)
        if completed.returncode < 0:
            self._reporter.note(f"`{interpreter.real_executable}` was ended by a signal while compiling `{final}`")


def _key(interpreter: Interpreter, wheels: Sequence[UnpackedWheel]) -> str:
    """A short name: it is part of a shebang, which may have 127 bytes only."""
    parts = [_FORMAT, str(interpreter.real_executable), interpreter.implementation, str(interpreter.version)]
    parts += [interpreter.cache_tag, str(site_packages(interpreter))]
    parts += sorted(f"{wheel.filename} {wheel.digest}" for wheel in wheels)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _make_skeleton(root: Path, interpreter: Interpreter) -> None:
    names = ["python", "python3", f"python{interpreter.python}"]
    if interpreter.implementation == "pypy":
        names += ["pypy", "pypy3", f"pypy{interpreter.python}"]
    for name in names:
        link = root / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(interpreter.real_executable if name == "python" else "python")
    if sys.platform == "linux" and not (root / "lib64").exists():
        (root / "lib64").symlink_to("lib")
    configuration = root / "pyvenv.cfg"
    configuration.unlink(missing_ok=True)
    configuration.write_text(
        f"home = {interpreter.real_executable.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.version}\n",
        encoding="utf-8",
    )
