"""What an installed distribution owns: the files that go when it goes."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from miniuv.errors import InstallError
from miniuv.install.layout import Layout, RealPlaces
from miniuv.install.legacy import legacy_files
from miniuv.install.record import read_record, recorded_paths
from miniuv.models.installed import InstalledDistribution
from miniuv.reporter import Reporter
from miniuv.values import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnedFiles:
    """One distribution that leaves the environment."""

    title: str
    info: str
    """Its ``.dist-info`` or ``.egg-info``, by its real path."""
    paths: tuple[str, ...]
    """Absolute, inside the environment; not all of them need to exist."""
    edits: Mapping[str, bytes] = field(default_factory=dict)
    """Shared files, of which it only owns a part, with what is to be left of them."""
    is_complete: bool = True
    """Whether it said what it owns."""


def owned_files(
    distribution: InstalledDistribution, *, layout: Layout, reporter: Reporter, replaced: bool
) -> OwnedFiles:
    """Say what ``distribution`` owns.

    Files outside of the environment are left alone with a warning. One that kept no account of its files cannot be
    removed (``InstallError``), but it can be ``replaced``.
    """
    info = os.path.realpath(distribution.info)
    title = str(distribution)
    edits: Mapping[str, bytes] = {}
    is_complete = True
    if info.endswith(".dist-info"):
        claimed = [*_files_below(info)]
        record = _read(Path(info, "RECORD"))
        if record is not None:
            claimed += recorded_paths(record, os.path.dirname(info))
        elif not replaced:
            raise InstallError(
                f"{title} cannot be uninstalled: it has no RECORD of its files",
                where=info,
                hint=f"it was installed by `{distribution.installer or 'an unknown tool'}`: remove it with that, or run"
                f" `miniuv pip install --reinstall {distribution.name}` first",
            )
        else:
            is_complete = False
            reporter.warning(f"{title} has no RECORD: files of its old version may be left over")
    else:
        claimed, edits = legacy_files(distribution, layout=layout)
    paths = _inside(claimed, title=title, layout=layout, reporter=reporter)
    return OwnedFiles(title=title, info=info, paths=paths, edits=edits, is_complete=is_complete)


def leftover_files(info: str, *, layout: Layout, reporter: Reporter) -> OwnedFiles:
    """Say what a ``.dist-info`` folder owns that is in the way and that is no distribution any more."""
    claimed = [*_files_below(info)]
    record = _read(Path(info, "RECORD"))
    if record is not None:
        claimed += recorded_paths(record, os.path.dirname(info))
    title = f"the remains of {info_title(os.path.basename(info))}"
    return OwnedFiles(
        title=title,
        info=info,
        paths=_inside(claimed, title=title, layout=layout, reporter=reporter),
        is_complete=record is not None,
    )


def staying_owners(layout: Layout, leaving: Collection[str]) -> dict[str, str]:
    """Map every file that a distribution owns to its title, for all but the ``leaving`` info folders."""
    owners: dict[str, str] = {}
    for library in layout.libraries:
        for info in sorted(str(info) for info in Path(library).glob("*.dist-info")):
            record = None if info in leaving else _read(Path(info, "RECORD"))
            if record is not None:
                title = info_title(os.path.basename(info))
                for path in recorded_paths(record, library):
                    owners.setdefault(path, title)
    return owners


def info_title(name: str) -> str:
    """Turn ``gunicorn-22.0.0.dist-info`` into ``gunicorn 22.0.0``."""
    return name.removesuffix(".dist-info").replace("-", " ", 1)


def _inside(claimed: Iterable[str], *, title: str, layout: Layout, reporter: Reporter) -> tuple[str, ...]:
    places = RealPlaces(layout)
    inside: list[str] = []
    outside: list[str] = []
    for path in claimed:
        place = places.real(path)
        (inside if places.is_inside(place) else outside).append(place)
    if outside:
        more = f" and {len(outside) - 1} more" if len(outside) > 1 else ""
        reporter.warning(f"{title} claims `{outside[0]}`{more}, which is not its to remove: left alone")
    return tuple(dict.fromkeys(inside))


def _files_below(folder: str) -> Iterable[str]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield f"{parent}/{name}"


def _read(path: Path) -> bytes | None:
    try:
        return read_record(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
