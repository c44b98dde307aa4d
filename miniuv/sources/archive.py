"""Wheels and sdists, from an index or by address."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from miniuv.archive.intact import hash_file
from miniuv.cache.store import Store
from miniuv.cache.trouble import refuse_scarcity
from miniuv.errors import ArchiveError, CacheError, HashMismatchError, ProjectError
from miniuv.index.download import Download
from miniuv.index.package_index import PackageIndex
from miniuv.models.interpreter import Interpreter
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import ArchiveSource, IndexFile
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.core_metadata import parse_metadata, static_sdist_metadata
from miniuv.sources.built import BuiltWheels, SourceTree
from miniuv.sources.once import Once
from miniuv.sources.wheels import Wheels, wheel_metadata

Archive = IndexFile | ArchiveSource

_ATTEMPTS = 3
_WHEEL_NAME = "give it the name it was built with: `name-version-python-abi-platform.whl`"

T = TypeVar("T")


class Archives:
    """The ``Source`` of ``IndexFile`` and ``ArchiveSource``."""

    def __init__(
        self, *, index: PackageIndex, store: Store, wheels: Wheels, built: BuiltWheels, interpreter: Interpreter
    ) -> None:
        self._index = index
        self._interpreter = interpreter
        self._store = store
        self._wheels = wheels
        self._built = built
        self.download = Once(
            index.download, holds=lambda download: store.holds(download.path), check_free=built.check_free
        )
        self.metadata = Once(partial(_told, self._metadata), check_free=built.check_free)
        self.wheel = Once(partial(_told, self._wheel), holds=wheels.holds, check_free=built.check_free)

    def check_hashes(self, pinned: Archive, hashes: frozenset[str]) -> None:
        """Raise ``HashMismatchError`` where the archive has none of ``hashes`` (``sha256:…``)."""
        if any(f"{algorithm}:{digest}" in hashes for algorithm, digest in pinned.hashes.items()):
            return  # what was promised is checked while it is downloaded
        download = self._checked(pinned)
        for algorithm in sorted({text.partition(":")[0] for text in hashes}):
            with download.path.open("rb") as file:
                digest = hashlib.file_digest(file, algorithm).hexdigest()
            if f"{algorithm}:{digest}" in hashes:
                return
        raise HashMismatchError(
            f"`{pinned.filename}` has the sha256 {download.sha256}, and none of the given hashes: "
            f"{', '.join(sorted(hashes))}",
            hint="the file was changed, or the hash is wrong: do not install it before you know which",
        )

    def _metadata(self, pinned: Archive) -> CoreMetadata:
        if isinstance(pinned, ArchiveSource) and pinned.filename.endswith(".whl"):
            self._check_tags(pinned)
        if isinstance(pinned, IndexFile) and (text := self._index.metadata(pinned)) is not None:
            return parse_metadata(text, where=f"{pinned.filename}.metadata")
        if pinned.filename.endswith(".whl"):
            return self._metadata_inside(pinned)
        if found := self._built.find(self._identity(pinned)):
            return wheel_metadata(found)
        from miniuv.archive.sdist import read_pkg_info

        # PKG-INFO speaks of what lies at the top.
        text = None if _subdirectory(pinned) else read_pkg_info(self._checked(pinned).path, filename=pinned.filename)
        if text is not None and (static := static_sdist_metadata(text)):
            return static
        return self._built.metadata(self._tree(pinned))

    def _metadata_inside(self, pinned: Archive) -> CoreMetadata:
        """Out of the wheel; one of an index is not unpacked before it is chosen."""
        if isinstance(pinned, ArchiveSource):
            return wheel_metadata(self.wheel(pinned))
        if found := self._wheels.find(self.download(pinned).sha256):
            return wheel_metadata(found)
        from miniuv.archive.wheel import read_wheel_metadata

        text = read_wheel_metadata(self._checked(pinned).path, filename=pinned.filename)
        return parse_metadata(text, where=f"{pinned.filename}: METADATA")

    def _wheel(self, pinned: Archive) -> UnpackedWheel:
        if pinned.filename.endswith(".whl"):
            if found := self._wheels.find(self.download(pinned).sha256):
                return found
            download = self._checked(pinned)
            return self._wheels.obtain(download.path, filename=download.filename, digest=download.sha256)
        return self._built.find(self._identity(pinned)) or self._built.wheel(self._tree(pinned))

    def _check_tags(self, pinned: ArchiveSource) -> None:
        """Refuse a wheel for another Python or platform; those of an index were sorted out before."""
        try:
            _, _, _, tags = parse_wheel_filename(pinned.filename)
        except InvalidWheelFilename as error:
            raise ArchiveError(
                f"`{pinned.filename}` is no name of a wheel", where=str(pinned), hint=_WHEEL_NAME
            ) from error
        supported = frozenset(self._interpreter.tags)
        if not any(str(tag) in supported for tag in tags):
            raise ArchiveError(
                f"`{pinned.filename}` is for {', '.join(sorted(map(str, tags)))}, which does not fit "
                f"{self._interpreter.implementation} {self._interpreter.version} ({self._interpreter.tags[0]})",
                where=str(pinned),
                hint="take the wheel for this Python and platform, or choose another Python with `--python`",
            )

    def _checked(self, pinned: Archive) -> Download:
        """The archive, to be read: one that is not what its name in the cache says is dropped and fetched anew."""
        for _ in range(_ATTEMPTS):
            download = self.download(pinned)
            if self._store.is_verified("blobs", download.sha256):
                return download
            if _has_digest(download.path, download.sha256):
                self._store.mark_verified("blobs", download.sha256)
                return download
            self._store.discard("blobs", download.sha256)
        raise CacheError(
            f"`{pinned.filename}` is damaged in the cache as often as it is fetched",
            where=str(download.path),
            hint="check the disk, or choose another folder with `--cache-dir`",
        )

    def _identity(self, pinned: Archive) -> str:
        return f"sdist {self.download(pinned).sha256} {_subdirectory(pinned)}"

    def _tree(self, pinned: Archive) -> SourceTree:
        from miniuv.archive.sdist import unpack_sdist

        download = self._checked(pinned)

        def copy_to(folder: Path) -> Path:
            top = unpack_sdist(download.path, folder, filename=pinned.filename)
            project = top / _subdirectory(pinned)
            if not project.is_dir():
                raise ProjectError(
                    f"`{pinned.filename}` has no folder `{_subdirectory(pinned)}`",
                    where=str(pinned),
                    hint=f"its folders are {', '.join(f'`{each}`' for each in _folders(top)) or 'none'}",
                )
            return project

        return SourceTree(identity=self._identity(pinned), title=pinned.filename, copy_to=copy_to)


def _told(work: Callable[[Archive], T], pinned: Archive) -> T:
    """Do ``work``; a file of this machine that is no good can only be mended here."""
    try:
        return work(pinned)
    except ArchiveError as error:
        if error.hint is None and pinned.url.scheme == "file":
            error.hint = "make the file anew, or download it again"
        raise


def _subdirectory(pinned: Archive) -> str:
    return (pinned.subdirectory or "") if isinstance(pinned, ArchiveSource) else ""


def _folders(top: Path) -> list[str]:
    return sorted(path.name for path in top.iterdir() if path.is_dir())[:8]


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return hash_file(path) == digest
    except OSError as error:
        refuse_scarcity(error, path)
        return False
