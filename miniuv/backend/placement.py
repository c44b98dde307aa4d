"""The files of wheels, to where a build environment has them."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

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
        "purelib": str(modules),
        "platlib": str(modules),
        "scripts": "bin",
        "data": ".",
        "headers": f"include/site/python{interpreter.python}/{wheel.filename.partition('-')[0]}",
    }
    made: set[str] = set()
    for file in wheel.files:  # hundreds of them: their paths stay text
        target, scheme = _target(file.path, schemes)
        place = f"{root}/{target}"
        folder = place.rpartition("/")[0]
        if folder not in made:
            os.makedirs(folder, exist_ok=True)
            made.add(folder)
        _copy(wheel, file, place)
        if scheme == "scripts":
            script = Path(place)
            if (content := with_shebang(script.read_bytes(), python)) is not None:
                script.write_bytes(content)
            script.chmod(0o755)
    listed = root / modules / wheel.dist_info / "entry_points.txt"
    for entry in read_entry_points(listed.read_bytes(), where=wheel.filename) if listed.is_file() else ():
        script = root / "bin" / entry.name
        script.unlink(missing_ok=True)
        script.write_bytes(entry.script(python))
        script.chmod(0o755)


def _abi(interpreter: Interpreter) -> str:
    return interpreter.tags[0].split("-")[1] if interpreter.tags else ""


def _target(path: str, schemes: Mapping[str, str]) -> tuple[str, str]:
    top, _, rest = path.partition("/")
    if not top.endswith(".data"):
        return f"{schemes['purelib']}/{path}", "modules"
    scheme, _, inside = rest.partition("/")
    return f"{schemes[scheme]}/{inside}", scheme


def _copy(wheel: UnpackedWheel, file: WheelFile, place: str) -> None:
    digest = hashlib.sha256()
    try:
        source = open(f"{wheel.root}/{file.path}", "rb", buffering=0)  # noqa: SIM115  # closed below
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise DamagedWheelError(wheel, (file.path,)) from error
    with source, _fresh_file(place) as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        os.fchmod(target.fileno(), 0o755 if file.executable else 0o644)
    if digest.hexdigest() != file.sha256:
        raise DamagedWheelError(wheel, (file.path,))


def _fresh_file(place: str) -> IO[bytes]:
    try:
        return open(place, "xb")
    except FileExistsError:
        # Two wheels may bring one file (a namespace's `__init__.py`): the later one has it, as in pip.
        os.unlink(place)
        return open(place, "xb")
