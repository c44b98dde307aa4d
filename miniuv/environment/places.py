"""Where environments lie, and whether one can be changed."""

import os
from collections.abc import Mapping
from pathlib import Path

from miniuv.errors import TargetError
from miniuv.models.interpreter import Interpreter
from miniuv.names import JOURNALS, WORK_FOLDER
from miniuv.values import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """An environment that was found without being named."""

    folder: Path
    found_by: str
    """``VIRTUAL_ENV``, ``CONDA_PREFIX``, ``.venv``."""


def is_environment_folder(folder: Path) -> bool:
    """Whether ``folder`` bears the mark of a virtual environment (PEP 405) or of a conda one."""
    return os.path.isfile(folder / "pyvenv.cfg") or os.path.isdir(folder / "conda-meta")


def active_environment(environ: Mapping[str, str], directory: Path) -> Place | None:
    """Find the environment that is meant where none is named.

    Raises ``TargetError`` where a variable names one that is not there: another one would be a surprise.
    """
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if named := environ.get(variable):
            folder = directory / named
            if not is_environment_folder(folder):
                raise TargetError(
                    f"`{named}` is no environment",
                    where=variable,
                    hint=f"make it with `miniuv venv {named}`, or unset {variable}",
                )
            return Place(folder=folder, found_by=variable)
    for parent in (directory, *directory.parents):
        if is_environment_folder(parent / ".venv"):
            return Place(folder=parent / ".venv", found_by=".venv")
    return None


def is_change_pending(data: Path) -> bool:
    """Whether a change was cut short of the environment whose scheme has ``data``."""
    return any(os.path.lexists(data / WORK_FOLDER / name) for name in JOURNALS)


def environment_executable(folder: Path, *, named: str) -> Path:
    """Answer the interpreter of the environment or installation in ``folder``; ``named`` is how the user wrote it."""
    for name in ("python", "python3"):
        if os.path.lexists(folder / "bin" / name):
            return folder / "bin" / name
    raise TargetError(
        f"`{named}` is no environment: it has no `bin/python`", hint=f"make one with `miniuv venv {named}`"
    )


def check_changeable(interpreter: Interpreter) -> None:
    """Raise ``TargetError`` where some folder of the scheme could not be written to."""
    scheme = interpreter.scheme
    for folder in (scheme.purelib, scheme.platlib, scheme.scripts, interpreter.prefix):
        existing = next(parent for parent in (folder, *folder.parents) if os.path.exists(parent))
        if not os.access(existing, os.W_OK | os.X_OK):
            raise TargetError(
                f"`{existing}` cannot be written to",
                where=str(interpreter.prefix),
                hint="make another environment with `miniuv venv`, or ask the owner of this one",
            )
