"""Requirement and constraint files, with everything that they include."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from urllib.parse import unquote, urljoin, urlsplit

from miniuv.errors import RequirementError
from miniuv.models.requirement import Origin
from miniuv.models.url import redact
from miniuv.project.pep508 import lower_first
from miniuv.project.requirement_lines import Line, decode, parse_lines
from miniuv.values import dataclass, field

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 100
"""How many files may include one another in a row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementLine:
    """One requirement of a file, not yet parsed."""

    text: str
    origin: Origin
    """``requirements.txt:3``."""
    editable: bool = False
    hashes: frozenset[str] = frozenset()
    """``sha256:…``"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementFile:
    """What one file says, together with what it includes, in order."""

    requirements: tuple[RequirementLine, ...] = ()
    constraints: tuple[RequirementLine, ...] = ()
    index_url: str | None = None
    """The last one given."""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    """Folders are absolute: they start from the file that names them."""
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    prereleases: bool = False
    require_hashes: bool = False
    warnings: tuple[str, ...] = ()
    """One for each known option that has no effect, with its place."""
    paths: tuple[str, ...] = ()
    """Everything that was read: absolute paths, addresses, ``-``."""


def read_local(location: str) -> bytes:
    """Read a file of this machine, ``-`` is standard input. Raises ``RequirementError``."""
    if is_url(location):
        raise RequirementError(
            "is a URL, and only files are read here", where=redact(location), hint="fetch it, and name the file"
        )
    try:
        if location == "-":
            import sys

            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(location).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        hint = "check the path; it starts from the file that names it, else from the current folder"
        raise RequirementError("does not exist", where=location, hint=hint) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise RequirementError(
            f"cannot be read: {lower_first(reason or str(error))}",
            where=location,
            hint="name a file that you may read, or a readable copy of it",
        ) from error


def read_requirement_file(
    location: str,
    *,
    directory: Path,
    environ: Mapping[str, str],
    constraint: bool = False,
    read: Callable[[str], bytes] = read_local,
    named_by: str = "the command line",
) -> RequirementFile:
    """Read the file at ``location`` (a path from ``directory``, a URL, ``-``) and whatever it includes.

    ``read`` is given absolute paths and URLs; the default refuses URLs. A file that includes itself, directly or
    not, is read once. Raises ``RequirementError`` with the place, which is ``named_by`` for the file itself.
    """
    reading = _Reading(directory=directory, environ=environ, read=read)
    reading.include(location, base=str(directory) + os.sep, constraint=constraint, place=named_by)
    return reading.result()


@dataclass(kw_only=True, slots=True)
class _Reading:
    directory: Path
    environ: Mapping[str, str]
    read: Callable[[str], bytes]
    seen: dict[tuple[str, bool], None] = field(default_factory=dict)
    requirements: list[RequirementLine] = field(default_factory=list)
    constraints: list[RequirementLine] = field(default_factory=list)
    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    depth: int = 0

    def result(self) -> RequirementFile:
        return RequirementFile(
            requirements=tuple(self.requirements),
            constraints=tuple(self.constraints),
            index_url=self.index_url,
            extra_index_urls=tuple(self.extra_index_urls),
            find_links=tuple(self.find_links),
            trusted_hosts=tuple(self.trusted_hosts),
            no_index="--no-index" in self.flags,
            prereleases="--pre" in self.flags,
            require_hashes="--require-hashes" in self.flags,
            warnings=tuple(self.warnings),
            paths=tuple(dict.fromkeys(target for target, _ in self.seen)),
        )

    def include(self, location: str, *, base: str, constraint: bool, place: str) -> None:
        """Read one file; ``base`` is the file (or the folder, with a final slash) that ``location`` starts from.

        ``place`` is where it is named.
        """
        target = self._join(base, location)
        if (target, constraint) in self.seen:
            return
        self.seen[target, constraint] = None
        shown = self._shown(target)
        _refuse_projects(shown, place)
        try:
            data = self.read(target)
        except RequirementError as error:
            error.where = place
            error.message = f"`{shown}` {error.message}"
            raise
        if len(data) > MAX_BYTES:
            raise RequirementError(
                f"`{shown}` is larger than {MAX_BYTES // 2**20} MiB", where=place, hint="name a list of requirements"
            )
        if self.depth == MAX_DEPTH:
            raise RequirementError(
                f"`{shown}` is the last of {MAX_DEPTH} files of which each includes the next",
                where=place,
                hint="include them from one file",
            )
        self.depth += 1
        for line in parse_lines(decode(data, where=shown), where=shown, environ=self.environ):
            self._take(line, target=target, shown=shown, constraint=constraint)
        self.depth -= 1

    def _take(self, line: Line, *, target: str, shown: str, constraint: bool) -> None:
        place = f"{shown}:{line.number}"
        self.warnings += [f"{place}: `{option}` has no effect" for option in line.ignored]
        editable = line.option == "--editable"
        if line.kind == "requirement" or editable:
            if editable and constraint:
                hint = "limit its version (`name==1.0`) there, and ask for the editable in a requirement file"
                raise RequirementError("a constraint cannot be editable", where=place, hint=hint)
            found = RequirementLine(text=line.value, origin=Origin(place=place), editable=editable, hashes=line.hashes)
            (self.constraints if constraint else self.requirements).append(found)
        elif line.option in ("--requirement", "--constraint"):
            is_constraint = constraint or line.option == "--constraint"
            self.include(line.value, base=target, constraint=is_constraint, place=place)
        elif line.kind == "option":
            self._set(line, target)

    def _set(self, line: Line, target: str) -> None:
        if line.option == "--index-url":
            self.index_url = line.value
        elif line.option == "--extra-index-url":
            self.extra_index_urls.append(line.value)
        elif line.option == "--trusted-host":
            self.trusted_hosts.append(line.value)
        elif line.option == "--find-links":
            local = "://" not in line.value and not line.value.startswith("file:")
            self.find_links.append(self._join(target, line.value) if local else line.value)
        else:
            self.flags.add(line.option)

    def _join(self, base: str, location: str) -> str:
        return _join(str(self.directory) + os.sep if base == "-" else base, location)

    def _shown(self, target: str) -> str:
        if is_url(target):
            return redact(target)
        try:
            return str(Path(target).relative_to(self.directory))
        except ValueError:
            return target


def _join(base: str, location: str) -> str:
    if location == "-" or is_url(location):
        return location
    if location.startswith("file:"):
        return os.path.abspath(unquote(urlsplit(location).path))
    if is_url(base):
        return urljoin(base, location)
    return os.path.abspath(os.path.join(os.path.dirname(base), os.path.expanduser(location)))


def _refuse_projects(shown: str, place: str) -> None:
    """Tell what is no list of requirements by its name, before its lines are found to make no sense."""
    name = PurePath(shown).name
    if name in ("pyproject.toml", "setup.py", "setup.cfg"):
        project = f"./{parent}" if (parent := str(PurePath(shown).parent)) != "." else "."
        raise RequirementError(
            f"`{shown}` is the file of a project, not a list of requirements",
            where=place,
            hint=f"write `{project}` to install the project, or `-e {project}` to work on it",
        )
    if name.endswith((".whl", ".tar.gz", ".zip")):
        hint = f"write `{shown}` without `-r` or `-c`"
        raise RequirementError(f"`{shown}` is an archive, not a list of requirements", where=place, hint=hint)


def is_url(location: str) -> bool:
    """Whether ``location`` is on the web."""
    return location.startswith(("http://", "https://"))
