"""Wheel files to unpacked trees, once for everybody."""

import hashlib
from pathlib import Path

from miniuv.archive.wheel import load_unpacked, unpack_wheel
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.core_metadata import parse_metadata
from miniuv.reporter import Reporter, activity


class Wheels:
    """Unpacked wheels in the cache, named by the wheel's own digest."""

    def __init__(self, *, store: Store, jobs: JobRunner, reporter: Reporter) -> None:
        self._store = store
        self._jobs = jobs
        self._reporter = reporter

    def find(self, digest: Sha256) -> UnpackedWheel | None:
        """The unpacked wheel, if it is in the cache."""
        entry = self._store.find("unpacked", digest)
        return load_unpacked(entry) if entry is not None else None

    def obtain(self, wheel: Path, *, filename: str, digest: Sha256) -> UnpackedWheel:
        """The unpacked form of a downloaded ``wheel``; raises ``ArchiveError`` before anything is published."""
        return self._jobs.obtain(
            Job(
                kind="unpack",
                subject=digest,
                title=f"{filename} (unpack)",
                permit="free",
                lookup=lambda: self.find(digest),
                run=lambda: self._unpack(wheel, filename=filename, digest=digest),
            )
        )

    def publish_built(self, wheel: Path) -> UnpackedWheel:
        """Unpack a ``wheel`` that was just built, within the job that built it: nothing is waited for."""
        with wheel.open("rb") as file:
            digest = Sha256(hashlib.file_digest(file, "sha256").hexdigest())
        return self.find(digest) or self._unpack(wheel, filename=wheel.name, digest=digest)

    def _unpack(self, wheel: Path, *, filename: str, digest: Sha256) -> UnpackedWheel:
        with activity(self._reporter, "unpack", filename), self._store.staging("unpack") as staged:
            entry = staged / "entry"
            entry.mkdir()
            unpack_wheel(wheel, filename=filename, digest=digest, entry=entry)
            published = self._store.publish(entry, "unpacked", digest)
        unpacked = load_unpacked(published)
        assert unpacked is not None
        return unpacked


def wheel_metadata(wheel: UnpackedWheel) -> CoreMetadata:
    """The core metadata of an unpacked wheel."""
    path = wheel.root / wheel.dist_info / "METADATA"
    return parse_metadata(path.read_bytes(), where=f"{wheel.filename}: {wheel.dist_info}/METADATA")
