"""Folders built as the installer builds them, with the memory of earlier builds; and their truth."""

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniuv.backend.builder import Builder
from miniuv.backend.provisioner import Provisioner
from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.errors import MiniuvError
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import DirectorySource
from miniuv.models.wheel import UnpackedWheel
from miniuv.process import SubprocessRunner
from miniuv.project.pyproject import read_pyproject
from miniuv.reporter import Reporter
from miniuv.sources.directory import Directories
from miniuv.sources.folder import read_project
from miniuv.sources.reuse import Reuse, Wish
from miniuv.sources.wheels import Wheels
from tests.support.backends import completed

Contents = Mapping[str, tuple[bool, bytes]]


class Reasons(Reporter):
    """Keeps why something was built again."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def rebuilt(self, subject: str, reason: str) -> None:
        self.told.append(f"{subject}: {reason}")


@dataclass(kw_only=True)
class FolderBuilds:
    """One cache; every call is a run of its own."""

    store: Store
    jobs: JobRunner
    interpreter: Interpreter
    provisioner: Provisioner
    environ: Mapping[str, str]

    def build(
        self, folder: Path, *, editable: bool = True, variables: Mapping[str, str] | None = None
    ) -> tuple[UnpackedWheel, list[str]]:
        """The wheel of ``folder``, and why it was built again; ``variables`` besides those of all builds."""
        with self._run(variables or {}) as (directories, reporter):
            return directories.wheel(DirectorySource(path=folder, editable=editable)), reporter.told

    def evidence(self, folder: Path, *, editable: bool = True) -> tuple[str, ...] | None:
        """What the proof rests on, where the wheel is there."""
        source = DirectorySource(path=folder, editable=editable)
        with self._run({}) as (directories, _):
            directories.wheel(source)
            return directories.evidence(source)

    def find(self, folder: Path, *, editable: bool = True) -> UnpackedWheel | None:
        """The wheel of ``folder``, if nothing has to be built for it."""
        source = DirectorySource(path=folder, editable=editable)
        reporter = Reasons()
        try:
            with self._builder({}, reporter) as builder:
                reuse = self._reuse(builder, {}, reporter)
                return reuse.attempt(source, read_project(folder, title=str(folder))).find()
        except MiniuvError:
            return None

    def truth(self, folder: Path, output: Path, *, editable: bool = True) -> Contents | str:
        """What a plain build in ``folder`` brings; its error, where it brings none."""
        try:
            with (
                self._builder({}, Reporter()) as builder,
                builder.prepare(folder, pyproject=read_pyproject(folder), title="sample 1", editable=editable) as ready,
            ):
                return wheel_contents(completed(ready, jobs=self.jobs, folder=folder).build(output))
        except MiniuvError as error:
            return error.message

    def _builder(self, given: Mapping[str, str], reporter: Reporter) -> Builder:
        return Builder(
            store=self.store,
            jobs=self.jobs,
            runner=SubprocessRunner(),
            provisioner=self.provisioner,
            interpreter=self.interpreter,
            reporter=reporter,
            environ={**self.environ, **given},
        )

    def _reuse(self, builder: Builder, given: Mapping[str, str], reporter: Reporter) -> Reuse:
        return Reuse(
            store=self.store,
            wheels=Wheels(store=self.store, jobs=self.jobs, reporter=reporter),
            builder=builder,
            interpreter=self.interpreter,
            environ={**self.environ, **given},
            reporter=reporter,
            wish=Wish(),
        )

    @contextmanager
    def _run(self, given: Mapping[str, str]) -> Iterator[tuple[Directories, Reasons]]:
        reporter = Reasons()
        with self._builder(given, reporter) as builder:
            yield (
                Directories(
                    store=self.store,
                    jobs=self.jobs,
                    builder=builder,
                    wheels=Wheels(store=self.store, jobs=self.jobs, reporter=reporter),
                    reuse=self._reuse(builder, given, reporter),
                ),
                reporter,
            )


def wheel_contents(wheel: Path) -> Contents:
    """Every file but RECORD: whether it may be run, and its bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            info.filename: (bool(info.external_attr >> 16 & 0o100), archive.read(info))
            for info in archive.infolist()
            if not info.is_dir() and not info.filename.endswith(".dist-info/RECORD")
        }


def unpacked_contents(wheel: UnpackedWheel) -> Contents:
    """The same of a wheel in the cache."""
    return {
        file.path: (file.executable, (wheel.root / file.path).read_bytes())
        for file in wheel.files
        if not file.path.endswith(".dist-info/RECORD")
    }


def elsewhere(contents: Contents | str, was: Path, now: Path) -> Contents | str:
    """What a build of ``was`` brought, as if it had been ``now``: editable wheels name their folder."""
    if isinstance(contents, str):
        return contents
    return {
        name: (executable, data.replace(str(was).encode(), str(now).encode()))
        for name, (executable, data) in contents.items()
    }
