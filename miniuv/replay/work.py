"""Making files ready in an environment's work folder, and bringing them in: see ``install.staging`` and ``.journal``.

What lies on the disk is the same, for others recover from it; this needs ``os`` only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from binascii import b2a_base64

from miniuv.hashes import sha256
from miniuv.install.journal_form import encode, facts_of, sync_folder
from miniuv.replay.record import COPY, FOLDER, LINK, PYTHON, TEXT
from miniuv.replay.target import DoubtError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Self

_WORTH_A_PROCESS = 1500
"""Files."""

_URLSAFE = bytes.maketrans(b"+/", b"-_")


class Work:
    """A private folder in an environment, locked for as long as we live; to be used in a ``with`` block.

    It goes at the end, unless a journal speaks of it that is not carried out.
    """

    def __init__(self, above: str) -> None:
        """Make it in the folder ``above``, where nothing may be yet. Raises ``OSError``."""
        self._above = above
        self.folder = f"{above}/txn-{os.getpid()}-{os.urandom(8).hex()}"
        self._is_pending = False
        self._descriptor = -1

    def __enter__(self) -> Self:
        os.mkdir(self._above)
        try:
            os.mkdir(self.folder, 0o700)
            self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in ("new", "old"):
                os.mkdir(f"{self.folder}/{name}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_pending:
            _remove(self.folder)
            _remove_empty(self._above)
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def is_alone(self) -> bool:
        """Whether nobody else makes a change ready here, or has left one. Raises ``OSError``."""
        return os.listdir(self._above) == [os.path.basename(self.folder)]

    def reaches(self, folder: str) -> bool:
        """Whether a rename can go to ``folder`` from here: that ends at the border of a file system, and of a mount."""
        try:
            os.rename(f"{self.folder}/.", f"{folder}/.")
        except OSError as error:
            return error.errno not in (errno.EXDEV, errno.ENOENT, errno.ENOTDIR)
        return False

    def change(self, moves: Sequence[tuple[str, str, str, int]], *, titles: Sequence[str], start: str) -> None:
        """Write the journal and do what it says; raises ``OSError``, and then it stays for whoever comes next."""
        draft, journal = f"{self.folder}/journal", f"{self._above}/journal"
        known = [(kind, place, aside, facts_of(aside), entries) for kind, place, aside, entries in moves]
        _write(draft, encode(titles, [self.folder], known, start=start), durably=True)
        os.rename(draft, journal)
        self._is_pending = True
        _try_sync(self._above)
        for _, place, aside, _ in moves:
            os.rename(aside, place)
        for folder in sorted({os.path.dirname(place) for _, place, _, _ in moves}):
            _try_sync(folder)
        os.unlink(journal)
        self._is_pending = False
        _try_sync(self._above)


def stage(rows: Sequence[str], *, folder: str, source: str, python: str) -> None:
    """Link, copy and write the files of ``rows`` below ``folder``; ``source`` is the cache.

    Many of them in two processes: the kernel takes longest, and serves both at once. Raises ``OSError``, and
    ``DoubtError`` where a file in the cache is not what was unpacked.
    """
    half = next((at for at in range(len(rows) // 2, len(rows)) if rows[at].startswith(f"{FOLDER}\0")), len(rows))
    if len(rows) < _WORTH_A_PROCESS or _cores() < 2:
        half = len(rows)
    child = os.fork() if half < len(rows) else 0
    if half < len(rows) and child == 0:
        code = 1
        try:
            _link(rows[half:], folder=folder, source=source)
            code = 0
        finally:
            os._exit(code)
    status = 0
    try:
        _link(rows[:half], folder=folder, source=source)
    finally:
        if child:
            _, status = os.waitpid(child, 0)
    if status:
        raise DoubtError("the other half of the files could not be linked")
    _write_texts(rows, folder=folder, source=source, python=python)


def _link(rows: Sequence[str], *, folder: str, source: str) -> None:
    to = origin = ""
    for row in rows:
        kind, *fields = row.split("\0")
        if kind == FOLDER:
            to, origin = f"{folder}/{fields[0]}/", f"{source}/{fields[1]}/"
            os.makedirs(to, exist_ok=True)
        elif kind == LINK:
            name = fields[0]
            _check(origin + name, fields)
            os.link(origin + name, to + name)


def _write_texts(rows: Sequence[str], *, folder: str, source: str, python: str) -> None:
    """Copies and texts, in order: a text may tell the hash of an earlier one."""
    promises: list[str] = []
    to = origin = ""
    for row in rows:
        kind, _, rest = row.partition("\0")
        if kind == LINK:
            continue
        fields = rest.split("\0")
        if kind == FOLDER:
            to, origin = f"{folder}/{fields[0]}/", f"{source}/{fields[1]}/"
        elif kind == COPY:
            _check(origin + fields[0], fields)
            with open(origin + fields[0], "rb") as file:
                _write(to + fields[0], file.read(), mode=int(fields[4]))
        elif kind == TEXT:
            text = "".join(_filled(fields[2:], python, promises)).encode("utf-8", "surrogateescape")
            promise = b2a_base64(sha256(text).digest(), newline=False).translate(_URLSAFE).decode().rstrip("=")
            promises.append(f"sha256={promise},{len(text)}")
            _write(to + fields[0], text, mode=int(fields[1]))


def _check(path: str, fields: Sequence[str]) -> None:
    """Compare a file of the cache with mode, size and time as they were recorded."""
    found = os.lstat(path)
    if [str(found.st_mode), str(found.st_size), str(found.st_mtime_ns)] != fields[1:4]:
        raise DoubtError("the cache was changed")


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return 1


def _filled(pieces: Sequence[str], python: str, promises: Sequence[str]) -> Iterator[str]:
    """Every second piece stands for something."""
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            yield piece.replace("\1", "\n")
        else:
            yield python if piece == PYTHON else promises[int(piece)]


def _write(path: str, content: bytes, *, mode: int = 0o644, durably: bool = False) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(descriptor, stat.S_IMODE(mode))
        if durably:
            file.flush()
            os.fsync(descriptor)


def _try_sync(folder: str) -> None:
    """Make renames durable; a power cut may undo what this cannot, a kill cannot."""
    try:
        sync_folder(folder)
    except OSError:
        return


def _remove(folder: str) -> None:
    """Remove a tree of ours, as far as possible."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    _remove(entry.path)
                else:
                    os.unlink(entry.path)
    except OSError:
        return
    _remove_empty(folder)


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:  # another change is being made ready in it
        return
