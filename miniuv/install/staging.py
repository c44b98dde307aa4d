"""The folder in which a change is made ready, on the environment's own file system."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from miniuv.install.contents import NewFile
from miniuv.install.layout import Layout
from miniuv.install.link import Linker, LinkMode
from miniuv.install.moves import UnrestoredError


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
        """Link, copy and write ``files``."""
        linker = Linker(self.link_mode)
        made: set[str] = set()
        for file in files:
            path = self.staged(file.target)
            folder = path.rpartition("/")[0]
            if folder not in made:
                os.makedirs(folder, exist_ok=True)
                made.add(folder)
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


def _discard(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # another change is being made ready beside this one
        folder.parent.rmdir()
