"""A lock made of a file that is there or not, for where the kernel has none: its owner is who is written in it.

Nobody sees its owner die, so one that is left behind is taken over with proof of death only, by whoever holds the
claim to it, which is such a file itself: as long as the claim is held nobody else touches the dead one's.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Self

from miniuv.cache.lock_file import LockFile
from miniuv.cache.owner import Owner

_LOOKS = 5


class ForeignOwnerError(Exception):
    """Nobody can tell from here whether the owner lives."""

    def __init__(self, path: Path, owner: Owner | None) -> None:
        super().__init__(f'pid {owner.pid} on {owner.host} "{owner.command}"' if owner else "an unknown process")
        self.path = path


class OwnerFile(LockFile):
    """Held from ``take`` to ``close``. What its owner starts does not hold it."""

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Make the file ``path``; ``None`` where a living process of this machine has it.

        Raises ``ForeignOwnerError``, and ``OSError`` where no file can be made.
        """
        fresh = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            os.write(descriptor, Owner.this_process(step="").encode())
            if _put(fresh, path):
                return cls(path, descriptor, native=False)
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            fresh.unlink(missing_ok=True)
        os.close(descriptor)
        return None

    @property
    def is_recorded(self) -> bool:
        """See ``LockFile``."""
        return True

    def close(self) -> None:
        """Give it up."""
        with contextlib.suppress(OSError):
            if os.path.samestat(self.path.lstat(), os.fstat(self.descriptor)):
                self.path.unlink()
        os.close(self.descriptor)


def _put(fresh: Path, path: Path) -> bool:
    """Give ``fresh`` the name ``path``, if that is free or a dead process's."""
    if _link(fresh, path):
        return True
    try:
        content, owner = _read(path)
    except FileNotFoundError:
        return _link(fresh, path)
    if owner is None or owner.is_foreign:
        raise ForeignOwnerError(path, owner)
    if owner.presence != "gone":
        return False
    claim = OwnerFile.take(path.with_name(f"{path.name}.{hashlib.sha256(content).hexdigest()[:16]}"))
    if claim is None:
        return False
    try:
        # With the claim in hand: the dead one's file may have been taken over and be somebody else's by now.
        with contextlib.suppress(FileNotFoundError):
            if path.read_bytes() == content:
                os.rename(fresh, path)
                return True
        return False
    finally:
        claim.close()


def _link(fresh: Path, path: Path) -> bool:
    try:
        os.link(fresh, path, follow_symlinks=False)
    except FileExistsError:
        return False
    return True


def _read(path: Path) -> tuple[bytes, Owner | None]:
    """The content, and the owner that it names; a beat may just be written to it."""
    content, owner = b"", None
    for _ in range(_LOOKS):
        content = path.read_bytes()
        owner = Owner.decode(content)
        if owner is not None:
            break
    return content, owner
