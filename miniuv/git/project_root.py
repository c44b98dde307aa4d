"""The project's folder within a checkout."""

import os
from pathlib import Path

from miniuv.errors import GitError

_PROJECT_FILES = ("pyproject.toml", "setup.py")
_LISTED = 12


def project_root(checkout: Path, subdirectory: str | None, *, where: str | None = None) -> Path:
    """Return the folder that ``subdirectory`` names; raises ``GitError`` where it is missing or leads out."""
    if subdirectory is None:
        return checkout
    folder = checkout / subdirectory
    if not folder.resolve().is_relative_to(checkout.resolve()):
        raise GitError(f"the subdirectory `{subdirectory}` leads out of the repository", where=where)
    if not folder.is_dir():
        projects = _projects(checkout)
        listed = ", ".join(f"`{project}`" for project in projects[:_LISTED])
        hint = f"projects are in {listed}" if projects else "there is no project in it at all"
        raise GitError(f"there is no folder `{subdirectory}` in the repository", where=where, hint=hint)
    return folder


def _projects(checkout: Path) -> list[str]:
    found = []
    for folder, subfolders, files in os.walk(checkout):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if any(name in files for name in _PROJECT_FILES):
            found.append(Path(folder).relative_to(checkout).as_posix())
    return sorted(found)
