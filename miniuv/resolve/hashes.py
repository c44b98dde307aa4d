"""``--require-hashes``: nothing is installed that was not promised, byte for byte; pure."""

from collections.abc import Sequence

from miniuv.errors import ResolutionError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.requirement import Requirement
from miniuv.models.resolution import Candidate, Resolution
from miniuv.models.source import ArchiveSource, DirectorySource, IndexFile, PinnedGit


def check_all_hashed(resolution: Resolution, requirements: Sequence[Requirement]) -> None:
    """Raise ``ResolutionError`` where something is to be installed without a hash, or is not pinned.

    A full commit counts as the hash of a git requirement: git checks the whole tree against it.
    """
    unpinned = sorted(str(each) for each in requirements if each.source is None and not _is_pinned(each))
    if unpinned:
        raise ResolutionError(
            f"with `--require-hashes` every requirement is pinned, and these are not: {', '.join(unpinned)}",
            hint="write `name==version --hash=sha256:…`",
        )
    missing = [candidate for candidate in resolution.candidates.values() if not _is_promised(candidate)]
    if missing:
        lines = [f"{candidate}{_requirers(candidate, resolution)}" for candidate in missing]
        raise ResolutionError(
            "\n  ".join(("with `--require-hashes` everything needs a hash, and these have none:", *lines)),
            hint="write `name==version --hash=sha256:…` for each; a git requirement needs its full commit",
        )


def _is_pinned(requirement: Requirement) -> bool:
    return any(
        each.operator == "===" or (each.operator == "==" and not each.version.endswith(".*"))
        for each in requirement.specifier
    )


def _is_promised(candidate: Candidate) -> bool:
    match candidate.source:
        case InstalledDistribution():
            return True  # it is there, and stays
        case PinnedGit(commit=commit, requested=requested):
            return requested == commit
        case ArchiveSource(hashes=hashes):
            return bool(hashes or candidate.hashes)
        case IndexFile():
            return bool(candidate.hashes)
        case DirectorySource():
            return False


def _requirers(candidate: Candidate, resolution: Resolution) -> str:
    names = sorted(name for name, needed in resolution.dependencies.items() if candidate.name in needed)
    return f", required by {', '.join(names)}" if names else ""
