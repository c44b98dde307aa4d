"""Wheels and sdists, from an index or by address."""

import hashlib
from collections.abc import Callable, Sequence
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
from miniuv.reporter import Reporter
from miniuv.sources.built import BuiltWheels, SourceTree
from miniuv.sources.once import Once
from miniuv.sources.promises import Promise, promise_of_filename, promise_of_pkg_info
from miniuv.sources.wheels import Wheels, metadata_digest, wheel_metadata

Archive = IndexFile | ArchiveSource

_ATTEMPTS = 3
_TAGS_SHOWN = 12
_WHEEL_NAME = "give it the name it was built with: `name-version-python-abi-platform.whl`"

T = TypeVar("T")


class Archives:
    """The ``Source`` of ``IndexFile`` and ``ArchiveSource``."""

    def __init__(
        self,
        *,
        index: PackageIndex,
        store: Store,
        wheels: Wheels,
        built: BuiltWheels,
        interpreter: Interpreter,
        reporter: Reporter,
    ) -> None:
        self._index = index
        self._reporter = reporter
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
            wheel = self._wheels.find(self.download(pinned).sha256)
            if wheel is None:
                download = self._checked(pinned)
                wheel = self._wheels.obtain(download.path, filename=download.filename, digest=download.sha256)
            if isinstance(pinned, IndexFile):
                self._check_metadata(pinned, wheel)
            return wheel
        return self._built.find(self._identity(pinned)) or self._built.wheel(self._tree(pinned))

    def _check_metadata(self, pinned: IndexFile, wheel: UnpackedWheel) -> None:
        """Refuse a wheel that says something else inside than the index does beside it (PEP 658).

        Other bytes are no harm as long as they say the same.
        """
        told = self._index.metadata_digest(pinned)
        if told is None or told == metadata_digest(wheel) or (text := self._index.metadata(pinned)) is None:
            return
        inside, beside = wheel_metadata(wheel), parse_metadata(text, where=f"{pinned.filename}.metadata")
        if inside != beside:
            raise ArchiveError(
                f"the METADATA of `{pinned.filename}` is not what the index says beside it (PEP 658)",
                where=str(pinned.url),
                hint="tell whoever runs the index, or choose another version",
            )

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
                hint="take the wheel for this Python and platform, or choose another Python with `--python`; "
                f"this one takes {_some_tags(self._interpreter.tags)}",
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
        named = promise_of_filename(pinned.filename)

        def copy_to(folder: Path) -> Path:
            top = unpack_sdist(download.path, folder, filename=pinned.filename)
            if named is not None and (top / "PKG-INFO").is_file() and not named.is_also_of(top.name):
                self._reporter.warning(
                    f"`{pinned.filename}` holds the folder `{top.name}`, which is not named like it",
                    hint="tell its author; it is built all the same",
                )
            project = top / _subdirectory(pinned)
            if not project.is_dir():
                raise ProjectError(
                    f"`{pinned.filename}` has no folder `{_subdirectory(pinned)}`",
                    where=str(pinned),
                    hint=f"its folders are {', '.join(f'`{each}`' for each in _folders(top)) or 'none'}",
                )
            return project

        def promises(project: Path) -> tuple[Promise, ...]:
            by_name = named if isinstance(pinned, IndexFile) else None  # anything may be at an address by any name
            by_content = None if _subdirectory(pinned) else promise_of_pkg_info(project)
            return tuple(each for each in (by_name, by_content) if each is not None)

        return SourceTree(identity=self._identity(pinned), title=pinned.filename, copy_to=copy_to, promises=promises)


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


def _some_tags(tags: Sequence[str]) -> str:
    """The tags that a Python supports, from the best: one of each interpreter and ABI, for there are hundreds."""
    kinds: dict[str, str] = {}
    for tag in tags:
        kinds.setdefault(tag.rpartition("-")[0] + ("" if tag.endswith("-any") else "-"), tag)
    shown = [f"`{tag}`" for tag in kinds.values()]
    first, last = shown[:_TAGS_SHOWN], shown[-1:]
    return ", ".join(first if len(shown) <= _TAGS_SHOWN else [*first, "…", *last]) + f" ({len(tags)} in all)"


def _folders(top: Path) -> list[str]:
    return sorted(path.name for path in top.iterdir() if path.is_dir())[:8]


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return hash_file(path) == digest
    except OSError as error:
        refuse_scarcity(error, path)
        return False
