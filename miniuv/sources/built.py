"""Wheels that are built from a private source tree, and remembered by what they were built from."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from packaging.utils import parse_wheel_filename

from miniuv.backend.builder import Builder, ReadyBuild
from miniuv.backend.variables import variables_digest
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import as_sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.sources.folder import build_title, read_project
from miniuv.sources.metadata_record import metadata_from_record, metadata_to_record
from miniuv.sources.once import Once
from miniuv.sources.promises import Promise, check_promises
from miniuv.sources.wheels import Wheels, wheel_metadata
from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceTree:
    """A project that can be copied out privately and built there; equal when its identity is."""

    identity: str
    """What makes two trees the same: repository, commit and subdirectory; the digest of an sdist."""
    title: str = field(compare=False)
    """For people."""
    copy_to: Callable[[Path], Path] = field(compare=False)
    """Make a private copy inside the given empty folder; returns the project folder within."""
    promises: Callable[[Path], tuple[Promise, ...]] = field(compare=False, default=lambda _: ())
    """Read, in that project folder, what a build of it has to come to."""

    def __str__(self) -> str:
        return self.title


@dataclass(frozen=True, kw_only=True, slots=True)
class _Known:
    """What a build brought."""

    metadata: CoreMetadata
    wheel: UnpackedWheel | None


class BuiltWheels:
    """Builds each ``SourceTree`` once for everybody who shares the cache.

    The key is the identity of the source, the interpreter, the configuration settings and the variables that
    builds are known to read. The resolved build environment is provenance, not part of the key: a new release
    of a build requirement does not invalidate a wheel.

    A context manager: private copies live until it is left, so that preparing metadata and building share one.
    """

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobRunner,
        builder: Builder,
        wheels: Wheels,
        interpreter: Interpreter,
        environ: Mapping[str, str],
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._builder = builder
        self._wheels = wheels
        self._context = _build_context(interpreter, environ)
        self.check_free = jobs.check_free
        """Raises where this thread may not wait for anybody."""
        self._copies = ExitStack()
        self.copy = Once(self._copy, label=lambda _: "", check_free=jobs.check_free)
        """The project's folder in a private copy, the one that will be built; not to be written to."""
        self._ready = Once(self._prepare, check_free=jobs.check_free)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._copies.close()

    def find(self, identity: str) -> UnpackedWheel | None:
        """The wheel of an earlier build, with no lock, no process and no network."""
        record = self._store.read_record(self._action("wheel", identity))
        digest = as_sha256(record.get("wheel")) if record is not None else None
        return self._wheels.find(digest) if digest is not None else None

    def holds(self, wheel: UnpackedWheel) -> bool:
        """Whether ``wheel`` is still in the cache."""
        return self._wheels.holds(wheel)

    def metadata(self, tree: SourceTree) -> CoreMetadata:
        """The metadata that the backend prepares, without building where it can; remembered like a wheel."""
        return self._obtain(tree, wheel=False).metadata

    def wheel(self, tree: SourceTree) -> UnpackedWheel:
        """The wheel of ``tree``, built unless somebody has built it before."""
        while (wheel := self._obtain(tree, wheel=True).wheel) is None:
            continue  # another thread's job, which we were given the result of, was after the metadata only
        return wheel

    def _obtain(self, tree: SourceTree, *, wheel: bool) -> _Known:
        """One job serves both: a backend that cannot prepare metadata builds the wheel for it, and that is kept."""
        if found := self._lookup(tree.identity, wheel=wheel):
            return found
        promises = tree.promises(self.copy(tree))  # before any hook may change them
        # Everything the build needs is published before its lock is taken: nobody waits while holding.
        ready = self._ready(tree)

        def run() -> _Known:
            metadata = None if wheel else ready.metadata()
            if metadata is not None:
                check_promises(promises, name=metadata.name, version=metadata.version, title=tree.title)
            built = self._publish(tree, ready, promises) if wheel or ready.has_wheel else None
            if metadata is None:
                assert built is not None
                metadata = wheel_metadata(built)
            self._store.write_record(self._action("metadata", tree.identity), metadata_to_record(metadata))
            return _Known(metadata=metadata, wheel=built)

        return self._jobs.obtain(
            Job(
                kind="wheel",
                subject=self._action("wheel", tree.identity),
                title=f"{tree.title} ({'wheel' if wheel else 'metadata'})",
                permit="build",
                lookup=lambda: self._lookup(tree.identity, wheel=wheel),
                run=run,
                failing=ready.context,
            )
        )

    def _lookup(self, identity: str, *, wheel: bool) -> _Known | None:
        if found := self.find(identity):
            return _Known(metadata=wheel_metadata(found), wheel=found)
        record = None if wheel else self._store.read_record(self._action("metadata", identity))
        metadata = metadata_from_record(record) if record is not None else None
        return _Known(metadata=metadata, wheel=None) if metadata is not None else None

    def _publish(self, tree: SourceTree, ready: ReadyBuild, promises: Iterable[Promise]) -> UnpackedWheel:
        with self._store.staging("wheel") as output:
            built = ready.build(output)
            name, version, *_ = parse_wheel_filename(built.name)
            check_promises(promises, name=name, version=version, title=tree.title)
            unpacked = self._wheels.publish_built(built)
        record = {"wheel": unpacked.digest, "filename": unpacked.filename}
        self._store.write_record(self._action("wheel", tree.identity), record)
        return unpacked

    def _copy(self, tree: SourceTree) -> Path:
        return tree.copy_to(self._copies.enter_context(self._store.staging("build")))

    def _prepare(self, tree: SourceTree) -> ReadyBuild:
        project = self.copy(tree)
        pyproject = read_project(project, title=tree.title)
        title = build_title(pyproject, tree.title)
        ready = self._builder.prepare(project, pyproject=pyproject, title=title, editable=False, identity=tree.identity)
        return self._copies.enter_context(ready)

    def _action(self, what: str, identity: str) -> str:
        return f"{what} {identity}\n{self._context}"


def _build_context(interpreter: Interpreter, environ: Mapping[str, str]) -> str:
    python = f"{interpreter.implementation} {interpreter.version} {interpreter.tags[0]}"
    return f"{python}\n{variables_digest(environ)}"
