"""Compare what was resolved with what is installed, and say what is to be done and why. Pure."""

from collections.abc import Sequence

from packaging.direct_url import DirectUrl

from miniuv.errors import RequirementError
from miniuv.models.installed import InstalledDistribution
from miniuv.models.plan import Plan, PlannedInstall
from miniuv.models.request import InstallOptions
from miniuv.models.resolution import Candidate, Resolution
from miniuv.models.source import ArchiveSource, DirectorySource, IndexFile, PinnedGit, canonical_repository
from miniuv.models.url import Url, redact


def make_plan(resolution: Resolution, installed: Sequence[InstalledDistribution], options: InstallOptions) -> Plan:
    """Decide for each resolved name whether it is installed, reinstalled or kept; other names are not touched."""
    installs: list[PlannedInstall] = []
    kept: list[InstalledDistribution] = []
    for name, candidate in sorted(resolution.candidates.items()):
        present = tuple(distribution for distribution in installed if distribution.name == name)
        reason = _reason(candidate, present, options)
        if reason is None:
            kept += present
            continue
        requested = name in resolution.requested or any(distribution.requested for distribution in present)
        installs.append(PlannedInstall(candidate=candidate, replaces=present, requested=requested, reason=reason))
    return Plan(installs=tuple(installs), kept=tuple(kept))


def _reason(candidate: Candidate, present: tuple[InstalledDistribution, ...], options: InstallOptions) -> str | None:
    """Answer why ``candidate`` is to be installed; ``None``: what is present will do."""
    if isinstance(candidate.source, InstalledDistribution):
        return None
    if not present:
        return "not installed"
    if len(present) > 1:
        return f"installed {len(present)} times: {' and '.join(str(one.metadata.version) for one in present)}"
    if options.reinstall or candidate.name in options.reinstall_packages:
        return "reinstall asked for"
    (current,) = present
    if current.problem is not None:
        return f"broken: {current.problem}"
    return _changed_source(candidate.source, current.direct_url) or _changed_version(candidate, current)


def _changed_version(candidate: Candidate, current: InstalledDistribution) -> str | None:
    if candidate.version == current.metadata.version:
        return None
    return f"version changed from {current.metadata.version} to {candidate.version}"


def _changed_source(
    source: DirectorySource | ArchiveSource | PinnedGit | IndexFile, was: DirectUrl | None
) -> str | None:
    match source:
        case DirectorySource():
            return "editable" if source.editable else "a local folder may have changed"
        case IndexFile():
            return None if was is None else f"installed from {redact(was.url)}, now from {source.index}"
        case PinnedGit():
            return _changed_git(source, was)
        case ArchiveSource():
            return _changed_archive(source, was)


def _changed_git(source: PinnedGit, was: DirectUrl | None) -> str | None:
    if was is None or was.vcs_info is None or was.vcs_info.vcs != "git":
        return _moved(was, source)
    before, after = _address(was.url), source.repository
    if before is None or canonical_repository(before) != canonical_repository(after):
        return f"repository changed from {redact(was.url)} to {after}"
    if was.vcs_info.commit_id != source.commit:
        return f"commit changed from {was.vcs_info.commit_id[:7]} to {source.commit[:7]}"
    return _changed_subdirectory(was, source)


def _changed_archive(source: ArchiveSource, was: DirectUrl | None) -> str | None:
    if was is None or was.archive_info is None:
        return _moved(was, source)
    if _address(was.url) != source.url:
        return f"address changed from {redact(was.url)} to {source.url}"
    recorded = was.archive_info.hashes or {}
    common = recorded.keys() & source.hashes.keys()
    if any(recorded[algorithm].lower() != source.hashes[algorithm].lower() for algorithm in common):
        return "the archive's hash changed"
    if not common and source.url.scheme == "file":
        return "a local archive may have changed"
    return _changed_subdirectory(was, source)


def _changed_subdirectory(was: DirectUrl, source: PinnedGit | ArchiveSource) -> str | None:
    before, after = was.subdirectory or "", source.subdirectory or ""
    return None if before == after else f"subdirectory changed from `{before or '.'}` to `{after or '.'}`"


def _moved(was: DirectUrl | None, source: PinnedGit | ArchiveSource) -> str:
    return f"installed from {redact(was.url) if was else 'an index'}, now from {source}"


def _address(text: str) -> Url | None:
    """Read an address that some installer recorded; it need not be one."""
    try:
        return Url.parse(text)
    except RequirementError:
        return None
