"""``Outcome`` to the lines that end a command, as users of uv know them; pure."""

from collections.abc import Iterator

from packaging.direct_url import DirectUrl

from miniuv.models.installed import InstalledDistribution
from miniuv.models.outcome import Outcome
from miniuv.models.plan import PlannedInstall
from miniuv.models.source import DirectorySource, IndexFile
from miniuv.report.style import Style
from miniuv.report.words import packages

_MAX_REASONS = 3
"""Of one package; a common dependency has dozens."""


def change_lines(outcome: Outcome, *, style: Style) -> Iterator[str]:
    """One line a change, by name: ``+ name==version (from …)``, ``- name==version``, ``~`` for the same again."""
    changes: list[tuple[str, int, str]] = []
    for planned in outcome.plan.installs:
        new = _version(planned.candidate.version, _place(planned))
        same = False
        for old in planned.replaces:
            shown = _version(old.metadata.version, _installed_place(old))
            if old.metadata.version == planned.candidate.version and _installed_place(old) == _place(planned):
                same = True
            else:
                changes.append((old.name, 0, f" {style('-', 'red')} {style(old.name, 'bold')}{shown}"))
        mark = style("~", "yellow") if same else style("+", "green")
        name = planned.candidate.name
        changes.append((name, 1, f" {mark} {style(name, 'bold')}{new}"))
    for removal in outcome.plan.removals:
        old = removal.installed
        shown = _version(old.metadata.version, _installed_place(old))
        changes.append((old.name, 0, f" {style('-', 'red')} {style(old.name, 'bold')}{shown}"))
    for _, _, line in sorted(changes):
        yield line


def reason_lines(outcome: Outcome) -> Iterator[str]:
    """Why each package is installed, reinstalled or removed, and who wants it."""
    for planned in outcome.plan.installs:
        why = [] if planned.kind == "install" else [planned.reason]
        wanted = outcome.resolution.reasons.get(planned.candidate.name, ()) if outcome.resolution else ()
        why += wanted[:_MAX_REASONS]
        if len(wanted) > _MAX_REASONS:
            why.append(f"and {len(wanted) - _MAX_REASONS} more")
        yield f"{planned.kind} {planned.candidate}: {'; '.join(why or [planned.reason])}"
    for removal in outcome.plan.removals:
        yield f"remove {removal.installed}: {removal.reason}"


def place_lines(outcome: Outcome) -> Iterator[str]:
    """Where each resolved package comes from."""
    for candidate in outcome.resolution.candidates.values() if outcome.resolution else ():
        match candidate.source:
            case InstalledDistribution():
                yield f"{candidate} is installed"
            case IndexFile(index=index, filename=filename):
                yield f"{candidate} is {filename} from {index}"
            case source:
                yield f"{candidate} is from {source}"


def summary_lines(outcome: Outcome, *, style: Style) -> Iterator[str]:
    """What would be done by a dry run."""
    plan = outcome.plan
    removed = len(plan.removals) + sum(len(planned.replaces) for planned in plan.installs)
    if plan.is_empty:
        yield style("Would make no changes", "bold")
    if plan.installs:
        yield style(f"Would download or build {packages(len(plan.installs))}", "dim")
    if removed:
        yield style(f"Would uninstall {packages(removed)}", "dim")
    if plan.installs:
        yield style(f"Would install {packages(len(plan.installs))}", "dim")


def _version(version: object, place: str | None) -> str:
    return f"=={version} (from {place})" if place else f"=={version}"


def _place(planned: PlannedInstall) -> str | None:
    source = planned.candidate.source
    if isinstance(source, IndexFile | InstalledDistribution):
        return None
    return source.path.as_uri() if isinstance(source, DirectorySource) else str(source)


def _installed_place(distribution: InstalledDistribution) -> str | None:
    return direct_url_text(distribution.direct_url) if distribution.direct_url is not None else None


def direct_url_text(direct_url: DirectUrl, *, hashed: bool = False) -> str:
    """The form that pip reads again: ``git+https://host/repo@<commit>#subdirectory=sub``.

    ``hashed``: with the sha256 of an archive, so that only the very same one is installed again.
    """
    text = direct_url.url
    fragments = []
    if direct_url.vcs_info is not None:
        text = f"{direct_url.vcs_info.vcs}+{text}@{direct_url.vcs_info.commit_id}"
    if (
        hashed
        and direct_url.archive_info is not None
        and (digest := (direct_url.archive_info.hashes or {}).get("sha256"))
    ):
        fragments.append(f"sha256={digest}")
    if direct_url.subdirectory:
        fragments.append(f"subdirectory={direct_url.subdirectory}")
    return f"{text}#{'&'.join(fragments)}" if fragments else text
