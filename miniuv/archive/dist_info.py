"""What a wheel says of itself, compared with its file name."""

import re
from collections.abc import Iterable, Sequence
from configparser import ConfigParser
from configparser import Error as ConfigError

from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from miniuv.archive.member import shown
from miniuv.errors import ArchiveError

MAX_TEXT_BYTES = 16 * 1024 * 1024

SCHEMES = ("data", "headers", "platlib", "purelib", "scripts")

_SCRIPT_NAME = re.compile(r"[\w.\-+ ]*[\w]", re.ASCII)
_ENTRY_POINT = re.compile(r"\s*[^\W\d]\w*(\.\w+)*\s*:\s*[^\W\d]\w*(\.\w+)*\s*(\[[^\]\n]*\]\s*)?")
_INTERPRETER = re.compile(r"(python|pythonw|pypy)(\d+(\.\d+)*)?t?(\.exe)?", re.IGNORECASE)


def wheel_identity(filename: str) -> tuple[NormalizedName, Version]:
    """Read name and version out of a wheel's file name. Raises ``ArchiveError``."""
    try:
        name, version, _build, _tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise ArchiveError("is no valid wheel file name", where=filename) from error
    return name, version


def find_dist_info(names: Iterable[str], *, where: str) -> str:
    """Find the one ``.dist-info`` folder at the top of a wheel."""
    tops = {top for top, slash, _ in (name.partition("/") for name in names) if slash and top.endswith(".dist-info")}
    if len(tops) != 1:
        problem = (
            f"has {len(tops)} `.dist-info` folders: {', '.join(sorted(tops))}" if tops else "has no `.dist-info` folder"
        )
        raise ArchiveError(problem, where=where)
    return tops.pop()


def check_folders(names: Sequence[str], dist_info: str, *, filename: str) -> None:
    """Check that ``.dist-info`` and ``.data`` are those of the wheel's own name, and every scheme a known one."""
    identity = wheel_identity(filename)
    _check_owner(dist_info, ".dist-info", identity, filename)
    for name in names:
        top, _, rest = name.partition("/")
        if not top.endswith(".data") or not rest:
            continue
        _check_owner(top, ".data", identity, filename)
        scheme, slash, path = rest.partition("/")
        if scheme not in SCHEMES or not slash:
            raise ArchiveError(f"member {shown(name)} is for no known scheme ({', '.join(SCHEMES)})", where=filename)
        if scheme == "scripts":
            _check_script_name(path, filename)


def check_texts(*, wheel: bytes, metadata: bytes, entry_points: bytes | None, filename: str) -> None:
    """Check the WHEEL and METADATA files, and ``entry_points.txt`` where there is one."""
    version = _header(wheel, "wheel-version")
    if not version or not version.partition(".")[0].isdigit():
        raise ArchiveError("its WHEEL file has no `Wheel-Version`", where=filename)
    if version.partition(".")[0] != "1":
        # "A wheel installer should ... fail if the major version is greater than it supports."
        raise ArchiveError(f"is of wheel format {version}; 1.x is supported", where=filename)
    _check_identity(metadata, filename)
    if entry_points is not None:
        _check_entry_points(entry_points, filename)


def _check_identity(metadata: bytes, filename: str) -> None:
    name, version = wheel_identity(filename)
    given_name, given_version = _header(metadata, "name"), _header(metadata, "version")
    if canonicalize_name(given_name) != name:
        raise ArchiveError(f"its METADATA is of `{given_name}`, not of `{name}`", where=filename)
    try:
        same = Version(given_version) == version
    except InvalidVersion:
        same = False
    if not same:
        raise ArchiveError(f"its METADATA is of version `{given_version}`, not of {version}", where=filename)


def _check_owner(folder: str, suffix: str, identity: tuple[NormalizedName, Version], filename: str) -> None:
    name, _, version = folder.removesuffix(suffix).rpartition("-")
    try:
        same = canonicalize_name(name) == identity[0] and Version(version.replace("_", "-")) == identity[1]
    except InvalidVersion:
        same = False
    if not same:
        raise ArchiveError(f"has a folder `{folder}`, which is not of `{identity[0]}` {identity[1]}", where=filename)


def _check_entry_points(data: bytes, filename: str) -> None:
    parser = ConfigParser(delimiters=("=",), interpolation=None, strict=False, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(data.decode("utf-8"))
    except (ConfigError, UnicodeDecodeError) as error:
        raise ArchiveError(
            f"its entry_points.txt cannot be read: {str(error).splitlines()[0]}", where=filename
        ) from error
    for group in ("console_scripts", "gui_scripts"):
        for name, value in parser.items(group) if parser.has_section(group) else ():
            _check_script_name(name, filename)
            if not _ENTRY_POINT.fullmatch(value):
                raise ArchiveError(
                    f"entry point {shown(name)} is {shown(value)}, not `module:function`", where=filename
                )


def _check_script_name(name: str, filename: str) -> None:
    if not _SCRIPT_NAME.fullmatch(name):
        raise ArchiveError(f"script {shown(name)} has a name that is no plain file name", where=filename)
    if _INTERPRETER.fullmatch(name):
        raise ArchiveError(f"script {shown(name)} would replace the environment's interpreter", where=filename)


def _header(data: bytes, field: str) -> str:
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == field:
            return value.strip()
    return ""
