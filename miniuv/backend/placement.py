"""The files of wheels, to where a build environment has them."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from miniuv.archive.intact import DamagedWheelError
from miniuv.archive.scripts import read_entry_points, with_shebang
from miniuv.models.interpreter import Interpreter
from miniuv.models.wheel import UnpackedWheel, WheelFile

_CHUNK = 1 << 20


def site_packages(interpreter: Interpreter) -> PurePosixPath:
    """The folder below the prefix of a virtual environment that ``interpreter`` imports from."""
    if interpreter.implementation == "pypy":
        return PurePosixPath("lib", f"pypy{interpreter.python}", "site-packages")
    threaded = "t" if _abi(interpreter).endswith("t") else ""
    return PurePosixPath("lib", f"python{interpreter.python}{threaded}", "site-packages")


def place_wheel(wheel: UnpackedWheel, *, root: Path, interpreter: Interpreter, python: Path) -> None:
    """Put the files of ``wheel`` under ``root`` and make its scripts, which will be run by ``python``.

    Files are copied, never hard-linked: target environments share the inodes of unpacked wheels, and what
    somebody edits there must not reach a build. Each is checked against the manifest on the way; raises
    ``DamagedWheelError``.
    """
    modules = site_packages(interpreter)
    schemes = {
        "purelib": modules,
        "platlib": modules,
        "scripts": PurePosixPath("bin"),
        "data": PurePosixPath(),
        "headers": PurePosixPath("include", "site", f"python{interpreter.python}", wheel.filename.partition("-")[0]),
    }
    for file in wheel.files:
        target, scheme = _target(file.path, modules, schemes)
        place = root / target
        place.parent.mkdir(parents=True, exist_ok=True)
        # Two wheels may bring one file (a namespace's `__init__.py`): the later one has it, as in pip.
        place.unlink(missing_ok=True)
        _copy(wheel, file, place)
        if scheme == "scripts":
            if (content := with_shebang(place.read_bytes(), python)) is not None:
                place.write_bytes(content)
            place.chmod(0o755)
    listed = root / modules / wheel.dist_info / "entry_points.txt"
    for entry in read_entry_points(listed.read_bytes(), where=wheel.filename) if listed.is_file() else ():
        place = root / "bin" / entry.name
        place.unlink(missing_ok=True)
        place.write_bytes(entry.script(python))
        place.chmod(0o755)


def _abi(interpreter: Interpreter) -> str:
    return interpreter.tags[0].split("-")[1] if interpreter.tags else ""


def _target(path: str, modules: PurePosixPath, schemes: Mapping[str, PurePosixPath]) -> tuple[PurePosixPath, str]:
    top, _, rest = path.partition("/")
    if not top.endswith(".data"):
        return modules / path, "modules"
    scheme, _, inside = rest.partition("/")
    return schemes[scheme] / inside, scheme


def _copy(wheel: UnpackedWheel, file: WheelFile, place: Path) -> None:
    digest = hashlib.sha256()
    try:
        source = (wheel.root / file.path).open("rb")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise DamagedWheelError(wheel, (file.path,)) from error
    with source, place.open("xb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        os.fchmod(target.fileno(), 0o755 if file.executable else 0o644)
    if digest.hexdigest() != file.sha256:
        raise DamagedWheelError(wheel, (file.path,))
