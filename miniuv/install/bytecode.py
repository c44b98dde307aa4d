"""Compiled modules of wheels, kept in the cache: they are the same in every environment of one interpreter.

Python looks for the time and size of the source in a ``.pyc``, and those are the cached wheel's own; the path that it
names is put right when it is imported.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from miniuv.archive.intact import examine, hash_file
from miniuv.archive.manifest import MANIFEST, TREE, load_unpacked, write_manifest
from miniuv.cache.boot import DURABLE, boot_id, may_be_torn
from miniuv.cache.jobs import Job, JobRunner
from miniuv.cache.store import Store
from miniuv.cache.trouble import is_out_of_space
from miniuv.errors import CacheError
from miniuv.install.compile import NOT_TRIED, Module, compile_modules
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel, WheelFile
from miniuv.process import Runner
from miniuv.reporter import Reporter
from miniuv.values import replace

_FORMAT = 1


class Bytecode:
    """For one interpreter."""

    def __init__(
        self, *, store: Store, jobs: JobRunner, interpreter: Interpreter, runner: Runner, reporter: Reporter
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._interpreter = interpreter
        self._runner = runner
        self._reporter = reporter

    def of(self, wheels: Iterable[UnpackedWheel]) -> dict[str, str]:
        """The ``.pyc`` in the cache for each module of ``wheels``, by the module's path in the cache.

        What is missing is compiled first, once for all who need the same. A module that cannot be compiled is left
        out, and nothing is said of it.
        """
        wanted = {self._key(wheel): wheel for wheel in wheels if _modules(wheel)}
        found = self._obtain(wanted)
        return {
            source: f"{entry.root}/{path}"
            for key, entry in found.items()
            for source, path in _pairs(wanted[key], entry, self._interpreter)
        }

    def _obtain(self, wanted: dict[str, UnpackedWheel]) -> dict[str, UnpackedWheel]:
        """The entries of ``wanted``. One job for all: an interpreter's start costs as much as a small wheel."""
        found: dict[str, UnpackedWheel] = {}

        def look() -> dict[str, UnpackedWheel] | None:
            for key in wanted:
                if key not in found and (entry := self._find(key)) is not None:
                    found[key] = entry
            return found if len(found) == len(wanted) else None

        def run() -> dict[str, UnpackedWheel]:
            self._compile({key: wheel for key, wheel in wanted.items() if key not in found})
            look()
            return found

        return self._jobs.obtain(
            Job(
                kind="bytecode",
                subject="\n".join(sorted(wanted)),
                title=f"compiled modules of {len(wanted)} wheels",
                permit="free",
                lookup=look,
                run=run,
            )
        )

    def _find(self, key: str) -> UnpackedWheel | None:
        place = self._store.find("bytecode", key)
        if place is None:
            return None
        entry = load_unpacked(place)
        torn = entry is not None and may_be_torn(entry.boot) and not self._store.is_verified("bytecode", key)
        if entry is None or entry.digest != key.partition("-")[0] or examine(entry, content=torn).damaged:
            self._store.discard("bytecode", key)
            return None
        if torn:
            self._store.mark_verified("bytecode", key)
            with contextlib.suppress(OSError, CacheError), self._store.staging("mend") as staged:
                write_manifest(replace(entry, boot=DURABLE), staged)
                (staged / MANIFEST).rename(place / MANIFEST)
        return entry

    def _compile(self, missing: dict[str, UnpackedWheel]) -> None:
        try:
            self._compile_into_cache(missing)
        except CacheError as error:
            if not is_out_of_space(error):
                raise

    def _compile_into_cache(self, missing: dict[str, UnpackedWheel]) -> None:
        with self._store.staging("compile") as staged:
            modules = [
                Module(source=f"{wheel.root}/{file.path}", final=file.path, place=f"{staged}/{key}/{TREE}/{file.path}")
                for key, wheel in missing.items()
                for file in _modules(wheel)
            ]
            failures = compile_modules(self._interpreter, modules, runner=self._runner, reporter=self._reporter)
            for key, wheel in missing.items():
                reasons = (failures.get(f"{wheel.root}/{file.path}", "") for file in _modules(wheel))
                if any(reason.startswith(NOT_TRIED) for reason in reasons):
                    continue
                entry = staged / key
                # Tells people whose modules these are.
                (entry / TREE / wheel.dist_info).mkdir(parents=True, exist_ok=True)
                paths = (self._interpreter.compiled_path(file.path) for file in _modules(wheel))
                files = tuple(_rows(entry / TREE, sorted(paths)))
                write_manifest(replace(wheel, root=entry / TREE, files=files, boot=boot_id()), entry)
                self._store.publish(entry, "bytecode", key)

    def _key(self, wheel: UnpackedWheel) -> str:
        interpreter = self._interpreter
        facts = [
            _FORMAT,
            [interpreter.implementation, str(interpreter.version), interpreter.cache_tag],
            str(interpreter.real_executable),
            [[file.path, file.size, file.mtime_ns // 10**9] for file in _modules(wheel)],
        ]
        return f"{wheel.digest}-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}"


def _modules(wheel: UnpackedWheel) -> Sequence[WheelFile]:
    """Those that lie in a wheel as they will in an environment."""
    data = f"{wheel.dist_info.removesuffix('.dist-info')}.data/"
    return [file for file in wheel.files if file.path.endswith(".py") and not file.path.startswith(data)]


def _pairs(wheel: UnpackedWheel, entry: UnpackedWheel, interpreter: Interpreter) -> Iterator[tuple[str, str]]:
    compiled = {file.path for file in entry.files}
    for file in _modules(wheel):
        if (path := interpreter.compiled_path(file.path)) in compiled:
            yield f"{wheel.root}/{file.path}", path


def _rows(tree: Path, paths: Iterable[str]) -> Iterator[WheelFile]:
    for path in paths:
        full = f"{tree}/{path}"
        try:
            os.chmod(full, 0o644)
        except FileNotFoundError:  # it could not be compiled
            continue
        facts = os.stat(full)
        digest = Sha256(hash_file(full))
        yield WheelFile(path=path, size=facts.st_size, sha256=digest, executable=False, mtime_ns=facts.st_mtime_ns)
