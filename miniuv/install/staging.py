"""The folder in which a change is made ready, on the environment's own file system."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from miniuv.environment.places import is_change_pending
from miniuv.install.contents import NewFile
from miniuv.install.layout import Layout
from miniuv.install.link import Linker, LinkMode
from miniuv.install.moves import UnrestoredError
from miniuv.settings.resolved import available_cores
from miniuv.values import dataclass

_PREFIX = "txn-"
_APART = "apart"
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

    def keep_apart(self, folder: Path) -> None:
        """Remember that things of this change lie in ``folder`` too, before it is made."""
        with open(self.folder / _APART, "ab") as stream:
            stream.write(os.fsencode(folder) + b"\0")

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
    """Make a folder for one change; it goes at the end, unless it holds the only copy of something.

    It is locked as long as we live, so that nobody sweeps it away.
    """
    folder, lock = _make_work_folder(layout.work_folder)
    try:
        for name in ("new", "old"):
            (folder / name).mkdir()
        yield Staging(folder=folder, layout=layout, link_mode=link_mode)
    except UnrestoredError:
        raise
    except BaseException:
        # A journal may speak of what lies here, whatever has kept it from being closed.
        if not is_change_pending(Path(layout.data)):
            discard(folder)
        raise
    else:
        discard(folder)
    finally:
        os.close(lock)


def sweep(work: Path) -> None:
    """Remove what killed processes have left in the folder ``work``; the caller knows that no journal speaks of it."""
    for folder in abandoned(work):
        discard(folder)
    with contextlib.suppress(OSError):
        work.rmdir()


def abandoned(work: Path) -> Iterator[Path]:
    """Yield what killed processes have left in the folder ``work``, each locked as long as it is looked at.

    What a journal speaks of is among it. What is no folder, or not ours to open, is nobody's.
    """
    try:
        names = sorted(os.listdir(work))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if not name.startswith(_PREFIX) or _is_alive(name):
            continue
        with contextlib.suppress(OSError):
            if (lock := _lock(work / name)) is not None:
                try:
                    yield work / name
                finally:
                    os.close(lock)


def discard(folder: Path) -> None:
    """Remove a folder of ours as far as possible, with what belongs to it on other file systems."""
    apart: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        apart = (folder / _APART).read_text("utf-8", "surrogateescape").split("\0")
    for path in (*filter(is_private, apart), str(folder)):
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):  # another change is being made ready beside this one
            os.rmdir(os.path.dirname(path))


def is_private(folder: str) -> bool:
    """Whether ``folder`` bears the name of one that a change is made ready in."""
    above, _, name = folder.rpartition("/")
    return name.startswith(_PREFIX) and above == str(Layout.work_folder_of(Path(above).parent))


def _make_work_folder(work: Path) -> tuple[Path, int]:
    """Make a new folder in ``work``, and lock it; somebody who sweeps may be faster."""
    while True:
        try:
            work.mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=work))
            lock = _lock(folder, sure=False)
        except FileNotFoundError:
            continue
        if lock is None:
            continue
        if os.fstat(lock).st_nlink:
            return folder, lock
        os.close(lock)


def _is_alive(name: str) -> bool:
    """Whether the process that made a folder may live, as far as its number tells: a second opinion on locks."""
    number = name.removeprefix(_PREFIX).partition("-")[0]
    try:
        os.kill(int(number), 0)
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _lock(folder: Path, *, sure: bool = True) -> int | None:
    """Lock ``folder`` for as long as the answer is open; ``None`` where somebody else has.

    Where there are no such locks, nobody is ``sure`` to have it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if sure or isinstance(error, BlockingIOError):
            os.close(descriptor)
            return None
    return descriptor


def _make_folder(path: str) -> None:
    """Make a folder and those around it, the same as ``os.makedirs`` without a look at each of them first."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_folder(path.rpartition("/")[0])
        _make_folder(path)  # the other half may have made it by now
