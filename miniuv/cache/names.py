"""Names for people, from what lies in the cache; nothing but listings and clean-ups by name depends on them."""

import re
from pathlib import Path

from packaging.utils import canonicalize_name

from miniuv.cache.records import unpack_record
from miniuv.values import dataclass

_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_SUFFIXES = (".metadata", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".zip")
_NAME_LIMIT = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """What a record says, as far as it matters to people."""

    name: str
    """A file's name, an address, or the first words of the action."""
    projects: frozenset[str]
    """Of the file, and of the repository or page that the address leads to."""
    values: tuple[str, ...]
    """Every text that the record holds at its top."""


def read_action(path: Path) -> Action | None:
    """Read a record's file; ``None`` where it makes no sense. Raises ``OSError``."""
    unpacked = unpack_record(path.read_bytes())
    if unpacked is None:
        return None
    action, record = unpacked
    first = action.partition("\n")[0]
    address = _URL.search(first)
    filename = record.get("filename")
    name = filename if isinstance(filename, str) else address[0] if address else first
    places = [filename] if isinstance(filename, str) else []
    places += [address[0]] if address else []
    return Action(
        name=name[:_NAME_LIMIT],
        projects=frozenset(filter(None, map(project_of, places))),
        values=tuple(value for value in record.values() if isinstance(value, str)),
    )


def distributions_in(entry: Path, kind: str) -> tuple[str, ...]:
    """The distributions, as ``name version``, that an unpacked wheel, its bytecode or a build environment is of."""
    if kind in ("unpacked", "bytecode"):
        pattern = "tree/*.dist-info"
    elif kind == "build-environments":
        pattern = "lib/*/site-packages/*.dist-info"
    else:
        return ()
    return tuple(sorted(_title(found.name) for found in entry.glob(pattern)))


def project_of(name: str) -> str:
    """The normalized name of the project that a file's name, an address or a repository's name points to."""
    last = re.split(r"[?#]", name, maxsplit=1)[0].rstrip("/").rpartition("/")[2]
    if last.endswith((".whl", ".whl.metadata")):
        return canonicalize_name(last.partition("-")[0])
    for suffix in _SUFFIXES:
        if last.endswith(suffix):
            stem = last.removesuffix(suffix)
            return canonicalize_name(stem.rpartition("-")[0] or stem)
    return canonicalize_name(last.removesuffix(".git"))


def _title(dist_info: str) -> str:
    name, _, version = dist_info.removesuffix(".dist-info").partition("-")
    return f"{canonicalize_name(name)} {version}".rstrip()
