"""Programs that a wheel brings: entry points and ``.data/scripts``."""

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from miniuv.errors import InstallError

_ENTRY_POINT = re.compile(r"(?P<module>[^\s:\[]+)\s*:\s*(?P<attribute>[^\s:\[]+)\s*(\[[^\]]*\])?")
_LONGEST_SHEBANG = 127  # Linux cuts a first line there; macOS later
_TEMPLATE = """\
import sys
from {module} import {first}
if __name__ == "__main__":
    sys.exit({attribute}())
"""


def entry_point_scripts(text: str, *, executable: Path, where: str) -> Mapping[str, bytes]:
    """Make the programs that ``entry_points.txt`` names, by file name.

    ``gui_scripts`` differ from ``console_scripts`` on Windows only. Raises ``InstallError`` for a name that is no
    plain file name, and for anything but ``module:attribute``: it would be pasted into code.
    """
    import configparser

    parser = configparser.ConfigParser(delimiters="=", interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(text)
    except configparser.Error as error:
        message = str(error).splitlines()[0]
        raise InstallError(f"`entry_points.txt` cannot be read: {message}", where=where) from error
    scripts: dict[str, bytes] = {}
    for group in ("console_scripts", "gui_scripts"):
        if parser.has_section(group):
            for name, target in parser.items(group):
                scripts[_checked_name(name, where)] = _program(name, target, executable, where)
    return scripts


def with_shebang(script: bytes, executable: Path) -> bytes | None:
    """Point a ``.data/scripts`` file that starts with ``#!python`` at ``executable``; ``None`` for any other file.

    "If the first line of a file in scripts/ starts with exactly b'#!python', rewrite to point to the correct
    interpreter" (binary distribution format).
    """
    if not script.startswith(b"#!python"):
        return None
    _, _, rest = script.partition(b"\n")
    return shebang(executable) + rest


def shebang(executable: Path) -> bytes:
    """The first line that starts ``executable``; where the kernel could not, a line that both sh and Python read."""
    path = os.fsencode(executable)
    if len(path) + 3 <= _LONGEST_SHEBANG and not any(blank in path for blank in (b" ", b"\t", b"\n", b"\r")):
        return b"#!" + path + b"\n"
    # To sh: exec the interpreter on this file. To Python: a string literal.
    quoted = os.fsencode(shlex.quote(os.fsdecode(path)))
    return b"#!/bin/sh\n'''exec' " + quoted + b' "$0" "$@"\n' + b"' '''\n"


def _program(name: str, target: str | None, executable: Path, where: str) -> bytes:
    match = _ENTRY_POINT.fullmatch((target or "").strip())
    if match is None or not all(part.isidentifier() for part in f"{match['module']}.{match['attribute']}".split(".")):
        raise InstallError(
            f"the entry point `{name}` names `{target}`, which is not of the form `module:function`", where=where
        )
    attribute = match["attribute"]
    code = _TEMPLATE.format(module=match["module"], first=attribute.partition(".")[0], attribute=attribute)
    return shebang(executable) + code.encode()


def _checked_name(name: str, where: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise InstallError(f"the entry point `{name!r}` has no plain file name", where=where)
    return name
