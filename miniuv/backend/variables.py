"""The variables that a backend sees."""

import os
from collections.abc import Mapping
from pathlib import Path

from miniuv.cache.lock_keys import text_digest

_GIT_LOCATION = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
)  # fmt: skip
_RELEVANT_VARIABLES = (
    "ARCHFLAGS", "CC", "CFLAGS", "CPPFLAGS", "CXX", "CXXFLAGS", "LDFLAGS", "MACOSX_DEPLOYMENT_TARGET",
    "MAKEFLAGS", "PKG_CONFIG_PATH", "SOURCE_DATE_EPOCH",
)  # fmt: skip
_RELEVANT_PREFIXES = ("HATCH_", "PBR_", "PDM_BUILD_", "POETRY_", "SETUPTOOLS_", "SKBUILD_")

_INCIDENTAL = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "TERM", "COLUMNS", "LINES", "TMPDIR", "VIRTUAL_ENV"})


def hook_environment(environ: Mapping[str, str], prefix: Path) -> dict[str, str]:
    """The user's ``environ``, turned to the build environment ``prefix``.

    Nothing that steers the outer Python gets in (``PYTHONPATH`` and its kin), and nothing that would point git
    to another repository than the one that is built, as in a git hook.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("PYTHON") and name != "__PYVENV_LAUNCHER__" and name not in _GIT_LOCATION
    }
    return kept | {
        "PATH": os.pathsep.join((str(prefix / "bin"), environ.get("PATH") or os.defpath)),
        "VIRTUAL_ENV": str(prefix),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # the environment is shared, and the tree may be the user's
        "PYTHONIOENCODING": "utf-8:backslashreplace",
        "PYTHONUNBUFFERED": "1",  # so that the log has everything when a backend is killed
    }


def whole_environment_digest(environ: Mapping[str, str]) -> str:
    """Stand for all variables that a backend sees: any may be put into a wheel, so another value is another build.

    Left out are those that tell where and in which terminal a command was typed, and those that every hook gets anew.
    """
    seen = {**hook_environment(environ, Path("/")), "PATH": environ.get("PATH") or os.defpath}
    counting = sorted((name, value) for name, value in seen.items() if name not in _INCIDENTAL)
    return text_digest(repr(counting))


def variables_digest(environ: Mapping[str, str]) -> str:
    """Stand for the variables that builds are known to read: another digest, another build.

    A digest and not the values, for there are passwords among them.
    """
    relevant = sorted(
        (name, value)
        for name, value in environ.items()
        if name in _RELEVANT_VARIABLES or name.startswith(_RELEVANT_PREFIXES)
    )
    return text_digest(repr(relevant))[:32] if relevant else ""
