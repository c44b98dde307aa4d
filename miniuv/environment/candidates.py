"""What a version request means, and where interpreters live on this machine."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter

if TYPE_CHECKING:
    from python_discovery import PythonSpec

_VERSION_REQUEST = re.compile(
    r"""(?:(?:c?python|py|pypy|graalpy|graalvm)\s*)?   # an implementation
        (?:\d[\d.]*t?(?:d|-dbg|-debug)?(?:-[\w.]+)*    # 3, 3.12, 3.12.1, 3.13t, 3.12-arm64
          |[=!~<>]{1,3}\s*\d.*)                        # >=3.10,<3.13
    """,
    re.VERBOSE,
)
_VERSION_IN_NAME = re.compile(r"(?:cpython-|python|pypy)?(\d+)\.(\d+)(?:\.(\d+))?")
_EXECUTABLES = ("bin/python", "bin/python3", "bin/pypy3", "install/bin/python")


def version_request(text: str) -> "PythonSpec | None":
    """Read ``3.12``, ``>=3.10``, ``pypy3.10``; ``None`` where ``text`` is a path or the name of a program."""
    if not _VERSION_REQUEST.fullmatch(text):
        return None
    from python_discovery import PythonSpec  # slow to import, and few name a version

    try:
        spec = PythonSpec.from_string_spec(text)
    except ValueError as error:
        raise TargetError(f"`{text}` is no version of Python: {error}") from error
    return spec if spec.path is None else None


def fits(interpreter: Interpreter, spec: "PythonSpec") -> bool:
    """Whether ``interpreter`` is what ``spec`` asks for."""
    from python_discovery import PythonSpec, normalize_isa

    _, abi, platform = interpreter.tags[0].split("-", 2)
    release = interpreter.version
    own = PythonSpec(
        str(release),
        interpreter.implementation,
        release.major,
        release.minor,
        release.micro,
        32 if platform.endswith(("i386", "i686", "armv7l", "armv8l")) else 64,
        None,
        free_threaded=abi.endswith("t"),
        machine=normalize_isa(interpreter.markers.get("platform_machine", "")),
    )
    return own.satisfies(spec)


def candidates(spec: "PythonSpec", environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the executables that may fit: on PATH, in the folders of version managers, the running one."""
    seen: set[str] = set()
    running = [Path(sys.executable)] if _may_fit("{}.{}.{}".format(*sys.version_info), spec) else []
    for executable in (*_on_path(spec, environ), *_managed(spec, environ), *running):
        real = os.path.realpath(executable)
        if real not in seen:
            seen.add(real)
            yield executable


def _on_path(spec: "PythonSpec", environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the executables on PATH whose names may fit, in its order; ``python`` before ``python3.12``."""
    pattern = spec.generate_re(windows=False)
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        # A relative entry would start what the working folder happens to hold.
        if os.path.isabs(entry):
            names = [name for name in _listing(Path(entry)) if pattern.fullmatch(name) and _may_fit(name, spec)]
            yield from (Path(entry, name) for name in sorted(names, key=len) if _is_program(Path(entry, name)))


def _managed(spec: "PythonSpec", environ: Mapping[str, str]) -> Iterator[Path]:
    for store in _stores(environ):
        for name in _listing(store):
            if not _may_fit(name, spec):
                continue
            programs = (store / name / executable for executable in _EXECUTABLES)
            yield from [program for program in programs if _is_program(program)][:1]


def _stores(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders whose entries are one installation each."""
    home = Path(environ.get("HOME") or Path.home())
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    yield Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    if own := environ.get("UV_PYTHON_INSTALL_DIR"):
        yield Path(own)
    else:
        yield data / "uv" / "python"
        yield home / "Library" / "Application Support" / "uv" / "python"
    yield Path(environ.get("ASDF_DATA_DIR") or home / ".asdf") / "installs" / "python"
    yield Path(environ.get("MISE_DATA_DIR") or data / "mise") / "installs" / "python"


def _may_fit(name: str, spec: "PythonSpec") -> bool:
    """Whether the version in a name leaves it possible; a name without one does."""
    from python_discovery import PythonSpec

    found = _VERSION_IN_NAME.match(name)
    if found is None:
        return True
    major, minor, micro = (None if part is None else int(part) for part in found.groups())
    own = PythonSpec(
        name,
        spec.implementation,
        major,
        minor,
        micro,
        spec.architecture,
        None,
        free_threaded=spec.free_threaded,
    )
    return own.satisfies(spec)


def _listing(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _is_program(path: Path) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)
