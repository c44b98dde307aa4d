"""The state file: what an environment needed no change for, and all that this rested on. ``os`` and ``sys`` only.

``<environment>/.miniuv-state/<key>`` is UTF-8 text, in lines: the header; the inode of its folder, which a copied
environment does not have; when colour is wanted; then in any order what is to be told again (``> text``, a ``%`` at
its end stands for the time it took) and stamps; the last line is ``end``. The key is a digest of the command line, the
variables, the working folder and this very miniuv, so that no secret is written down.
"""

from __future__ import annotations

import os
import sys

from miniuv import __version__

TYPE_CHECKING = False  # `typing` and `collections.abc` take longer than all that is done here
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = ".miniuv-state"
HEADER = "miniuv state 1"
END = "end"

_PASSING = frozenset({"PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES"})
"""Variables that differ from one command to the next and mean nothing to any."""


def key(arguments: Sequence[str], environ: Mapping[str, str], directory: str) -> str:
    """Name the state file of a command: ``arguments`` without the program, and all that may sway it but files."""
    try:
        from _blake2 import blake2b  # `hashlib` would load OpenSSL
    except ImportError:
        from hashlib import blake2b
    program = (__version__, __file__, sys.executable, sys.prefix, str(os.geteuid()), directory)
    variables = sorted(f"{name}={value}" for name, value in environ.items() if name not in _PASSING)
    digest = blake2b(digest_size=16)
    for words in (program, arguments, variables):
        digest.update(b"%d\0" % len(words))
        for word in words:
            data = word.encode("utf-8", "surrogatepass")
            digest.update(b"%d\0%s" % (len(data), data))
    return digest.hexdigest()


def render(*, inode: int, color: str, told: Sequence[str], stamps: Sequence[str]) -> bytes:
    """Put the content together; the inverse of what the fast exit reads."""
    lines = [HEADER, str(inode), color, *(f"> {text}" for text in told), *stamps, END, ""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")
