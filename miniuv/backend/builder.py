"""Projects to metadata and wheels (PEP 517, PEP 660)."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from miniuv.archive.intact import DamagedWheelError
from miniuv.backend.checks import (
    check_backend_path,
    check_built_wheel,
    check_editable_paths,
    check_same_metadata,
    unmet,
)
from miniuv.backend.environment import BuildEnvironments
from miniuv.backend.foreseen import needs_nothing
from miniuv.backend.hooks import ConfigSettings, Hooks
from miniuv.backend.output import HookLog
from miniuv.backend.preload import LearnedModules
from miniuv.backend.provisioner import Provisioner
from miniuv.backend.trace import TraceReport, read_report
from miniuv.backend.variables import hook_environment, variables_digest
from miniuv.backend.warm import WarmRunners
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.errors import BuildError, CacheError, PackageIndexError, ProjectError, RequirementError, ResolutionError
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.wheel import UnpackedWheel
from miniuv.process import Runner
from miniuv.project.core_metadata import parse_metadata
from miniuv.project.pyproject import Pyproject
from miniuv.reporter import Reporter, activity
from miniuv.values import replace

_ATTEMPTS = 3


class Builder:
    """Makes projects ready to be built. A context manager: leaving it ends the warm runners of hooks."""

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobRunner,
        runner: Runner,
        provisioner: Provisioner,
        interpreter: Interpreter,
        reporter: Reporter,
        environ: Mapping[str, str],
        config_settings: ConfigSettings | None = None,
    ) -> None:
        self._store = store
        self._jobs = jobs
        self.runner = runner
        self._provisioner = provisioner
        self._interpreter = interpreter
        self._reporter = reporter
        self._environ = environ
        self.config_settings = config_settings or {}
        self._environments = BuildEnvironments(store=store, jobs=jobs, runner=runner, reporter=reporter)
        self._warm = WarmRunners(runner=runner, learned=LearnedModules(store))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._warm.close(wait=error is None)

    def prepare(
        self,
        folder: Path,
        *,
        pyproject: Pyproject | None,
        title: str,
        editable: bool,
        identity: str = "",
        trace: bool = False,
    ) -> "ReadyBuild":
        """Get what the build of ``folder`` needs, so that the build itself waits for nobody.

        Call it with no job lock held: build requirements are resolved and may be built, and build environments are
        made. ``get_requires_for_*`` may write into the tree (``egg-info``), so it belongs to the build, under the lock
        of the source tree (``ReadyBuild.lacks``). But where ``folder`` is a private copy that nobody else knows, and
        ``identity`` says all that makes it what it is, the backend is asked here, and the answer is kept.
        ``trace``: see ``ReadyBuild.reports``.
        """
        if pyproject is None:
            raise ProjectError(
                "is no Python project: it has neither a `pyproject.toml` nor a `setup.py`",
                where=str(folder),
                hint="check the path; a project in a subfolder is named by that folder, or by `#subdirectory=`",
            )
        check_backend_path(folder, pyproject)
        requires = pyproject.build_system.requires
        prefix, wheels = self._environment(requires, title)
        with ExitStack() as stack:
            work = stack.enter_context(self._store.staging("build"))
            traces = _fresh(work, "trace") if trace else None
            hooks = Hooks(
                folder=folder,
                python=prefix / "bin" / "python",
                backend=pyproject.build_system.backend,
                title=title,
                kind="editable" if editable else "wheel",
                config_settings=self.config_settings,
                environment=hook_environment(self._environ, prefix),
                runner=self.runner,
                log=HookLog(self._store.log_path(title)),
                guards=self._store.guards,
                trace=traces,
                warm=None if pyproject.build_system.backend_path else self._warm,
            )
            ready = ReadyBuild(
                hooks=hooks,
                present=wheels,
                environment=lambda requirements: self._environment(requirements, title)[0],
                environ=self._environ,
                pyproject=pyproject,
                interpreter=self._interpreter,
                reporter=self._reporter,
                work=work,
                resources=stack.pop_all(),
            )
        if identity and not ready.foresee():
            ready.hear(self._kept_requirements(ready, f"requires of {identity}\n{ready.context}"))
            if ready.lacks():
                ready.provide()
        return ready

    def _environment(self, requirements: Sequence[str], title: str) -> tuple[Path, tuple[UnpackedWheel, ...]]:
        """A build environment and what is in it; wheels that prove damaged on the way are made anew."""
        for _ in range(_ATTEMPTS - 1):
            wheels = self._provide(requirements, title)
            with contextlib.suppress(DamagedWheelError):
                return self._environments.obtain(self._interpreter, wheels), wheels
        wheels = self._provide(requirements, title)
        return self._environments.obtain(self._interpreter, wheels), wheels

    def _provide(self, requirements: Sequence[str], title: str) -> tuple[UnpackedWheel, ...]:
        if not requirements:
            return ()
        try:
            return self._provisioner.provide(requirements, interpreter=self._interpreter)
        except (PackageIndexError, RequirementError, ResolutionError) as error:
            raise BuildError(
                f"its build requirements ({', '.join(requirements)}) cannot be provided: {error}",
                where=title,
                hint=error.hint,
            ) from error

    def _kept_requirements(self, ready: "ReadyBuild", action: str) -> tuple[str, ...]:
        def lookup() -> tuple[str, ...] | None:
            match self._store.read_record(action):
                case {"requires": list(lines)} if all(isinstance(line, str) for line in lines):
                    return tuple(lines)
                case _:
                    return None

        def ask() -> tuple[str, ...]:
            lines = ready.ask()
            self._store.write_record(action, {"requires": list(lines)})
            return lines

        title = f"{ready.title} (build requirements)"
        return self._jobs.obtain(
            Job(kind="requires", subject=action, title=title, permit="build", lookup=lookup, run=ask)
        )


def _context(hooks: Hooks) -> str:
    """What an answer or a failure of the backend depends on, besides the project."""
    return f"{hooks.python} {dict(hooks.config_settings)} {variables_digest(hooks.environment)}"


class ReadyBuild:
    """A project whose build environment is there. Only ``provide`` waits for another job.

    Call the other methods under the job that holds the lock of the source tree, one at a time, and ``lacks`` first. A
    context manager: leaving it removes its temporary files, which otherwise happens with the store's.
    """

    def __init__(
        self,
        *,
        hooks: Hooks,
        present: Sequence[UnpackedWheel],
        environment: Callable[[Sequence[str]], Path],
        environ: Mapping[str, str],
        pyproject: Pyproject,
        interpreter: Interpreter,
        reporter: Reporter,
        work: Path,
        resources: ExitStack,
    ) -> None:
        """``present`` is in the build environment; ``environment`` makes another one, and ``environ`` is to be its."""
        self._hooks = hooks
        self._present = present
        self._environment = environment
        self._environ = environ
        self._pyproject = pyproject
        self._interpreter = interpreter
        self._reporter = reporter
        self._work = work
        self._resources = resources
        self._further: tuple[str, ...] | None = None
        """What the backend needs besides; ``None`` until that is known."""
        self._was_asked = False
        self._is_provided = False
        self._prepared: Path | None = None
        self._told: CoreMetadata | None = None
        """What is in ``_prepared``."""
        self._built: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @property
    def title(self) -> str:
        """For people."""
        return self._hooks.title

    @property
    def requirements(self) -> tuple[str, ...]:
        """What the build environment is made for: what the project asks for, and what its backend does besides."""
        return (*self._pyproject.build_system.requires, *(self._further or ()))

    def ask(self) -> tuple[str, ...]:
        """Have the backend say what it needs besides ``build-system.requires``."""
        with activity(self._reporter, "metadata", self.title) as asking:
            self._further = self._hooks.requirements(partial(self._reporter.progress, asking))
        self._was_asked = True
        return self._further

    def foresee(self) -> bool:
        """Know that the backend needs nothing else, where that is sure without asking it.

        Not for an editable: asked, setuptools leaves an ``egg-info`` in the project, and building it does not.
        """
        hooks, system = self._hooks, self._pyproject.build_system
        if hooks.kind != "wheel" or hooks.config_settings or system.backend_path:
            return False
        if not needs_nothing(hooks.folder, system.backend, present=self._present, environment=hooks.environment):
            return False
        self._further = ()
        return True

    def hear(self, further: tuple[str, ...]) -> None:
        """Take what the backend would say; it is not asked then."""
        self._further = further

    def lacks(self) -> bool:
        """Whether the backend, which is asked once, needs more than there is: then ``provide`` that, and come again."""
        if self._further is None and not self.foresee():
            self.ask()
        further = self._further or ()
        return not self._is_provided and bool(unmet(further, self._present, self._interpreter, self.title))

    def provide(self) -> None:
        """Make a build environment with all that is needed; call it with no job lock held."""
        prefix = self._environment(self.requirements)
        environment = hook_environment(self._environ, prefix)
        self._hooks = replace(self._hooks, python=prefix / "bin" / "python", environment=environment)
        self._is_provided = True

    @property
    def context(self) -> str:
        """What a failure of the backend depends on, besides the project: build environment, settings, variables."""
        return _context(self._hooks)

    @property
    def has_wheel(self) -> bool:
        """Whether the wheel was built already, for its metadata, and ``build`` only hands it out."""
        return self._built is not None

    def reports(self) -> tuple[TraceReport, ...] | None:
        """What the hooks of a traced build have looked at; ``None`` unless all that counts was heard."""
        folder, kind = self._hooks.trace, self._hooks.kind
        if folder is None:
            return None
        needed = (f"build_{kind}", *((f"get_requires_for_build_{kind}",) if self._was_asked else ()))
        names = sorted({*needed, *(path.name for path in folder.iterdir())})
        reports = [report for name in names if (report := read_report(folder / name)) is not None]
        return tuple(reports) if len(reports) == len(names) else None

    def metadata(self) -> CoreMetadata:
        """What ``prepare_metadata_for_build_*`` says; where there is no such hook, what the built wheel says."""
        output = _fresh(self._work, "metadata")
        with activity(self._reporter, "metadata", self._hooks.title) as preparing:
            self._prepared = self._hooks.metadata(output, partial(self._reporter.progress, preparing))
        if self._prepared is not None:
            data = (self._prepared / "METADATA").read_bytes()
        else:
            from miniuv.archive.wheel import read_wheel_metadata

            self._built = self._build()
            data = read_wheel_metadata(self._built)
        told = parse_metadata(data, where=f"the metadata of {self._hooks.title}")
        if self._prepared is not None:
            self._told = told
        return told

    def build(self, destination: Path) -> Path:
        """Build the wheel into the folder ``destination``; its content is still to be checked."""
        import shutil

        built, self._built = self._built or self._build(), None
        try:
            return Path(shutil.move(built, destination / built.name))
        except OSError as error:
            raise BuildError(
                f"the built wheel cannot be moved to `{destination}`: {error.strerror or error}",
                where=self._hooks.title,
                hint="check the free space and the permissions of the cache folder",
            ) from error

    def _build(self) -> Path:
        output = _fresh(self._work, "wheel")
        with activity(self._reporter, "build", self._hooks.title) as building:
            wheel = self._hooks.wheel(output, self._prepared, partial(self._reporter.progress, building))
            check_built_wheel(wheel.name, self._pyproject, self._interpreter, self._hooks.title)
            if self._told is not None:
                check_same_metadata(self._told, wheel.name, self._hooks.title)
            if self._hooks.kind == "editable":
                check_editable_paths(wheel, self._hooks.title)
        return wheel


def _fresh(work: Path, name: str) -> Path:
    import tempfile

    try:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=work))
    except OSError as error:
        raise CacheError(
            f"a folder cannot be made in `{work}`: {error.strerror or error}",
            hint="check the free space and the permissions of the cache folder",
        ) from error
