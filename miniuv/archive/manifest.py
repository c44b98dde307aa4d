"""The MANIFEST of an unpacked wheel: what lies in the tree, so that nobody has to walk or hash it again."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from miniuv.cache.records import with_checksum, without_checksum
from miniuv.cache.trouble import refuse_scarcity
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel, WheelFile

TREE = "tree"
MANIFEST = "MANIFEST"

_FORMAT = 1

# An empty, `.` or `..` part. One search over all paths at once: environments have tens of thousands.
_UNSAFE = re.compile(r"^(?:[^\n]*/)?\.{0,2}(?:/|$)", re.MULTILINE)


class _Manifest(msgspec.Struct, frozen=True):
    format: int
    filename: str
    digest: str
    dist_info: str
    files: tuple[WheelFile, ...]
    boot: str = "unknown"
    waived: tuple[str, ...] = ()


# Made at import, by one thread: msgspec looks a type over when it first decodes it, and two threads at that crash.
_MANIFESTS = msgspec.json.Decoder(_Manifest)


def write_manifest(wheel: UnpackedWheel, entry: Path) -> None:
    """Write ``entry/MANIFEST``; raises ``OSError``."""
    manifest = _Manifest(
        format=_FORMAT,
        filename=wheel.filename,
        digest=wheel.digest,
        dist_info=wheel.dist_info,
        files=wheel.files,
        boot=wheel.boot,
        waived=wheel.waived,
    )
    (entry / MANIFEST).write_bytes(with_checksum(msgspec.json.encode(manifest)))


def load_unpacked(entry: Path) -> UnpackedWheel | None:
    """Read an entry back; ``None`` where there is none, or none that this version understands.

    Raises ``CacheError`` where no file can be opened any more.
    """
    try:
        data = without_checksum((entry / MANIFEST).read_bytes())
    except OSError as error:
        refuse_scarcity(error, entry)
        return None
    try:
        manifest = _MANIFESTS.decode(data or b"")
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if manifest.format != _FORMAT or not (entry / TREE).is_dir():
        return None
    if not _is_sane(manifest.files):
        return None
    return UnpackedWheel(
        filename=manifest.filename,
        digest=Sha256(manifest.digest),
        root=entry / TREE,
        dist_info=manifest.dist_info,
        boot=manifest.boot,
        waived=manifest.waived,
        files=manifest.files,
    )


def _is_sane(rows: Sequence[WheelFile]) -> bool:
    """Whether nothing in a manifest that somebody edited could lead out of the tree, or trip who uses it."""
    paths, digests = "\n".join(row.path for row in rows), "".join(row.sha256 for row in rows)
    if "\0" in paths or _UNSAFE.search(paths):
        return False
    try:
        return len(bytes.fromhex(digests)) == 32 * len(rows)
    except ValueError:
        return False
