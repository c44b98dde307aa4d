"""Everything onto the disk now: what ``MINIUV_FSYNC=1`` asks for before an entry gets its name."""

import ctypes
import errno
import os
from pathlib import Path


def sync_file_system(folder: Path) -> None:
    """Wait until all that was written to the file system of ``folder`` is on its disk; raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None:
            os.sync()
        elif syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            if code != errno.ENOSYS:
                raise OSError(code, os.strerror(code), str(folder))
            os.sync()
    finally:
        os.close(descriptor)
