"""Wheel files to unpacked trees, once for everybody."""

import contextlib
import json
import os
import shutil
from bisect import bisect_left
from collections.abc import Callable, Iterable
from pathlib import Path

from miniuv.archive.intact import Condition, DamagedWheelError, examine, hash_file, looks_untouched
from miniuv.archive.manifest import MANIFEST, load_unpacked, write_manifest
from miniuv.cache.boot import DURABLE, boot_id, may_be_torn
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.errors import CacheError
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.core_metadata import parse_metadata
from miniuv.reporter import Reporter, activity
from miniuv.settings.options import WheelRule
from miniuv.values import replace
from miniuv.workers import Workers

_ATTEMPTS = 3


class Wheels:
    """Unpacked wheels in the cache, named by the wheel's own digest.

    Environments may share their files, so nothing is believed of an entry before it was looked at: ``find`` looks at
    what answers questions (METADATA), ``verify`` at everything, just before it is linked.
    """

    def __init__(
        self,
        *,
        store: Store,
        jobs: JobRunner,
        reporter: Reporter,
        workers: Workers | None = None,
        allowed: Iterable[WheelRule] = (),
    ) -> None:
        """``workers`` do what ``unpacking`` makes; ``allowed`` are rules that a wheel may break."""
        self._store = store
        self._allowed = frozenset(allowed)
        self._workers = workers
        self._jobs = jobs
        self._reporter = reporter
        self._settled: dict[Sha256, UnpackedWheel] = {}
        """Wheels that did not look as their manifest tells and are well, as they look now."""

    def find(self, digest: Sha256) -> UnpackedWheel | None:
        """The unpacked wheel, if it is in the cache; one that is damaged is dropped, and counts as missing.

        One that somebody else allowed to break a rule is missing too: whoever unpacks it anew is told of the rule.
        """
        entry = self._store.find("unpacked", digest)
        if entry is None:
            return None
        wheel = load_unpacked(entry)
        if wheel is None or wheel.digest != digest:
            self._store.discard("unpacked", digest)
            return None
        if not self._allowed.issuperset(wheel.waived):
            return None
        wheel = self._settled.get(digest, wheel)
        torn = may_be_torn(wheel.boot) and not self._store.is_verified("unpacked", digest)
        if not torn and looks_untouched(wheel, f"{wheel.dist_info}/METADATA"):
            return wheel
        return self._settle(wheel, content=torn)

    def holds(self, wheel: UnpackedWheel) -> bool:
        """Whether nobody has dropped ``wheel`` from the cache since it was found."""
        return self._store.holds(wheel.root.parent)

    def verify(self, wheels: Iterable[UnpackedWheel]) -> None:
        """Make sure that all are what was unpacked; raises ``DamagedWheelError`` when the damaged ones are dropped.

        Whoever asks for a dropped one again gets it made anew.
        """
        errors = []
        for wheel in wheels:
            condition = examine(self._settled.get(wheel.digest, wheel))
            if condition.damaged:
                self._drop(wheel, condition)
                errors.append(DamagedWheelError(wheel, condition.damaged))
            elif condition.drifted or condition.permissions:
                self._mend(wheel, condition, boot=wheel.boot)
        if errors:
            raise errors[0]

    def obtain(self, wheel: Path, *, filename: str, digest: Sha256) -> UnpackedWheel:
        """The unpacked form of a downloaded ``wheel``; raises ``ArchiveError`` before anything is published."""
        return self._jobs.obtain(
            Job(
                kind="unpack",
                subject=digest,
                title=f"{filename} (unpack)",
                permit="unpack",
                lookup=lambda: self.find(digest),
                run=lambda: self._unpack(wheel, filename=filename, digest=digest),
            )
        )

    def publish_built(self, wheel: Path) -> UnpackedWheel:
        """Unpack a ``wheel`` that was just built, within the job that built it: nothing is waited for."""
        digest = Sha256(hash_file(wheel))
        return self.find(digest) or self._unpack(wheel, filename=wheel.name, digest=digest)

    def _settle(self, wheel: UnpackedWheel, *, content: bool) -> UnpackedWheel | None:
        """Read what may have changed, everything if ``content``; note what was found, or drop the entry."""
        condition = examine(wheel, content=content)
        if condition.damaged:
            self._drop(wheel, condition)
            return None
        if content:
            self._store.mark_verified("unpacked", wheel.digest)
        return self._mend(wheel, condition, boot=DURABLE if content else wheel.boot)

    def _drop(self, wheel: UnpackedWheel, condition: Condition) -> None:
        self._settled.pop(wheel.digest, None)
        self._reporter.note(f"`{wheel.filename}` is made anew: `{condition.damaged[0]}` in the cache was changed")
        self._store.discard("unpacked", wheel.digest)

    def _mend(self, wheel: UnpackedWheel, condition: Condition, *, boot: str) -> UnpackedWheel:
        """Put permissions right, and write down what times the files have now, so that nobody reads them again.

        Files with wrong permissions are replaced by copies: an environment may share them, and is left as it is.
        A cache that cannot be written stays as it is; this run remembers.
        """
        now = {file.path: file for file in condition.drifted}
        boot = boot_id() if condition.permissions else boot  # copies made now may be torn later
        settled = replace(wheel, boot=boot, files=tuple(now.get(file.path, file) for file in wheel.files))
        self._settled[wheel.digest] = settled
        with contextlib.suppress(OSError, CacheError), self._store.staging("mend") as staged:
            for number, file in enumerate(condition.permissions):
                copy = staged / str(number)
                shutil.copyfile(wheel.root / file.path, copy)
                copy.chmod(0o755 if file.executable else 0o644)
                os.utime(copy, ns=(file.mtime_ns, file.mtime_ns))
                if hash_file(str(copy)) == file.sha256:  # else it was edited this moment, and is damage
                    copy.rename(wheel.root / file.path)
            write_manifest(settled, staged)
            (staged / MANIFEST).rename(wheel.root.parent / MANIFEST)
        return settled

    def _unpack(self, wheel: Path, *, filename: str, digest: Sha256) -> UnpackedWheel:
        with activity(self._reporter, "unpack", filename):
            for _ in range(_ATTEMPTS):
                with self._store.staging("unpack") as staged:
                    entry = staged / "entry"
                    entry.mkdir()
                    self._fill(entry, wheel, filename=filename, digest=digest)
                    published = self._store.publish(entry, "unpacked", digest)
                if (unpacked := self.find(digest)) is not None:  # somebody else's may have been there, and damaged
                    return unpacked
        raise CacheError(
            f"`{filename}` is damaged in the cache as often as it is unpacked",
            where=str(published),
            hint="check the disk, or choose another folder with `--cache-dir`",
        )

    def _fill(self, entry: Path, wheel: Path, *, filename: str, digest: Sha256) -> None:
        """Unpack into ``entry``, elsewhere if that is possible; what goes wrong there is found again here."""
        if self._workers is not None:
            request = {
                "path": str(wheel),
                "filename": filename,
                "digest": digest,
                "entry": str(entry),
                "allowed": sorted(self._allowed),
            }
            if self._workers.do(json.dumps(request).encode(), weight=wheel.stat().st_size):
                return
            shutil.rmtree(entry)
            entry.mkdir()
        _unpack_checked(wheel, filename=filename, digest=digest, entry=entry, allowed=self._allowed)


