"""What an sdist says that it is: the wheel that is built of it has to be that, or is not kept."""

from collections.abc import Iterable
from pathlib import Path

from packaging.utils import InvalidSdistFilename, NormalizedName, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from miniuv.errors import BackendError, MetadataError
from miniuv.project.core_metadata import read_headers
from miniuv.project.pep508 import parse_version
from miniuv.values import dataclass

_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar", ".zip")


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """A name and a version, and who gave them."""

    name: NormalizedName
    version: Version
    by: str
    """For people: a file name, ``PKG-INFO``."""

    def is_kept_by(self, name: NormalizedName, version: Version) -> bool:
        """Whether the two are what was promised; a build may add a local version (``1.0+cu12``)."""
        return name == self.name and (version == self.version or Version(version.public) == self.version)

    def is_also_of(self, folder: str) -> bool:
        """Whether a folder of this name says the same."""
        other = promise_of_filename(f"{folder}.tar.gz")
        return other is not None and (other.name, other.version) == (self.name, self.version)


def promise_of_filename(filename: str) -> Promise | None:
    """What the name of an sdist of an index says (PEP 625, and older spellings of it); ``None`` for another name."""
    suffix = next((suffix for suffix in _SUFFIXES if filename.endswith(suffix)), "")
    stem, _, version = filename.removesuffix(suffix).rpartition("-")
    try:
        name, _ = parse_sdist_filename(f"{stem}-1.tar.gz")
        return Promise(name=name, version=parse_version(version), by=filename)
    except (InvalidSdistFilename, InvalidVersion):
        return None


def promise_of_pkg_info(folder: Path) -> Promise | None:
    """What PKG-INFO at the top of an unpacked sdist says; ``None`` where it does not say both, as in old ones."""
    try:
        headers = read_headers((folder / "PKG-INFO").read_bytes(), "PKG-INFO")
    except (OSError, MetadataError):
        return None
    names, versions = headers.get("name", []), headers.get("version", [])
    try:
        if len(names) == len(versions) == 1:
            name = canonicalize_name(names[0].strip())
            return Promise(name=name, version=parse_version(versions[0].strip()), by="PKG-INFO")
    except InvalidVersion:
        return None
    return None


def check_promises(promises: Iterable[Promise], *, name: NormalizedName, version: Version, title: str) -> None:
    """Raise ``BackendError`` where ``name`` and ``version``, as built or prepared, are not what was promised."""
    for promise in promises:
        if not promise.is_kept_by(name, version):
            by = f"its {promise.by}" if promise.by == "PKG-INFO" else f"its name, `{promise.by}`,"
            raise BackendError(
                f"the backend made `{name} {version}` of it, and {by} says `{promise.name} {promise.version}`",
                where=title,
                hint="tell its author, or choose another version",
            )
