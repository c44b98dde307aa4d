"""The folder in which a change is made ready, on the environment's own file system."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from miniuv.install.contents import NewFile
from miniuv.install.layout import Layout
from miniuv.install.link import Linker, LinkMode
from miniuv.install.moves import UnrestoredError
from miniuv.settings.resolved import available_cores

_WORTH_A_THREAD = 250
"""Files: what a thread costs, and what it takes from the one that made it, is soon more than it saves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Staging:
    """A private folder in which the new files mirror the places that they are for."""

    folder: Path
    layout: Layout
    link_mode: LinkMode

    def staged(self, target: str) -> str:
        """Where the file or folder lies that is to become ``target``."""
        place = self.layout.split(target)
        if place is None:
            return f"{self.folder}/new/{self.layout.roots.index(target)}"
        return f"{self.folder}/new/{self.layout.roots.index(place[0])}/{place[1]}"

    def old(self, number: int) -> str:
        """Where the ``number``-th thing that leaves is put."""
        return f"{self.folder}/old/{number}"

    def fill(self, files: Sequence[NewFile]) -> None:
        """Link, copy and write ``files``; many of them in two halves at once, for the system takes longest."""
        half = len(files) // 2
        if half < _WORTH_A_THREAD or available_cores() < 2:
            self._fill(files)
            return
        with ThreadPoolExecutor(1) as other:
            later = other.submit(self._fill, files[half:])
            self._fill(files[:half])
            later.result()

    def _fill(self, files: Sequence[NewFile]) -> None:
        linker = Linker(self.link_mode)
        made: dict[str, str] = {}
        for file in files:
            folder, _, name = file.target.rpartition("/")
            place = made.get(folder)
            if place is None:
                place = made[folder] = self.staged(file.target).rpartition("/")[0]
                _make_folder(place)
            path = f"{place}/{name}"
            if file.source is None:
                with open(path, "xb") as stream:
                    stream.write(file.data)
            elif file.copied:
                shutil.copyfile(file.source, path)
            else:
                linker.place(file.source, path)
                continue
            os.chmod(path, 0o755 if file.executable else 0o644)


@contextlib.contextmanager
def open_staging(layout: Layout, link_mode: LinkMode) -> Iterator[Staging]:
    """Make a folder for one change; it goes at the end, unless it holds the only copy of something."""
    layout.work_folder.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="txn-", dir=layout.work_folder))
    try:
        (folder / "new").mkdir()
        (folder / "old").mkdir()
        yield Staging(folder=folder, layout=layout, link_mode=link_mode)
    except UnrestoredError:
        raise
    except BaseException:
        _discard(folder)
        raise
    else:
        _discard(folder)


def _make_folder(path: str) -> None:
    """Make a folder and those around it, the same as ``os.makedirs`` without a look at each of them first."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_folder(path.rpartition("/")[0])
        _make_folder(path)  # the other half may have made it by now


def _discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another change is being made ready beside this one
        folder.parent.rmdir()
