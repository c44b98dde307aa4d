"""The MANIFEST of an unpacked wheel: what lies in the tree, so that nobody has to walk or hash it again."""

import re
from pathlib import Path

import msgspec

from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel, WheelFile

TREE = "tree"
MANIFEST = "MANIFEST"

_FORMAT = 1

# An empty, `.` or `..` part. One search over all paths at once: environments have tens of thousands.
_UNSAFE = re.compile(r"^(?:[^\n]*/)?\.{0,2}(?:/|$)", re.MULTILINE)


class _Row(msgspec.Struct, array_like=True, frozen=True):
    path: str
    size: int
    sha256: str
    executable: bool
    mtime_ns: int


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    filename: str
    digest: str
    dist_info: str
    files: tuple[_Row, ...]


def write_manifest(wheel: UnpackedWheel, entry: Path) -> None:
    """Write ``entry/MANIFEST``; raises ``OSError``."""
    rows = tuple(
        _Row(path=file.path, size=file.size, sha256=file.sha256, executable=file.executable, mtime_ns=file.mtime_ns)
        for file in wheel.files
    )
    manifest = _Manifest(
        format=_FORMAT, filename=wheel.filename, digest=wheel.digest, dist_info=wheel.dist_info, files=rows
    )
    (entry / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def load_unpacked(entry: Path) -> UnpackedWheel | None:
    """Read an entry back; ``None`` where there is none, or none that this version understands."""
    try:
        manifest = msgspec.json.decode((entry / MANIFEST).read_bytes(), type=_Manifest)
    except (OSError, msgspec.DecodeError):
        return None
    if manifest.format != _FORMAT or not (entry / TREE).is_dir():
        return None
    if _UNSAFE.search("\n".join(row.path for row in manifest.files)):
        return None
    return UnpackedWheel(
        filename=manifest.filename,
        digest=Sha256(manifest.digest),
        root=entry / TREE,
        dist_info=manifest.dist_info,
        files=tuple(
            WheelFile(
                path=row.path,
                size=row.size,
                sha256=Sha256(row.sha256),
                executable=row.executable,
                mtime_ns=row.mtime_ns,
            )
            for row in manifest.files
        ),
    )
