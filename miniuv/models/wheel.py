"""A wheel, unpacked in the cache and ready to be linked."""

from pathlib import Path

import msgspec
from packaging.direct_url import DirectUrl

from miniuv.models.plan import PlannedInstall
from miniuv.models.source import Sha256
from miniuv.values import dataclass


class WheelFile(msgspec.Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """One regular file of a wheel; a row of its MANIFEST. A struct, for an environment has tens of thousands."""

    path: str
    """``/``-separated, relative to the wheel's root, checked to be safe."""
    size: int
    """Bytes."""
    sha256: Sha256
    executable: bool
    mtime_ns: int
    """Of the unpacked file, so that an edit through a hard link is noticed before it is linked again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpackedWheel:
    """An immutable tree in the cache; ``files`` is its MANIFEST."""

    filename: str
    """The wheel's own file name, from which name, version and tags are read."""
    digest: Sha256
    """Of the wheel file."""
    root: Path
    files: tuple[WheelFile, ...]
    """Sorted by path; RECORD and its signatures included."""
    dist_info: str
    """``gunicorn-22.0.0.dist-info``."""
    boot: str = ""
    """The boot of the machine in which it was unpacked; empty where it was read back whole in a later one."""
    waived: tuple[str, ...] = ()
    """The rules of form that it breaks, and whoever unpacked it allowed (``--allow-wheel``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedWheel:
    """Everything that the transaction needs to know of one distribution."""

    planned: PlannedInstall
    wheel: UnpackedWheel
    direct_url: DirectUrl | None
    """What PEP 610 wants recorded: for direct references only, without credentials."""
