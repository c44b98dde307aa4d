"""A folder that is expected to hold a project."""

from pathlib import Path

from miniuv.errors import ProjectError
from miniuv.project.pyproject import Pyproject, read_pyproject


def read_project(folder: Path, *, title: str) -> Pyproject:
    """What the project in ``folder`` says of itself; raises ``ProjectError`` where there is none.

    ``title`` is what people know it by: where that is not its path, the folder is one of ours, and never shown.
    """
    ours = title != str(folder)
    if not folder.is_dir():
        raise ProjectError(
            f"there is no folder `{folder}`" if not folder.exists() else f"`{folder}` is no folder",
            where=title,
            hint="check the path, or restore the folder",
        )
    pyproject = read_pyproject(folder, shown=title if ours else None)
    if pyproject is None:
        raise ProjectError(
            "it is no Python project: it has neither `pyproject.toml` nor `setup.py`",
            where=title,
            hint="a project in a sub-folder needs `#subdirectory=`" if ours else "check the path",
        )
    return pyproject


def build_title(pyproject: Pyproject, place: str) -> str:
    """How a build is called for people: with the project's name, where that is known before it is built."""
    return f"{pyproject.name} @ {place}" if pyproject.name and "://" in place else place
