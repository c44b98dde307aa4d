"""Build environments: cache entries that every build with the same requirements shares."""

import contextlib
import hashlib
import os
import sys
import threading
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
from miniuv.values import dataclass

_FORMAT = "2"
_SCRIPT = Path(__file__).with_name("_compile.py")
_MOST_WORKERS = 4
_FILES_PER_WORKER = 100
"""With fewer, a further process costs more than it saves; setuptools has 224, compiled in half a second by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Model:
    """An environment that is there already, and what it consists of."""

    root: Path
    wheels: Sequence[UnpackedWheel]

    def copy_bytecode(self, wheels: Sequence[UnpackedWheel], root: Path, interpreter: Interpreter) -> None:
        """Take what was compiled of the modules that are the same in another environment, which is made at ``root``."""
        ours, theirs = _sources(self.wheels), _sources(wheels)
        modules = site_packages(interpreter)
        made: set[str] = set()
        for path in sorted(path for path in theirs if ours.get(path) == theirs[path]):
            compiled = f"{modules}/{interpreter.compiled_path(path)}"
            with contextlib.suppress(FileNotFoundError), open(f"{self.root}/{compiled}", "rb", buffering=0) as source:
                folder = f"{root}/{compiled}".rpartition("/")[0]
                if folder not in made:
                    os.makedirs(folder, exist_ok=True)
                    made.add(folder)
                with open(f"{root}/{compiled}", "wb") as target:
                    target.write(source.read())


class BuildEnvironments:
    """Makes virtual environments by hand, compiled once, and never writes to them again.

    They are made from the base installation, so they outlive the target environment.
    """

    def __init__(self, *, store: Store, jobs: JobRunner, runner: Runner, reporter: Reporter) -> None:
        self._store = store
        self._jobs = jobs
        self._runner = runner
        self._reporter = reporter
        self._guard = threading.Lock()
        self._wanted: dict[str, tuple[Sequence[UnpackedWheel], Sequence[UnpackedWheel]]] = {}
        """What each environment that this run asked for consists of, and what one asked for before it consists of."""

    def obtain(self, interpreter: Interpreter, wheels: Sequence[UnpackedWheel]) -> Path:
        """The environment that holds exactly ``wheels``; made now unless it is in the cache.

        Where one that has much in common with it was asked for before, that one is waited for first: what was compiled
        there is not compiled again.

        Raises ``DamagedWheelError`` where one of them was changed; it is dropped then, to be made anew.
        """
        key = _key(interpreter, wheels)
        if found := self._store.find("build-environments", key):
            return found
        with self._guard:
            # Always one that was asked for earlier, so that no two wait for each other.
            _, related = self._wanted.setdefault(key, (wheels, self._related(wheels)))
        model = _Model(root=self.obtain(interpreter, related), wheels=related) if related else None
        return self._obtain(interpreter, wheels, model)

    def _related(self, wheels: Sequence[UnpackedWheel]) -> Sequence[UnpackedWheel]:
        """Of what was asked for, that which shares most files with ``wheels``; nothing where it is not worth a wait."""
        digests = {wheel.digest for wheel in wheels}

        def shared(others: Sequence[UnpackedWheel]) -> int:
            return sum(len(wheel.files) for wheel in others if wheel.digest in digests)

        best = max((others for others, _ in self._wanted.values()), key=shared, default=())
        return best if shared(best) >= _FILES_PER_WORKER else ()

    def _obtain(self, interpreter: Interpreter, wheels: Sequence[UnpackedWheel], model: "_Model | None") -> Path:
        key = _key(interpreter, wheels)
        names = ", ".join(sorted(wheel.dist_info.removesuffix(".dist-info") for wheel in wheels)) or "nothing"
        return self._jobs.obtain(
            Job(
                kind="benv",
                subject=key,
                title=f"build environment with {names}",
                permit="build",
                lookup=lambda: self._store.find("build-environments", key),
                run=lambda: self._make(key, interpreter, wheels, model),
            )
        )

    def _make(
        self, key: str, interpreter: Interpreter, wheels: Sequence[UnpackedWheel], model: "_Model | None"
    ) -> Path:
        final = self._store.path("build-environments", key)
        modules = site_packages(interpreter)
        with self._store.staging("build-environment") as staged:
            root = staged / "root"
            try:
                for folder in ("bin", modules):
                    (root / folder).mkdir(parents=True)
                for wheel in sorted(wheels, key=_order):
                    place_wheel(wheel, root=root, interpreter=interpreter, python=final / "bin" / "python")
                # Last, so that no wheel can stand in for the interpreter.
                _make_skeleton(root, interpreter)
                if model is not None:
                    model.copy_bytecode(wheels, root, interpreter)
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
        workers = max(1, min(os.cpu_count() or 1, _MOST_WORKERS, files // _FILES_PER_WORKER))
        command = [str(interpreter.real_executable), "-I", "-S", str(_SCRIPT)]
        command += [str(root / modules), str(final / modules), str(workers)]
        completed = self._runner.run(command, environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8"})
        if completed.returncode < 0:
            self._reporter.note(f"`{interpreter.real_executable}` was ended by a signal while compiling `{final}`")


def _sources(wheels: Sequence[UnpackedWheel]) -> dict[str, str]:
    """The digest of each module that ``wheels`` bring; a later one has the last word, as where they are placed."""
    ordered = sorted(wheels, key=_order)
    return {file.path: file.sha256 for wheel in ordered for file in wheel.files if file.path.endswith(".py")}


def _order(wheel: UnpackedWheel) -> tuple[str, str]:
    return wheel.filename, wheel.digest


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
