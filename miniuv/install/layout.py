"""Where files go in one environment, and what belongs to it."""

import os
import re
from pathlib import Path
from typing import Self

from miniuv import state
from miniuv.models.interpreter import Interpreter
from miniuv.names import ENVIRONMENT_LOCKS, WORK_FOLDER
from miniuv.values import dataclass

_INTERPRETER_NAME = re.compile(r"(python|pypy)[\d.]*[tdw]?")
_ENVIRONMENT_FILES = ("pyvenv.cfg", *ENVIRONMENT_LOCKS)
_OWN_FOLDERS = (WORK_FOLDER, state.FOLDER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The scheme folders of an environment by their real paths, so that ``lib64`` and ``lib`` are one.

    Paths are ``str`` in this room: tens of thousands are handled for one install.
    """

    purelib: str
    platlib: str
    scripts: str
    data: str
    headers: str
    roots: tuple[str, ...]
    """Scheme folders that are never moved, inner ones before the outer. One that does not exist yet is a plain part
    of the one around it."""

    @classmethod
    def of(cls, interpreter: Interpreter) -> Self:
        """Resolve the scheme folders of ``interpreter``."""
        scheme = interpreter.scheme
        folders = {
            name: os.path.realpath(getattr(scheme, name))
            for name in ("purelib", "platlib", "scripts", "data", "headers")
        }
        roots = {
            folder
            for name, folder in folders.items()
            # The one for headers is nobody's but its users'; it goes with the last of them.
            if (name != "headers" and os.path.isdir(folder))
            or not any(folder.startswith(f"{other}/") for other in folders.values())
        }
        return cls(**folders, roots=tuple(sorted(roots, key=lambda folder: (-len(folder), folder))))

    def is_fixed(self, folder: str) -> bool:
        """Whether ``folder`` is there in every environment, also in an empty one."""
        return folder in self.roots or folder == f"{self.data}/include"

    @property
    def work_folder(self) -> Path:
        """The folder for transactions, on the environment's own file system."""
        return self.work_folder_of(Path(self.data))

    @staticmethod
    def work_folder_of(place: Path) -> Path:
        """The folder for transactions in an environment, or at the top of another file system in it."""
        return place / WORK_FOLDER

    @property
    def libraries(self) -> tuple[str, ...]:
        """``purelib`` and ``platlib``, once where they are the same."""
        return tuple(dict.fromkeys((self.purelib, self.platlib)))

    def split(self, path: str) -> tuple[str, str] | None:
        """Take ``path`` apart into scheme folder and the rest; ``None`` where it is in none of them."""
        for root in self.roots:
            if path.startswith(root) and path[len(root) : len(root) + 1] == "/":
                return root, path[len(root) + 1 :]
        return None

    def is_protected(self, path: str) -> bool:
        """Whether ``path`` is part of the environment itself: its interpreter, its settings, its lock, our work."""
        folder, _, name = path.rpartition("/")
        if folder == self.scripts and _INTERPRETER_NAME.fullmatch(name):
            return True
        own = tuple(f"{self.data}/{name}/" for name in _OWN_FOLDERS)
        return (folder == self.data and name in _ENVIRONMENT_FILES) or f"{path}/".startswith(own)

    def is_unprotected(self, folder: str) -> bool:
        """Whether nothing below ``folder`` can be protected, so that no path there need be looked at."""
        own = tuple(f"{self.data}/{name}/" for name in _OWN_FOLDERS)
        above = any(f"{place}/".startswith(f"{folder}/") for place in (self.scripts, self.data))
        return not above and not f"{folder}/".startswith(own)


class RealPlaces:
    """Tells where paths that somebody claims really lie: each folder is asked once."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folders: dict[str, str] = {}

    def real(self, path: str) -> str:
        """The path with every link among its folders resolved; the last part may be a link."""
        folder, _, name = path.rpartition("/")
        real = self._folders.get(folder)
        if real is None:
            real = self._folders[folder] = os.path.realpath(folder)
        return f"{real}/{name}"

    def is_inside(self, place: str) -> bool:
        """Whether a distribution may own ``place``, a real path: not what belongs to the environment itself."""
        return self._layout.split(place) is not None and not self._layout.is_protected(place)
