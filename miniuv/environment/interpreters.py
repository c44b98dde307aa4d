"""Find interpreters, and know them."""

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from miniuv.environment import places, probe, siblings
from miniuv.environment.family import family
from miniuv.errors import CacheError, TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import TargetRequest
from miniuv.process import Runner
from miniuv.reporter import Reporter

_RECORD_FORMAT = 1


class Records(Protocol):
    """Where answers are remembered: ``cache.store.Store``."""

    def read_record(self, action: str) -> Mapping[str, object] | None:
        """Answer the record of ``action``."""

    def write_record(self, action: str, record: Mapping[str, object]) -> None:
        """Keep ``record``."""


class Interpreters:
    """Describes interpreters, each asked once and remembered in the cache, and picks the one that is meant."""

    def __init__(
        self, *, runner: Runner, environ: Mapping[str, str], store: Records | None, reporter: Reporter
    ) -> None:
        self._runner = runner
        self._environ = environ
        self._store = store
        self._reporter = reporter
        self._known: dict[Path, Interpreter] = {}
        self._asked: dict[Path, tuple[str | None, _Asked]] = {}
        """Those that are describing themselves, and what their answers depend on."""

    def begin(self, request: TargetRequest, *, directory: Path) -> None:
        """Have the Python of ``request`` describe itself while others use this thread, where that has to be waited for.

        Only one that is named by its place. Whatever is wrong with it is told by ``target``.
        """
        with contextlib.suppress(TargetError):
            if (named := self._place(request, directory)) is None:
                return
            executable = _tidy(named)
            if (known := self._recalled(executable)) is not None:
                self._known[executable] = known
            else:
                self._asked[executable] = _action(executable), _Asked(lambda: self._ask(executable))

    def describe(self, executable: Path) -> Interpreter:
        """Answer the facts of ``executable``; ``TargetError`` where it does not start or is too old."""
        executable = _tidy(executable)
        if executable not in self._known:
            self._known[executable] = self._remembered(executable)
        return self._known[executable]

    def target(self, request: TargetRequest, *, directory: Path, change: bool = True) -> Interpreter:
        """Answer the Python that ``request`` means.

        With ``change`` it is also checked that miniuv may install there: an environment (or ``--system``), not
        managed by somebody else (PEP 668), writable.
        """
        interpreter = self._requested(request, directory)
        if change:
            _check_allowed(interpreter, request)
            places.check_changeable(interpreter)
        return interpreter

    def find(self, python: str | None, *, directory: Path) -> Interpreter:
        """Answer the Python that an environment is made from: by path, by version (the newest fitting), or the usual.

        ``None``: what ``.python-version`` asks for, else the first on PATH that starts.
        """
        from miniuv.environment.candidates import version_request

        if python is None:
            python = self._asked_by_file(directory)
        if python is None:
            return next(self._fitting(f">={probe.OLDEST}"))
        if version_request(python) is not None:
            return max(self._fitting(python), key=lambda found: found.version)
        return self.describe(
            self._executable(python, directory, hint="name a version, an interpreter or an environment")
        )

    def _requested(self, request: TargetRequest, directory: Path) -> Interpreter:
        spec = None
        if request.python is not None:
            from miniuv.environment.candidates import fits, version_request

            spec = version_request(request.python)
        if request.python is not None and spec is None:
            hint = f"make an environment with `miniuv venv {request.python}`"
            return self.describe(self._executable(request.python, directory, hint=hint))
        if not request.system and (place := places.active_environment(self._environ, directory)):
            active = self.describe(places.environment_executable(place.folder, named=str(place.folder)))
            if spec is None or fits(active, spec):
                self._reporter.note(f"using the environment `{place.folder}`, found by {place.found_by}")
                return active
        if request.python is None and not request.system:
            raise TargetError(
                "no environment was found",
                hint="make one with `miniuv venv`, or name one with `--python PATH`",
            )
        return self.find(request.python, directory=directory)

    def _place(self, request: TargetRequest, directory: Path) -> Path | None:
        """Where the Python of ``request`` is, unless it is one that fits or has to be looked for."""
        from miniuv.environment.candidates import version_request

        if request.python is not None:
            named = version_request(request.python) is None
            return self._executable(request.python, directory, hint="") if named else None
        place = None if request.system else places.active_environment(self._environ, directory)
        return None if place is None else places.environment_executable(place.folder, named=str(place.folder))

    def _executable(self, text: str, directory: Path, *, hint: str) -> Path:
        """Understand a path or the name of a program."""
        path = directory / Path(text).expanduser()
        if os.path.isdir(path):
            return places.environment_executable(path, named=text)
        if os.path.lexists(path):
            return path
        program = shutil.which(text, path=self._environ.get("PATH")) if os.sep not in text else None
        if program is None:
            raise TargetError(f"there is no `{text}`", hint=hint)
        return Path(program)

    def _asked_by_file(self, directory: Path) -> str | None:
        """Read the nearest ``.python-version``; names that only pyenv can understand are passed over."""
        from miniuv.environment.candidates import version_request

        for file in (parent / ".python-version" for parent in (directory, *directory.parents)):
            try:
                lines = [line.strip() for line in file.read_text("utf-8", "replace").splitlines()]
            except OSError:
                continue
            asked = next((line for line in lines if line and not line.startswith("#")), "")
            if version_request(asked) is not None:
                self._reporter.note(f"`{file}` asks for Python {asked}")
                return asked
            self._reporter.note(f"`{file}` names no version: ignored")
        return None

    def _fitting(self, text: str) -> Iterator[Interpreter]:
        """Yield the installations that fit a version request; ``TargetError`` with the reasons where none does."""
        from miniuv.environment.candidates import candidates, fits, version_request

        spec = version_request(text)
        assert spec is not None
        skipped: list[str] = []
        found = False
        for executable in candidates(spec, self._environ):
            try:
                interpreter = self.describe(executable)
                if interpreter.prefix != interpreter.base_prefix:
                    interpreter = self.describe(interpreter.real_executable)
            except TargetError as error:
                skipped.append(error.message)
                self._reporter.note(f"skipped: {error.message}")
                continue
            if fits(interpreter, spec):
                found = True
                yield interpreter
        if not found:
            reasons = f"; skipped: {', '.join(skipped)}" if skipped else ""
            raise TargetError(
                f"no Python fits `{text}`{reasons}",
                hint="install it, or name an interpreter by its path with `--python PATH`",
            )

    def _remembered(self, executable: Path) -> Interpreter:
        begun = self._asked.pop(executable, None)
        if begun is None and (known := self._recalled(executable)) is not None:
            return known
        action, asked = begun or (_action(executable), None)
        fresh = asked.answer() if asked is not None else self._ask(executable)
        interpreter = probe.read(fresh, executable=executable)
        # A shim starts another interpreter tomorrow: only what named itself is remembered.
        is_itself = os.path.realpath(interpreter.executable) == os.path.realpath(executable)
        if self._store is not None and action is not None and is_itself:
            common = _family(executable)
            with contextlib.suppress(CacheError):  # on a full disk it is asked again next time
                self._store.write_record(action, {"answer": fresh})
                if common is not None and siblings.is_typical(fresh, executable):
                    self._store.write_record(common, {"answer": fresh, "prefix": str(interpreter.prefix)})
        return interpreter

    def _ask(self, executable: Path) -> probe.Answer:
        return probe.ask(executable, runner=self._runner, environ=self._environ)

    def _recalled(self, executable: Path) -> Interpreter | None:
        """Answer what is remembered of ``executable``, or of a sibling."""
        action = _action(executable) if self._store is not None else None
        if self._store is not None and action is not None:
            answer = (self._store.read_record(action) or {}).get("answer")
            if isinstance(answer, str):
                try:
                    return probe.read(probe.Answer(answer), executable=executable)
                except TargetError:
                    self._reporter.note(f"what the cache has of `{executable}` is no use: asked again")
        common = _family(executable) if self._store is not None else None
        return self._of_sibling(common, executable)

    def _of_sibling(self, common: str | None, executable: Path) -> Interpreter | None:
        """Answer from what another environment of the same installation said; ``None`` where none was asked yet."""
        if self._store is None or common is None:
            return None
        record = self._store.read_record(common) or {}
        answer = siblings.answer_of_sibling(record.get("answer"), record.get("prefix"), executable)
        try:
            return None if answer is None else probe.read(answer, executable=executable)
        except TargetError:
            return None


