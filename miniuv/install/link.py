"""From the cache into the environment: reflink, else hard link, else copy."""

import errno
import os
import shutil
from collections.abc import Callable
from typing import Literal

LinkMode = Literal["auto", "clone", "hardlink", "copy"]

_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)

_ORDER: dict[LinkMode, tuple[str, ...]] = {
    "auto": ("clone", "hardlink"),
    "clone": ("clone",),
    "hardlink": ("hardlink",),
    "copy": (),
}
_CANNOT = frozenset(
    {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EBADF}
)


class Linker:
    """Places files by the cheapest way that works here; what failed once for good is not tried again."""

    def __init__(self, mode: LinkMode) -> None:
        ways: dict[str, Callable[[str, str], None]] = {"clone": _clone, "hardlink": os.link}
        self._ways = [ways[name] for name in _ORDER[mode]]

    def place(self, source: str, target: str) -> None:
        """Make ``target``, which does not exist, hold what ``source`` holds, with its mode and time."""
        while self._ways:
            way = self._ways[0]
            try:
                way(source, target)
            except OSError as error:
                if error.errno == errno.EMLINK:
                    break
                if error.errno not in _CANNOT:
                    raise
                if self._ways and self._ways[0] is way:
                    del self._ways[0]
            else:
                return
        copy(source, target)


def copy(source: str, target: str) -> None:
    """Copy the bytes, the permissions and the time of ``source``."""
    shutil.copyfile(source, target)
    _dress(os.stat(source), target)


def _clone(source: str, target: str) -> None:
    import fcntl

    with open(source, "rb") as origin:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.ioctl(descriptor, _FICLONE, origin.fileno())
        except OSError:
            os.unlink(target)
            raise
        finally:
            os.close(descriptor)
        _dress(os.fstat(origin.fileno()), target)


def _dress(facts: os.stat_result, target: str) -> None:
    os.chmod(target, facts.st_mode & 0o777)
    # A .pyc is valid for one source time: it must not differ between the ways.
    os.utime(target, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
