"""What the operating system refused, in our words."""

import contextlib
import errno
import shutil
from collections.abc import Iterator, Sequence

from miniuv.errors import InstallError
from miniuv.install.layout import Layout
from miniuv.models.wheel import PreparedWheel


@contextlib.contextmanager
def translated(
    layout: Layout,
    prepared: Sequence[PreparedWheel] = (),
    *,
    failed: str = "the environment is unchanged, since changing it failed",
) -> Iterator[None]:
    """Turn an ``OSError`` into an ``InstallError``; by then the change has been taken back."""
    try:
        yield
    except OSError as error:
        where = str(error.filename) if error.filename is not None else layout.data
        reason = error.strerror or str(error)
        hint = None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = sum(file.size for one in prepared for file in one.wheel.files)
            with contextlib.suppress(OSError):
                free = shutil.disk_usage(layout.data).free
                reason += f" (up to {needed / 1e6:.1f} MB are needed, {free / 1e6:.1f} MB are free)"
            hint = "make room and run the command again"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = f"`{layout.data}` and what is in it must be writable by you"
        raise InstallError(f"{failed}: {reason}", where=where, hint=hint) from error