class _Asked:
    """An interpreter that is being asked, by a thread of its own: it only waits."""

    def __init__(self, ask: Callable[[], probe.Answer]) -> None:
        self._ask = ask
        self._answer: probe.Answer | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def answer(self) -> probe.Answer:
        """Wait for it; raises what ``probe.ask`` raised."""
        self._thread.join()
        if self._answer is None:
            assert self._error is not None
            raise self._error
        return self._answer

    def _run(self) -> None:
        try:
            self._answer = self._ask()
        except BaseException as error:  # noqa: BLE001  # for whoever wants the answer
            self._error = error


def _tidy(executable: Path) -> Path:
    """Drop ``..`` from a path that ends up in shebangs; other links stay, for they are how the user calls the place."""
    folder = executable.absolute().parent
    plain = Path(os.path.abspath(folder))
    return (plain if os.path.realpath(plain) == os.path.realpath(folder) else folder.resolve()) / executable.name


def _action(executable: Path) -> str | None:
    """Name everything that an answer depends on: this machine, the file behind the links, the environment's own."""
    files = (executable, executable.parent / "pyvenv.cfg", executable.parent.parent / "pyvenv.cfg")
    stats = [_stat(file) for file in files]
    if stats[0] is None:
        return None
    return json.dumps(
        {
            "kind": "interpreter",
            **_surroundings(),
            "executable": str(executable),
            "real": os.path.realpath(executable),
            "stats": stats,
        }
    )


def _family(executable: Path) -> str | None:
    """Name what an answer for every environment of the same installation depends on."""
    common = family(str(executable))
    return None if common is None else json.dumps({"kind": "interpreters", **_surroundings(), "family": common})


def _surroundings() -> dict[str, object]:
    import packaging

    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):
        libc = None
    return {"format": _RECORD_FORMAT, "packaging": packaging.__version__, "machine": [*os.uname(), libc]}


def _stat(file: Path) -> list[int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _check_allowed(interpreter: Interpreter, request: TargetRequest) -> None:
    if not interpreter.is_environment and not request.system:
        raise TargetError(
            f"`{interpreter.executable}` belongs to no environment",
            hint="make one with `miniuv venv`, or pass `--system` to install there all the same",
        )
    if interpreter.externally_managed is not None and not request.break_system_packages:
        raise TargetError(
            f"`{interpreter.prefix}` is managed by something else:\n{interpreter.externally_managed}",
            hint="make an environment with `miniuv venv`; `--break-system-packages` goes on, at your own risk",
        )
