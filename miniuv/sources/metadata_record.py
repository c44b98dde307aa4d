"""Core metadata as a record of the cache."""

from collections.abc import Mapping

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from miniuv.models.metadata import CoreMetadata


def metadata_to_record(metadata: CoreMetadata) -> dict[str, object]:
    """Plain JSON values."""
    return {
        "name": metadata.display_name,
        "version": str(metadata.version),
        "requires_dist": list(metadata.requires_dist),
        "requires_python": None if metadata.requires_python is None else str(metadata.requires_python),
        "provides_extra": sorted(metadata.provides_extra),
    }


def metadata_from_record(record: Mapping[str, object]) -> CoreMetadata | None:
    """What was recorded; ``None`` where the record is not of this form."""
    match record:
        case {
            "name": str(name),
            "version": str(version),
            "requires_dist": list(requires_dist),
            "requires_python": None | str() as requires_python,
            "provides_extra": list(provides_extra),
        }:
            try:
                return CoreMetadata(
                    display_name=name,
                    version=Version(version),
                    requires_dist=tuple(map(str, requires_dist)),
                    requires_python=None if requires_python is None else SpecifierSet(requires_python),
                    provides_extra=frozenset(map(str, provides_extra)),
                )
            except (InvalidVersion, InvalidSpecifier):
                return None
        case _:
            return None
