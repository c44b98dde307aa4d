"""Project folders on this machine, editable or not."""

from miniuv.backend.builder import Builder
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import DirectorySource
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.pyproject import Pyproject, static_metadata
from miniuv.sources.folder import build_title, read_project
from miniuv.sources.once import Once
from miniuv.sources.reuse import Reuse
from miniuv.sources.wheels import Wheels, wheel_metadata


class Directories:
    """The ``Source`` of ``DirectorySource``.

    A folder is built in place, one build at a time per folder on this machine: backends write into the tree
    (``egg-info``, ``build``). It is not built where it is proved that the wheel of an earlier build is what a build
    would bring.
    """

    def __init__(self, *, store: Store, jobs: JobRunner, builder: Builder, wheels: Wheels, reuse: Reuse) -> None:
        self._store = store
        self._jobs = jobs
        self._builder = builder
        self._wheels = wheels
        self._reuse = reuse
        self._project = Once(_read)
        self.metadata = Once(self._metadata, check_free=jobs.check_free)
        self.wheel = Once(self._wheel, holds=wheels.holds, check_free=jobs.check_free)

    def evidence(self, pinned: DirectorySource) -> tuple[str, ...] | None:
        """What this run's wheel of ``pinned`` rests on, as lines of ``miniuv.stamps``.

        As long as all of them hold, and command, settings and variables are the same, the wheel is what a build would
        bring. ``None`` where there is no such proof.
        """
        return self._reuse.evidence(pinned)

    def _metadata(self, pinned: DirectorySource) -> CoreMetadata:
        # Where the metadata is dynamic, the wheel is built at once: it is needed anyway, and one run of the
        # backend less.
        return static_metadata(self._project(pinned)) or wheel_metadata(self.wheel(pinned))

    def _wheel(self, pinned: DirectorySource) -> UnpackedWheel:
        pyproject = self._project(pinned)
        attempt = self._reuse.attempt(pinned, pyproject)
        if (proven := attempt.find()) is not None:
            return proven
        title = build_title(pyproject, str(pinned))
        ready = self._builder.prepare(
            pinned.path, pyproject=pyproject, title=title, editable=pinned.editable, trace=attempt.refusal is None
        )

        def run() -> UnpackedWheel | None:
            if ready.lacks():
                return None
            with self._store.staging("wheel") as output:
                wheel = self._wheels.publish_built(ready.build(output))
            attempt.keep(wheel, ready)
            return wheel

        # Asked and built under one lock: whoever waits for it finds the wheel, and has nothing to ask any more.
        while True:
            wheel = self._jobs.obtain(
                Job(
                    kind="wheel",
                    subject=f"{pinned.path} {'editable' if pinned.editable else 'plain'}",
                    title=title,
                    permit="build",
                    lookup=attempt.find,  # whoever waited may find that there is nothing left to do
                    run=run,
                    source_tree=pinned.path,
                    failing=ready.context,
                )
            )
            if wheel is not None:
                return wheel
            ready.provide()


def _read(pinned: DirectorySource) -> Pyproject:
    return read_project(pinned.path, title=str(pinned.path))
