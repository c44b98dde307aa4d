"""Projects that need nothing to be built besides ``build-system.requires``, known without asking their backend.

What setuptools answers to ``get_requires_for_build_wheel`` is what reaches ``Distribution.fetch_build_eggs``: the
``setup_requires`` of setup.py and of setup.cfg, and what a plug-in asks for. Where there is none of that, the answer is
empty, and a run of the hook, which reads the whole project and throws away what it read, is saved. The wheel is the
same: building it does all of that anew. Whatever is not understood is asked.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename
from packaging.version import Version

from miniuv.backend.setup_script import is_plain
from miniuv.models.wheel import UnpackedWheel

_BACKEND = "setuptools.build_meta"
"""Not the legacy one, which may import what lies in the project's folder."""
_FIRST, _BEYOND = Version("70.1"), Version("85")
"""Looked at: 70.1, 75.8, 78.1, 80.9, 82.0 and 84.2. Since the first one, setuptools needs no ``wheel`` to make one."""
_STEERING_VARIABLES = ("DIST_EXTRA_CONFIG", "SETUPTOOLS_USE_DISTUTILS")
_PERSONAL_SETTINGS = ".pydistutils.cfg"
_TELLING = {
    "pyproject.toml": (b"cmdclass",),
    "setup.cfg": (b"alias", b"cmdclass", b"setup-requires", b"setup_requires"),
}
"""What must not be in these files, in whatever case: requirements, and what puts commands in the place of others."""
_LARGEST_FILE = 1 << 18
"""Bytes; what is larger is asked."""


def needs_nothing(
    folder: Path, backend: str, *, present: Sequence[UnpackedWheel], environment: Mapping[str, str]
) -> bool:
    """Whether ``get_requires_for_build_wheel`` of the project in ``folder`` is sure to be empty.

    ``present`` is all that the build environment holds, ``environment`` the variables of the hook, which gets no
    configuration settings.
    """
    if backend != _BACKEND or not _is_setuptools_alone(present):
        return False
    home = environment.get("HOME")
    if any(name in environment for name in _STEERING_VARIABLES) or not home:
        return False
    try:
        if os.path.lexists(os.path.join(home, _PERSONAL_SETTINGS)):
            return False
        for name, words in _TELLING.items():
            text = _content(folder / name).lower()
            if any(word in text for word in words):
                return False
        script = _content(folder / "setup.py")
    except (OSError, ValueError):
        return False
    return not script or is_plain(script)


def _is_setuptools_alone(wheels: Sequence[UnpackedWheel]) -> bool:
    versions = {str(name): version for name, version, *_ in (parse_wheel_filename(wheel.filename) for wheel in wheels)}
    return versions.keys() <= {"setuptools", "wheel"} and _FIRST <= versions.get("setuptools", _BEYOND) < _BEYOND


def _content(path: Path) -> bytes:
    """All of a file, nothing where there is none; raises ``ValueError`` where it is large."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except FileNotFoundError:
        return b""
    if len(data) > _LARGEST_FILE:
        raise ValueError(path.name)
    return data
