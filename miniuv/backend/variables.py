"""The variables that a backend sees."""

import os
from collections.abc import Mapping
from pathlib import Path

_GIT_LOCATION = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
)  # fmt: skip


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