def unpacking() -> Callable[[bytes], None]:
    """What the workers do for ``Wheels``; here, so that only they need to import it."""
    import miniuv.archive.wheel  # noqa: F401  # now, and not with the first wheel

    def unpack(request: bytes) -> None:
        wanted = json.loads(request)
        _unpack_checked(
            Path(wanted["path"]),
            filename=wanted["filename"],
            digest=Sha256(wanted["digest"]),
            entry=Path(wanted["entry"]),
            allowed=frozenset(wanted["allowed"]),
        )

    return unpack


def _unpack_checked(
    path: Path, *, filename: str, digest: Sha256, entry: Path, allowed: frozenset[WheelRule]
) -> UnpackedWheel:
    """Unpack a wheel whose METADATA can be read: nobody shall find another one in the cache."""
    from miniuv.archive.wheel import unpack_wheel

    unpacked = unpack_wheel(path, filename=filename, digest=digest, entry=entry, allowed=allowed)
    wheel_metadata(unpacked)
    return unpacked


def metadata_digest(wheel: UnpackedWheel) -> str | None:
    """The SHA-256 of the METADATA of an unpacked wheel, without reading it."""
    path = f"{wheel.dist_info}/METADATA"
    place = bisect_left(wheel.files, path, key=lambda file: file.path)
    return next((file.sha256 for file in wheel.files[place : place + 1] if file.path == path), None)


def wheel_metadata(wheel: UnpackedWheel) -> CoreMetadata:
    """The core metadata of an unpacked wheel."""
    path = wheel.root / wheel.dist_info / "METADATA"
    return parse_metadata(path.read_bytes(), where=f"{wheel.filename}: {wheel.dist_info}/METADATA")
