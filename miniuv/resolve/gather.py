"""Everything the user asked for: editables, requirements, requirement files, constraints."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from packaging.utils import NormalizedName

from miniuv.errors import RequirementError, ResolutionError
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import InstallOptions, InstallRequest
from miniuv.models.requirement import Origin, Requirement, UnnamedRequirement
from miniuv.models.source import DirectorySource
from miniuv.project.requirement_file import (
    RequirementFile,
    RequirementLine,
    is_url,
    read_local,
    read_requirement_file,
)
from miniuv.project.requirements import parse_editable, parse_requirement
from miniuv.resolve.direct import Editables, place_of
from miniuv.sources.catalog import Catalog
from miniuv.sources.parallel import in_parallel
from miniuv.values import dataclass, replace

_WORKERS = 16
_COMMAND_LINE = Origin(place="the command line")


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What one command asks for, with every name known and every marker evaluated."""

    requirements: tuple[Requirement, ...] = ()
    constraints: Mapping[NormalizedName, tuple[Requirement, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """What one command asks for, as text, each with where it stood."""

    requirements: tuple[RequirementLine, ...]
    constraints: tuple[RequirementLine, ...]
    files: tuple[RequirementFile, ...]
    """For their index options."""


def read_inputs(
    request: InstallRequest,
    *,
    constraint_files: Sequence[str],
    environ: Mapping[str, str],
    fetch: Callable[[str], bytes],
) -> Inputs:
    """Read the files that ``request`` names, and those that the settings add as constraints.

    ``fetch`` answers what is at a web address.
    """

    def read_bytes(location: str) -> bytes:
        return fetch(location) if is_url(location) else read_local(location)

    def read(location: str, *, constraint: bool, named_by: str = _COMMAND_LINE.place) -> RequirementFile:
        return read_requirement_file(
            location,
            directory=request.directory,
            environ=environ,
            constraint=constraint,
            read=read_bytes,
            named_by=named_by,
        )

    files = [read(location, constraint=False) for location in request.requirement_files]
    limits = [read(location, constraint=True) for location in request.constraint_files]
    limits += [read(each, constraint=True, named_by=_named_by(each, environ)) for each in constraint_files]
    typed = [RequirementLine(text=text, origin=_COMMAND_LINE, editable=True) for text in request.editables]
    typed += [RequirementLine(text=text, origin=_COMMAND_LINE) for text in request.requirements]
    return Inputs(
        requirements=(*typed, *(line for file in files for line in file.requirements)),
        constraints=tuple(line for file in (*files, *limits) for line in file.constraints),
        files=(*files, *limits),
    )


def with_file_options(options: InstallOptions, files: Sequence[RequirementFile]) -> InstallOptions:
    """What requirement files switch on for the whole command."""
    return replace(
        options,
        prereleases=options.prereleases or any(file.prereleases for file in files),
        require_hashes=options.require_hashes or any(file.require_hashes for file in files),
    )


def _named_by(location: str, environ: Mapping[str, str]) -> str:
    """Which setting names a constraint file."""
    for variable in ("MINIUV_CONSTRAINT", "UV_CONSTRAINT", "PIP_CONSTRAINT"):
        if any(location.endswith(word) for word in environ.get(variable, "").split()):
            return f"`{variable}`"
    return "the setting `constraint`"


def ask(
    inputs: Inputs,
    *,
    catalog: Catalog,
    interpreter: Interpreter,
    directory: Path,
    cancel: Callable[[], None] | None = None,
) -> Asked:
    """Parse ``inputs`` for the target and find out the names of paths and bare URLs.

    ``cancel`` is called on the first failure, and ends what still runs.
    Raises ``RequirementError`` with the place, ``ResolutionError`` where two editables have one name.
    """
    parsed = [
        requirement
        for line in inputs.requirements
        if (requirement := _parsed(line, interpreter=interpreter, directory=directory)) is not None
    ]
    editables = Editables(requirement.source for requirement in parsed)
    parsed = [
        each if each.source is None else replace(each, source=editables.instead_of(each.source)) for each in parsed
    ]
    requirements = in_parallel(partial(_named, catalog), parsed, workers=_WORKERS, cancel=cancel)
    _check_editables(requirements)
    constraints: dict[NormalizedName, tuple[Requirement, ...]] = {}
    for limit in _limits(inputs.constraints, interpreter=interpreter, directory=directory):
        constraints[limit.name] = (*constraints.get(limit.name, ()), limit)
    return Asked(requirements=requirements, constraints=constraints)


def names_of(inputs: Inputs, *, interpreter: Interpreter, directory: Path) -> frozenset[NormalizedName]:
    """The names that ``inputs`` speak of; raises ``RequirementError`` for a path or a URL without one."""
    names = set()
    for line in inputs.requirements:
        requirement = _parsed(line, interpreter=interpreter, directory=directory)
        if isinstance(requirement, UnnamedRequirement):
            raise RequirementError(f"`{line.text}` is no name", where=str(line.origin), hint="give the package's name")
        if requirement is not None:
            names.add(requirement.name)
    return frozenset(names)


def ask_for_build(texts: Sequence[str], *, interpreter: Interpreter, directory: Path) -> Asked:
    """Build requirements: trusted like the project that names them, and nothing to do with the user's own."""
    origin = Origin(place="its build")
    parsed = (parse_requirement(text, origin=origin, base=directory, markers=interpreter.markers) for text in texts)
    return Asked(requirements=tuple(each for each in parsed if isinstance(each, Requirement)), constraints={})


def _parsed(
    line: RequirementLine, *, interpreter: Interpreter, directory: Path
) -> Requirement | UnnamedRequirement | None:
    if line.editable:
        return parse_editable(line.text, origin=line.origin, base=directory, markers=interpreter.markers)
    return parse_requirement(
        line.text, origin=line.origin, base=directory, markers=interpreter.markers, hashes=line.hashes
    )


def _named(catalog: Catalog, requirement: Requirement | UnnamedRequirement) -> Requirement:
    if isinstance(requirement, Requirement):
        return requirement
    pinned = catalog.pin(requirement.source)
    catalog.check_hashes(pinned, requirement.hashes)
    metadata = catalog.metadata(pinned)
    return Requirement(
        name=metadata.name,
        extras=requirement.extras,
        source=requirement.source,
        origin=requirement.origin,
        hashes=requirement.hashes,
    )


def _limits(lines: Sequence[RequirementLine], *, interpreter: Interpreter, directory: Path) -> Iterator[Requirement]:
    for line in lines:
        limit = _parsed(line, interpreter=interpreter, directory=directory)
        if isinstance(limit, UnnamedRequirement):
            raise RequirementError(
                f"`{line.text}` has no name, and a constraint needs one",
                where=str(line.origin),
                hint="write `name @ URL`",
            )
        if limit is None:
            continue
        if limit.extras:
            raise RequirementError(
                f"`{line.text}` has extras, which a constraint cannot have",
                where=str(line.origin),
                hint=f"leave `[{','.join(sorted(limit.extras))}]` out there: a constraint only limits the version",
            )
        yield limit


def _check_editables(requirements: Sequence[Requirement]) -> None:
    seen: dict[NormalizedName, DirectorySource] = {}
    for requirement in requirements:
        if not isinstance(requirement.source, DirectorySource) or not requirement.editable:
            continue
        first = seen.setdefault(requirement.name, requirement.source)
        if place_of(first) != place_of(requirement.source):
            raise ResolutionError(
                f"two editables are called `{requirement.name}`: {first} and {requirement.source}",
                where=str(requirement.origin),
                hint="keep one of them; an environment holds one distribution of a name",
            )
