"""The project's folder within a checkout."""

import os
from pathlib import Path

from miniuv.errors import GitError

_PROJECT_FILES = ("pyproject.toml", "setup.py")
_LISTED = 12


def project_root(checkout: Path, subdirectory: str | None, *, where: str | None = None) -> Path:
    """Return the folder that ``subdirectory`` names, by default the top.

    Raises ``GitError`` where it is missing, it or a project file in it leads out, or it holds no project; ``where``
    names the requirement.
    """
    folder = checkout / (subdirectory or "")
    top = checkout.resolve()
    if not _inside(folder, top):
        raise GitError(f"`{subdirectory}` leads out of the repository", where=where, hint=_hint(checkout))
    if not folder.is_dir():
        raise GitError(f"there is no folder `{subdirectory}` in the repository", where=where, hint=_hint(checkout))
    if not any((folder / name).is_file() for name in _PROJECT_FILES):
        place = f"in `{subdirectory}`" if subdirectory else "at the top of the repository"
        raise GitError(f"there is neither `pyproject.toml` nor `setup.py` {place}", where=where, hint=_hint(checkout))
    for name in _PROJECT_FILES:
        if not _inside(folder / name, top):
            place = f"{subdirectory}/{name}" if subdirectory else name
            raise GitError(f"`{place}` leads out of the repository", where=where, hint="tell its author")
    return folder


def _inside(path: Path, top: Path) -> bool:
    try:
        return path.resolve().is_relative_to(top)
    except (OSError, RuntimeError):  # links that lead to each other
        return False


def _hint(checkout: Path) -> str:
    projects = _projects(checkout)
    listed = ", ".join("its top" if project == "." else f"`{project}`" for project in projects[:_LISTED])
    if not projects:
        return "there is no project in it at all: check the address, and the branch, tag or commit"
    return f"projects are in {listed}: name one with `#subdirectory=`"


def _projects(checkout: Path) -> list[str]:
    found = []
    for folder, subfolders, files in os.walk(checkout):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        if any(name in files for name in _PROJECT_FILES):
            found.append(Path(folder).relative_to(checkout).as_posix())
    return sorted(found)
