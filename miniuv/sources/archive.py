"""Wheels and sdists, from an index or by address."""

from pathlib import Path

from miniuv.archive.sdist import read_pkg_info, unpack_sdist
from miniuv.cache.store import Store
from miniuv.errors import ProjectError
from miniuv.index.package_index import PackageIndex
from miniuv.models.metadata import CoreMetadata
from miniuv.models.source import ArchiveSource, IndexFile
from miniuv.models.wheel import UnpackedWheel
from miniuv.project.core_metadata import parse_metadata, static_sdist_metadata
from miniuv.sources.built import BuiltWheels, SourceTree
from miniuv.sources.once import Once
from miniuv.sources.wheels import Wheels, wheel_metadata

Archive = IndexFile | ArchiveSource


class Archives:
    """The ``Source`` of ``IndexFile`` and ``ArchiveSource``."""

    def __init__(self, *, index: PackageIndex, store: Store, wheels: Wheels, built: BuiltWheels) -> None:
        self._index = index
        self._store = store
        self._wheels = wheels
        self._built = built
        self.download = Once(index.download)
        self.metadata = Once(self._metadata)
        self.wheel = Once(self._wheel)

    def _metadata(self, pinned: Archive) -> CoreMetadata:
        if isinstance(pinned, IndexFile) and (text := self._index.metadata(pinned)) is not None:
            return parse_metadata(text, where=f"{pinned.filename}.metadata")
        if pinned.filename.endswith(".whl"):
            return wheel_metadata(self.wheel(pinned))
        if found := self._built.find(self._identity(pinned)):
            return wheel_metadata(found)
        if (text := read_pkg_info(self.download(pinned).path)) and (static := static_sdist_metadata(text)):
            return static
        return self._built.metadata(self._tree(pinned))

    def _wheel(self, pinned: Archive) -> UnpackedWheel:
        download = self.download(pinned)
        if pinned.filename.endswith(".whl"):
            return self._wheels.obtain(download.path, filename=download.filename, digest=download.sha256)
        return self._built.find(self._identity(pinned)) or self._built.wheel(self._tree(pinned))

    def _identity(self, pinned: Archive) -> str:
        subdirectory = (pinned.subdirectory or "") if isinstance(pinned, ArchiveSource) else ""
        return f"sdist {self.download(pinned).sha256} {subdirectory}"

    def _tree(self, pinned: Archive) -> SourceTree:
        download = self.download(pinned)

        def copy_to(folder: Path) -> Path:
            top = unpack_sdist(download.path, folder)
            if isinstance(pinned, ArchiveSource) and pinned.subdirectory:
                top = top / pinned.subdirectory
                if not top.is_dir():
                    raise ProjectError(f"`{pinned.filename}` has no folder `{pinned.subdirectory}`", where=str(pinned))
            return top

        return SourceTree(identity=self._identity(pinned), title=pinned.filename, copy_to=copy_to)
