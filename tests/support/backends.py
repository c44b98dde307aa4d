"""Projects to build, and somebody who provides what their backends need."""

import hashlib
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from miniuv.archive.wheel import load_unpacked, read_wheel_metadata, unpack_wheel
from miniuv.backend.builder import ReadyBuild
from miniuv.cache.jobs import Job, JobRunner
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.core_metadata import parse_metadata
from tests.support.wheels import make_wheel

TINY_BACKEND = '''
"""A whole build backend: one module, no requirements."""
import zipfile

NAME, VERSION = "tiny", "1.0"
INFO = f"{NAME}-{VERSION}.dist-info"
METADATA = f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\nRequires-Dist: other>=2\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(f"{wheel_directory}/{name}", "w") as archive:
        archive.writestr(f"{NAME}.py", "x = 1\\n")
        archive.writestr(f"{INFO}/METADATA", METADATA)
        archive.writestr(f"{INFO}/WHEEL", WHEEL)
        archive.writestr(f"{INFO}/RECORD", "")
    return name


build_editable = build_wheel
'''


def make_project(folder: Path, files: dict[str, str]) -> Path:
    """Write ``files`` (indented as the caller's code is) below ``folder``."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), encoding="utf-8")
    return folder


def make_tiny_project(folder: Path, backend: str = "", *, build_system: str = "", project: str = "") -> Path:
    """A project with an in-tree backend: ``TINY_BACKEND`` with the code ``backend`` at its end."""
    table = build_system or 'requires = []\nbuild-backend = "tiny_backend"\nbackend-path = ["backend"]\n'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(f"[build-system]\n{table}\n{project}", encoding="utf-8")
    (folder / "backend").mkdir(exist_ok=True)
    (folder / "backend" / "tiny_backend.py").write_text(TINY_BACKEND + textwrap.dedent(backend), encoding="utf-8")
    return folder


RUNNER = """
def runner():
    import os
    with open(f"/proc/{os.getppid()}/cmdline") as file:
        return "warm" if "_warm_runner.py" in file.read() else "plain"
"""


def completed(ready: ReadyBuild, *, jobs: JobRunner, folder: Path) -> ReadyBuild:
    """Have the backend say what else it needs, under the lock of the source tree ``folder``, and provide it."""
    asking = Job[bool](
        kind="wheel",
        subject=f"asking {folder}",
        title="asking",
        permit="build",
        lookup=lambda: None,
        run=ready.lacks,
        source_tree=folder,
    )
    if jobs.obtain(asking):
        ready.provide()
    return ready


def make_installed_backend(base: Path, code: str, **files: str) -> "FolderProvisioner":
    """A provisioner of ``TINY_BACKEND`` with ``code`` at its end, as a distribution that is to be installed."""
    modules = {"tiny_backend.py": TINY_BACKEND + RUNNER + textwrap.dedent(code)}
    modules |= {f"{name}.py": textwrap.dedent(text) for name, text in files.items()}
    entry_points = {"tiny.group": {"tiny": "tiny_backend:build_wheel"}}
    make_wheel(base / "backend-wheels", "tiny-backend", "1.0", modules, entry_points=entry_points)
    return FolderProvisioner(base / "backend-wheels", base / "backend-unpacked")


def make_backed_project(folder: Path, **files: str) -> Path:
    table = '[build-system]\nrequires = ["tiny-backend"]\nbuild-backend = "tiny_backend"\n'
    return make_project(folder, {"pyproject.toml": table} | files)


class FolderProvisioner:
    """Provides from a folder of wheels: for each name the newest that the first who asks for it allows."""

    def __init__(self, wheels: Path, unpacked: Path) -> None:
        self._wheels = wheels
        self._unpacked = unpacked
        self._guard = threading.Lock()
        self.asked: list[tuple[str, ...]] = []

    def provide(self, requirements: Sequence[str], *, interpreter: Interpreter) -> tuple[UnpackedWheel, ...]:
        """See ``Provisioner.provide``."""
        self.asked.append(tuple(requirements))
        chosen: dict[str, Path] = {}
        pending = [Requirement(text) for text in requirements]
        while pending:
            requirement = pending.pop(0)
            marker = requirement.marker
            name = canonicalize_name(requirement.name)
            if name in chosen or (marker and not marker.evaluate({**interpreter.markers, "extra": ""})):
                continue
            chosen[name] = self._newest(requirement)
            metadata = parse_metadata(read_wheel_metadata(chosen[name]), where=chosen[name].name)
            pending += [Requirement(text) for text in metadata.requires_dist]
        with self._guard:
            return tuple(self._unpack(wheel) for wheel in chosen.values())

    def _newest(self, requirement: Requirement) -> Path:
        fitting = [
            (version, path)
            for path in self._wheels.glob("*.whl")
            for name, version, _, _ in [parse_wheel_filename(path.name)]
            if name == canonicalize_name(requirement.name) and requirement.specifier.contains(version, prereleases=True)
        ]
        assert fitting, f"no wheel for {requirement} in {self._wheels}"
        return max(fitting)[1]

    def _unpack(self, wheel: Path) -> UnpackedWheel:
        digest = Sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())
        entry = self._unpacked / digest
        if (known := load_unpacked(entry)) is not None:
            return known
        entry.mkdir(parents=True)
        return unpack_wheel(wheel, filename=wheel.name, digest=digest, entry=entry)
