"""Symbolic links inside a source archive: allowed where they stay inside it, whatever order they are followed in."""

from collections.abc import Iterable, Mapping
from itertools import dropwhile

from miniuv.archive.member import MAX_PATH_BYTES, shown
from miniuv.errors import ArchiveError


def check_links(links: Mapping[str, str], members: Iterable[str], *, where: str) -> None:
    """Check ``links`` (path to target), and that no other member lies below one. Raises ``ArchiveError``.

    ``..`` may only stand at the start of a target, and a target may not pass through another link, so that what it
    means can be told from its text alone. A target that is not there is no danger: the link dangles.
    """
    for path in sorted(links):
        _check_parents(path, links, where)
        _check_target(path, links[path], links, where)
    if links:
        for member in members:
            _check_parents(member, links, where)


def _check_parents(path: str, links: Mapping[str, str], where: str) -> None:
    parent = path.rpartition("/")[0]
    while parent:
        if parent in links:
            raise ArchiveError(f"member {shown(path)} lies below the symbolic link {shown(parent)}", where=where)
        parent = parent.rpartition("/")[0]


def _check_target(path: str, target: str, links: Mapping[str, str], where: str) -> None:
    if len(target.encode("utf-8", "surrogateescape")) > MAX_PATH_BYTES:
        raise ArchiveError(f"symbolic link {shown(path)} is too long", where=where)
    here = path.split("/")[:-1]
    parts = [part for part in target.split("/") if part not in ("", ".")]
    rises = len(parts) - len(_after_rise(parts))
    if not target or target.startswith("/") or "\\" in target or "\0" in target or rises >= len(here) > 0 or not here:
        raise ArchiveError(f"symbolic link {shown(path)} leads out of the archive, to {shown(target)}", where=where)
    here = here[: len(here) - rises]
    for part in _after_rise(parts)[:-1]:
        here.append(part)
        if part == ".." or "/".join(here) in links:
            raise ArchiveError(f"symbolic link {shown(path)} leads through another place: {shown(target)}", where=where)
    if parts and parts[-1] == ".." and rises < len(parts):
        raise ArchiveError(f"symbolic link {shown(path)} leads through another place: {shown(target)}", where=where)


def _after_rise(parts: list[str]) -> list[str]:
    return list(dropwhile(lambda part: part == "..", parts))
