"""Programs that a wheel brings: entry points and ``.data/scripts``."""

import os
import re
import shlex
from pathlib import Path

from miniuv.archive.member import shown
from miniuv.errors import ArchiveError
from miniuv.values import dataclass

_NAME = re.compile(r"[\w.\-+ ]*[\w]", re.ASCII)
_INTERPRETER = re.compile(r"(python|pythonw|pypy|graalpy)(\d+(\.\d+)*)?[dtw]*(\.exe)?", re.IGNORECASE)
_DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_TARGET = re.compile(rf"\s*(?P<module>{_DOTTED})\s*:\s*(?P<attribute>{_DOTTED})\s*(\[[^\]\n]*\]\s*)?")
_LONGEST_SHEBANG = 127  # Linux cuts a first line there; macOS later
_TEMPLATE = """\
import sys
from {module} import {first}
if __name__ == "__main__":
    sys.exit({attribute}())
"""


def check_script_name(name: str, *, where: str) -> None:
    """Refuse a program's name that is no plain file name, or that of an interpreter. Raises ``ArchiveError``."""
    if not _NAME.fullmatch(name):
        raise ArchiveError(f"script {shown(name)} has a name that is no plain file name", where=where)
    if _INTERPRETER.fullmatch(name):
        raise ArchiveError(f"script {shown(name)} would replace the environment's interpreter", where=where)


def is_of_environment(path: str) -> bool:
    """Whether ``path``, from an environment's folder, is what makes it an environment: its settings or interpreter."""
    folder, _, name = path.rpartition("/")
    return path.lower() == "pyvenv.cfg" or (folder.lower() in ("bin", "scripts") and bool(_INTERPRETER.fullmatch(name)))


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryPoint:
    """A program that is made on installation: it calls ``attribute`` of ``module``."""

    name: str
    module: str
    attribute: str

    def script(self, executable: Path) -> bytes:
        """The program's text."""
        first = self.attribute.partition(".")[0]
        return (
            shebang(executable) + _TEMPLATE.format(module=self.module, first=first, attribute=self.attribute).encode()
        )


def read_entry_points(data: bytes, *, where: str) -> tuple[EntryPoint, ...]:
    """Read the programs that ``entry_points.txt`` names.

    ``gui_scripts`` differ from ``console_scripts`` on Windows only. Raises ``ArchiveError`` for a name that is no
    plain file name, and for anything but ``module:function``: it will be pasted into code.
    """
    from configparser import ConfigParser
    from configparser import Error as ConfigError

    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(data.decode("utf-8"))
    except (ConfigError, UnicodeDecodeError) as error:
        raise ArchiveError(f"its entry_points.txt cannot be read: {str(error).splitlines()[0]}", where=where) from error
    found: dict[str, EntryPoint] = {}
    for group in ("console_scripts", "gui_scripts"):
        for name, target in parser.items(group) if parser.has_section(group) else ():
            check_script_name(name, where=where)
            match = _TARGET.fullmatch(target)
            if match is None:
                raise ArchiveError(f"entry point {shown(name)} is {shown(target)}, not `module:function`", where=where)
            found[name] = EntryPoint(name=name, module=match["module"], attribute=match["attribute"])
    return tuple(found.values())


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
