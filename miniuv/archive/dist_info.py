"""What a wheel says of itself, compared with its file name."""

from collections.abc import Iterable, Mapping, Sequence

from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from miniuv.archive.member import shown
from miniuv.archive.scripts import check_script_name, is_of_environment, read_entry_points
from miniuv.errors import ArchiveError

MAX_TEXT_BYTES = 16 * 1024 * 1024

SCHEMES = ("data", "headers", "platlib", "purelib", "scripts")


def wheel_identity(filename: str) -> tuple[NormalizedName, Version]:
    """Read name and version out of a wheel's file name. Raises ``ArchiveError``."""
    try:
        name, version, _build, _tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise ArchiveError("is no valid wheel file name", where=filename) from error
    return name, version


def find_dist_info(names: Iterable[str], *, where: str) -> str:
    """Find the one ``.dist-info`` folder at the top of a wheel."""
    tops = {top for top, _, _ in (name.partition("/") for name in names) if _is_dist_info(top)}
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
            check_script_name(path, where=filename)
        elif scheme in ("platlib", "purelib") and _is_dist_info(path.partition("/")[0]):
            raise ArchiveError(f"member {shown(name)} would be a second `.dist-info` folder", where=filename)
        elif scheme == "data" and is_of_environment(path):
            raise ArchiveError(f"member {shown(name)} belongs to the environment itself", where=filename)


def check_layers(names: Sequence[str], record: Mapping[str, object], *, filename: str) -> None:
    """Check that no two members with different lines in ``record`` are for one place in ``site-packages``."""
    places: dict[str, str] = {}
    for name in names:
        top, _, rest = name.partition("/")
        scheme, _, path = rest.partition("/")
        if top.endswith(".data") and scheme in ("platlib", "purelib"):
            other = places.setdefault(path, name)
            if record.get(other) != record.get(name):
                raise ArchiveError(f"members {shown(other)} and {shown(name)} are for one place", where=filename)
    for path in places.keys() & set(names):
        if record.get(path) != record.get(places[path]):
            raise ArchiveError(f"members {shown(path)} and {shown(places[path])} are for one place", where=filename)


def check_texts(*, wheel: bytes, metadata: bytes, entry_points: bytes | None, filename: str) -> None:
    """Check the WHEEL and METADATA files, and ``entry_points.txt`` where there is one."""
    version = header(wheel, "wheel-version")
    if not version or not version.partition(".")[0].isdigit():
        raise ArchiveError("its WHEEL file has no `Wheel-Version`", where=filename)
    if int(version.partition(".")[0][:9]) > 1:
        # "... fail if Wheel-Version has a greater major version than the version it supports": 0.1 was before 1.0.
        raise ArchiveError(f"is of wheel format {version}; 1.x is supported", where=filename)
    _check_identity(metadata, filename)
    if entry_points is not None:
        read_entry_points(entry_points, where=filename)


def _is_dist_info(top: str) -> bool:
    return top.lower().endswith(".dist-info")


def _check_identity(metadata: bytes, filename: str) -> None:
    name, version = wheel_identity(filename)
    given_name, given_version = header(metadata, "name"), header(metadata, "version")
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


def header(data: bytes, field: str) -> str:
    """The value of ``field`` (in lower case) at the head of WHEEL or METADATA; empty where there is none."""
    for line in data.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break
        key, colon, value = line.partition(":")
        if colon and key.strip().lower() == field:
            return value.strip()
    return ""
