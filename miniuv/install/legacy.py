"""Distributions from before ``.dist-info``: egg-info folders and ``setup.py develop``."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from miniuv.errors import InstallError
from miniuv.install.layout import Layout
from miniuv.models.installed import InstalledDistribution


def legacy_files(distribution: InstalledDistribution, *, layout: Layout) -> tuple[list[str], Mapping[str, bytes]]:
    """Say which files are its own, and what is left of shared ones without it.

    Raises ``InstallError`` where nothing tells: distutils wrote one ``.egg-info`` file and no list.
    """
    info = Path(os.path.realpath(distribution.info))
    if info.suffix == ".egg-link":
        return _developed(info, distribution, layout)
    if info.is_dir():
        return [*_files_at(str(info)), *_installed(info), *_programs(info, layout)], {}
    raise InstallError(
        f"{distribution} cannot be removed: it was installed by distutils, which kept no list of its files",
        where=str(info),
        hint="remove it with the tool that installed it, or make a new environment with `miniuv venv`",
    )


def _developed(
    link: Path, distribution: InstalledDistribution, layout: Layout
) -> tuple[list[str], Mapping[str, bytes]]:
    """A link, a line in ``easy-install.pth`` and programs; the project itself is the user's."""
    lines = _lines(link)
    if not lines:
        return [str(link)], {}
    pointed = Path(os.path.realpath(lines[0]))
    programs = [
        program
        for info in sorted(pointed.glob("*.egg-info"))
        if canonicalize_name(info.stem) == distribution.name
        for program in _programs(info, layout)
    ]
    return [str(link), *programs], _without_line(link.with_name("easy-install.pth"), pointed)


def _installed(info: Path) -> Iterator[str]:
    """The files of ``setup.py install --single-version-externally-managed``."""
    listed = info / "installed-files.txt"
    if listed.is_file():
        yield from (os.path.normpath(info / line) for line in _lines(listed))
        return
    namespaces = set(_lines(info / "namespace_packages.txt"))
    for name in _lines(info / "top_level.txt"):
        if name not in namespaces and name.isidentifier():
            yield from _files_at(str(info.parent / name))
            yield str(info.parent / f"{name}.py")


def _programs(info: Path, layout: Layout) -> Iterator[str]:
    group = ""
    for line in _lines(info / "entry_points.txt"):
        name = line.partition("=")[0].strip()
        if line.startswith("["):
            group = line
        elif group in ("[console_scripts]", "[gui_scripts]") and name and "/" not in name:
            yield f"{layout.scripts}/{name}"


def _without_line(shared: Path, project: Path) -> Mapping[str, bytes]:
    """Say what is left of ``easy-install.pth`` without the line for ``project``."""
    try:
        lines = shared.read_text("utf-8", "surrogateescape").splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    kept = [line for line in lines if os.path.realpath(shared.parent / line.strip()) != str(project)]
    return {} if kept == lines else {str(shared): "".join(kept).encode("utf-8", "surrogateescape")}


def _files_at(path: str) -> Iterator[str]:
    """Yield a file, or every file below a folder."""
    if not os.path.isdir(path) or os.path.islink(path):
        yield path
    for parent, _, names in os.walk(path):
        yield from (f"{parent}/{name}" for name in names)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
