"""Two names of one file system change places, atomically: what the system has and Python does not offer."""

import errno
import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV})

_HERE = -100
"""``AT_FDCWD`` of Linux."""
_SWAP = 2
"""``RENAME_EXCHANGE`` of Linux and ``RENAME_SWAP`` of macOS."""


def exchange(one: Path, other: Path) -> None:
    """Let ``one`` and ``other`` change places; both must exist.

    Raises ``OSError``, with an ``errno`` in ``UNSUPPORTED`` where the system or the file system has no such call.
    """
    import ctypes

    function = _function()
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(one), None, str(other))
    first, second = os.fsencode(one), os.fsencode(other)
    places = (first, second) if sys.platform == "darwin" else (_HERE, first, _HERE, second)
    if function(*places, _SWAP) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


@lru_cache(maxsize=1)
def _function() -> Any:
    import ctypes

    name = "renamex_np" if sys.platform == "darwin" else "renameat2"
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None)
    if function is not None:
        path = ctypes.c_char_p
        places = [path, path] if sys.platform == "darwin" else [ctypes.c_int, path, ctypes.c_int, path]
        function.argtypes = [*places, ctypes.c_uint]
        function.restype = ctypes.c_int
    return function
