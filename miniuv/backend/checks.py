"""What must hold before a backend runs, and of what it answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from miniuv.archive.member import shown
from miniuv.archive.path_file import EXECUTED, path_lines
from miniuv.archive.zip_file import open_zip
from miniuv.errors import BackendError, ProjectError
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.pyproject import Pyproject

_PATH_FILE_BYTES = 1 << 20


def check_backend_path(folder: Path, pyproject: Pyproject) -> None:
    """PEP 517: in-tree backend folders must exist, and lie in the project once links are followed."""
    root = folder.resolve()
    for entry in pyproject.build_system.backend_path:
        place = (folder / entry).resolve()
        if not place.is_relative_to(root):
            raise ProjectError(f"`backend-path` entry `{entry}` leads out of the project", where=pyproject.where)
        if not place.is_dir():
            raise ProjectError(f"`backend-path` entry `{entry}` is no folder of the project", where=pyproject.where)


def unmet(texts: Iterable[str], wheels: Sequence[UnpackedWheel], interpreter: Interpreter, title: str) -> list[str]:
    """Those of the backend's further requirements that ``wheels`` do not satisfy already."""
    versions = dict(parse_wheel_filename(wheel.filename)[:2] for wheel in wheels)
    return [text for text in texts if not _is_met(text, versions, interpreter, title)]


def check_built_wheel(filename: str, pyproject: Pyproject, interpreter: Interpreter, title: str) -> None:
    """The name must be a wheel's, of this project, and of a kind that the target can use."""
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise BackendError(f"the backend built `{filename}`, which is no name of a wheel", where=title) from error
    if pyproject.name is not None and canonicalize_name(pyproject.name) != name:
        raise BackendError(f"the backend built `{filename}` for a project named `{pyproject.name}`", where=title)
    if pyproject.version is not None and pyproject.version != version:
        raise BackendError(f"the backend built `{filename}` for version {pyproject.version}", where=title)
    if frozenset(interpreter.tags).isdisjoint(map(str, tags)):
        raise BackendError(
            f"the backend built `{filename}`, which does not fit {interpreter.implementation} {interpreter.version}",
            where=title,
            hint="look for variables that steer the platform of builds, such as `_PYTHON_HOST_PLATFORM`",
        )


def check_same_metadata(prepared: CoreMetadata, filename: str, title: str) -> None:
    """PEP 517: the metadata of the wheel must be what was prepared; of its requirements backends differ too often."""
    name, version, *_ = parse_wheel_filename(filename)
    if (name, version) != (prepared.name, prepared.version):
        raise BackendError(
            f"the backend built `{filename}`, and prepared the metadata of `{prepared.name} {prepared.version}`",
            where=title,
            hint="this is a defect of the backend, or its version depends on the time of day",
        )


def check_editable_paths(wheel: Path, title: str) -> None:
    """An editable wheel's path files must lead somewhere, else nothing of the project can be imported."""
    folders: list[str] = []
    with open_zip(wheel, where=title) as archive:
        for info in archive.infolist():
            if info.filename.endswith(".pth") and info.file_size <= _PATH_FILE_BYTES:
                folders += path_lines(archive.read(info))
    # `site` passes over what is not there.
    if folders and not any(line.startswith(EXECUTED) or _exists(line) for line in folders):
        raise BackendError(
            f"the editable wheel leads to {shown(folders[0])}, which is not there",
            where=title,
            hint="make the folder, or correct where the project's settings say that its packages are",
        )


def _exists(line: str) -> bool:
    try:
        return not line.startswith("/") or Path(line).exists()
    except (OSError, ValueError):
        return False


def _is_met(text: str, versions: dict[str, Version], interpreter: Interpreter, title: str) -> bool:
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise BackendError(f"the backend asks for `{text}`, which is no requirement: {error}", where=title) from error
    if requirement.marker is not None and not requirement.marker.evaluate({**interpreter.markers, "extra": ""}):
        return True
    if requirement.extras or requirement.url:
        return False
    version = versions.get(canonicalize_name(requirement.name))
    return version is not None and requirement.specifier.contains(version, prereleases=True)
