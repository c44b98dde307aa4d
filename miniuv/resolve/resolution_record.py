"""A ``Resolution`` as a record of the cache, and back; nothing that holds a secret is ever written."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName
from packaging.version import Version

from miniuv.errors import RequirementError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.metadata import CoreMetadata
from miniuv.models.resolution import Candidate, Resolution
from miniuv.models.source import ArchiveSource, CommitId, DirectorySource, IndexFile, PinnedGit, PinnedSource
from miniuv.models.url import Url
from miniuv.sources.metadata_record import metadata_from_record, metadata_to_record

_OTHER_FORM = (KeyError, TypeError, ValueError, AttributeError, RequirementError)


class _UnwritableError(Exception):
    """An address has credentials."""


def resolution_to_record(resolution: Resolution, *, asked: Iterable[PinnedSource] = ()) -> dict[str, object] | None:
    """Plain JSON values; ``None`` where an address has credentials. ``asked`` are all direct sources looked at."""
    try:
        candidates = {
            name: {
                "version": str(candidate.version),
                "source": _source_to_record(candidate.source),
                "hashes": sorted(candidate.hashes),
                "metadata": metadata_to_record(resolution.metadata[name]),
                "dependencies": sorted(resolution.dependencies.get(name, ())),
                "reasons": list(resolution.reasons.get(name, ())),
            }
            for name, candidate in resolution.candidates.items()
        }
        looked_at = [_source_to_record(source) for source in asked]
    except _UnwritableError:
        return None
    return {"candidates": candidates, "requested": sorted(resolution.requested), "asked": looked_at}


def asked_from_record(record: Mapping[str, Any]) -> tuple[PinnedSource, ...] | None:
    """The ``asked`` that were recorded; ``None`` where the record is not of this form."""
    try:
        return tuple(map(_source_from_record, record["asked"]))
    except _OTHER_FORM:
        return None


def resolution_from_record(
    record: Mapping[str, Any], *, installed: Iterable[InstalledDistribution] = ()
) -> Resolution | None:
    """What was recorded; ``None`` where the record is not of this form.

    ``installed`` is what was installed when it was recorded, for what of it was to be kept.
    """
    present = {str(distribution.info): distribution for distribution in installed}
    try:
        entries = {NormalizedName(name): facts for name, facts in record["candidates"].items()}
        metadata = {name: _metadata(facts["metadata"]) for name, facts in entries.items()}
        return Resolution(
            candidates={
                name: Candidate(
                    name=name,
                    version=Version(facts["version"]),
                    source=_candidate_source(facts["source"], present),
                    hashes=frozenset(facts["hashes"]),
                )
                for name, facts in entries.items()
            },
            metadata=metadata,
            requested=frozenset(map(NormalizedName, record["requested"])),
            dependencies={
                name: frozenset(map(NormalizedName, facts["dependencies"])) for name, facts in entries.items()
            },
            reasons={name: tuple(facts["reasons"]) for name, facts in entries.items()},
        )
    except _OTHER_FORM:
        return None


def _candidate_source(
    record: Mapping[str, Any], present: Mapping[str, InstalledDistribution]
) -> PinnedSource | InstalledDistribution:
    return present[record["installed"]] if "installed" in record else _source_from_record(record)


def _metadata(record: Mapping[str, object]) -> CoreMetadata:
    metadata = metadata_from_record(record)
    if metadata is None:
        raise ValueError("no metadata")
    return metadata


def _source_to_record(source: PinnedSource | InstalledDistribution) -> dict[str, object]:
    match source:
        case DirectorySource(path=path, editable=editable):
            return {"path": str(path), "editable": editable}
        case PinnedGit():
            return {
                "repository": _address(source.repository),
                "commit": source.commit,
                "requested": source.requested,
                "subdirectory": source.subdirectory,
            }
        case ArchiveSource():
            return {
                "archive": _address(source.url),
                "hashes": dict(source.hashes),
                "subdirectory": source.subdirectory,
            }
        case IndexFile():
            return {
                "filename": source.filename,
                "url": _address(source.url),
                "index": source.index,
                "hashes": dict(source.hashes),
                "metadata_hashes": None if source.metadata_hashes is None else dict(source.metadata_hashes),
                "requires_python": source.requires_python,
                "yanked": source.yanked,
                "size": source.size,
            }
        case InstalledDistribution(info=info):
            return {"installed": str(info)}


def _source_from_record(record: Mapping[str, Any]) -> PinnedSource:
    if "path" in record:
        return DirectorySource(path=Path(record["path"]), editable=record["editable"])
    if "repository" in record:
        return PinnedGit(
            repository=Url.parse(record["repository"]),
            commit=CommitId(record["commit"]),
            requested=record["requested"],
            subdirectory=record["subdirectory"],
        )
    if "archive" in record:
        return ArchiveSource(
            url=Url.parse(record["archive"]), hashes=record["hashes"], subdirectory=record["subdirectory"]
        )
    return IndexFile(**{**record, "url": Url.parse(record["url"])})


def _address(url: Url) -> str:
    if url.reveal() != url.shown:
        raise _UnwritableError
    return url.shown
