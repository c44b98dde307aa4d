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
        private: bool = False,
        identity: str = "",
        trace: bool = False,
    ) -> "ReadyBuild":
        """Get everything that the build of ``folder`` needs, so that the build itself waits for nobody.

        Call it with no job lock held: build requirements are resolved and may be built, build environments
        are made, and the backend is asked what else it needs, each as a job of its own. ``get_requires_for_*``
        may write into the tree (``egg-info``), so its job holds the lock of the source tree, unless ``folder`` is a
        ``private`` copy that nobody else knows; where its ``identity`` says all that makes it what it is, the answer is
        kept. ``trace``: see ``ReadyBuild.reports``.
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
            further = self._further_requirements(hooks, private=private, identity=identity)
            if unmet(further, wheels, self._interpreter, title):
                prefix, _ = self._environment((*requires, *further), title)
                environment = hook_environment(self._environ, prefix)
                hooks = replace(hooks, python=prefix / "bin" / "python", environment=environment)
            return ReadyBuild(
                hooks=hooks,
                requirements=(*requires, *further),
                pyproject=pyproject,
                interpreter=self._interpreter,
                reporter=self._reporter,
                work=work,
                resources=stack.pop_all(),
            )

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

    def _further_requirements(self, hooks: Hooks, *, private: bool, identity: str) -> tuple[str, ...]:
        def run() -> tuple[str, ...]:
            with activity(self._reporter, "metadata", hooks.title) as asking:
                return hooks.requirements(partial(self._reporter.progress, asking))

        if identity:
            return self._kept_requirements(hooks, f"requires of {identity}\n{_context(hooks)}", run)
        if private:
            return self._jobs.limited("build", run)
        return self._jobs.obtain(
            Job(
                kind="requires",
                subject=f"{hooks.kind} {hooks.python} {hooks.folder}",
                title=f"{hooks.title} (build requirements)",
                permit="build",
                lookup=lambda: None,
                run=run,
                source_tree=hooks.folder,
                failing=_context(hooks),
            )
        )

    def _kept_requirements(self, hooks: Hooks, action: str, run: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        def lookup() -> tuple[str, ...] | None:
            match self._store.read_record(action):
                case {"requires": list(lines)} if all(isinstance(line, str) for line in lines):
                    return tuple(lines)
                case _:
                    return None

        def ask() -> tuple[str, ...]:
            lines = run()
            self._store.write_record(action, {"requires": list(lines)})
            return lines

        title = f"{hooks.title} (build requirements)"
        return self._jobs.obtain(
            Job(kind="requires", subject=action, title=title, permit="build", lookup=lookup, run=ask)
        )


def _context(hooks: Hooks) -> str:
    """What an answer or a failure of the backend depends on, besides the project."""
    return f"{hooks.python} {dict(hooks.config_settings)} {variables_digest(hooks.environment)}"


class ReadyBuild:
    """A project whose build environment is complete. Its methods never wait for another job.

    Call them under the job that holds the lock of the source tree, one at a time. A context manager: leaving
    it removes its temporary files, which otherwise happens with the store's.
    """

    def __init__(
        self,
        *,
        hooks: Hooks,
        requirements: tuple[str, ...],
        pyproject: Pyproject,
        interpreter: Interpreter,
        reporter: Reporter,
        work: Path,
        resources: ExitStack,
    ) -> None:
        self._hooks = hooks
        self.requirements = requirements
        """What is in the build environment: what the project asks for, and what its backend does besides."""
        self._pyproject = pyproject
        self._interpreter = interpreter
        self._reporter = reporter
        self._work = work
        self._resources = resources
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
        needed = (f"get_requires_for_build_{kind}", f"build_{kind}")
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
