"""Everything the user asked for: editables, requirements, requirement files, constraints."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import NormalizedName

from miniuv.errors import RequirementError, ResolutionError
from miniuv.models.interpreter import Interpreter
from miniuv.models.request import InstallRequest
from miniuv.models.requirement import Origin, Requirement, UnnamedRequirement
from miniuv.project.requirement_file import RequirementFile, RequirementLine, read_requirement_file
from miniuv.project.requirements import parse_editable, parse_requirement
from miniuv.sources.catalog import Catalog

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


def read_inputs(request: InstallRequest, *, constraint_files: Sequence[str], environ: Mapping[str, str]) -> Inputs:
    """Read the files that ``request`` names, and those that the settings add as constraints."""

    def read(location: str, *, constraint: bool) -> RequirementFile:
        return read_requirement_file(location, directory=request.directory, environ=environ, constraint=constraint)

    files = [read(location, constraint=False) for location in request.requirement_files]
    limits = [read(each, constraint=True) for each in (*request.constraint_files, *constraint_files)]
    typed = [RequirementLine(text=text, origin=_COMMAND_LINE, editable=True) for text in request.editables]
    typed += [RequirementLine(text=text, origin=_COMMAND_LINE) for text in request.requirements]
    return Inputs(
        requirements=(*typed, *(line for file in files for line in file.requirements)),
        constraints=tuple(line for file in (*files, *limits) for line in file.constraints),
        files=(*files, *limits),
    )


def ask(inputs: Inputs, *, catalog: Catalog, interpreter: Interpreter, directory: Path) -> Asked:
    """Parse ``inputs`` for the target and find out the names of paths and bare URLs.

    Raises ``RequirementError`` with the place, ``ResolutionError`` where two editables have one name.
    """
    parsed = [
        requirement
        for line in inputs.requirements
        if (requirement := _parsed(line, interpreter=interpreter, directory=directory)) is not None
    ]
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="name") as pool:
        named = [pool.submit(copy_context().run, _named, requirement, catalog) for requirement in parsed]
        requirements = tuple(each.result() for each in named)
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


def ask_for_build(texts: Sequence[str], *, interpreter: Interpreter, directory: Path, required_by: str) -> Asked:
    """Build requirements: trusted like the project that names them, and nothing to do with the user's own."""
    origin = Origin(place=f"the build requirements of {required_by}", requirer=required_by)
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


def _named(requirement: Requirement | UnnamedRequirement, catalog: Catalog) -> Requirement:
    if isinstance(requirement, Requirement):
        return requirement
    metadata = catalog.metadata(catalog.pin(requirement.source))
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
            raise RequirementError(f"`{line.text}` has extras, which a constraint cannot have", where=str(line.origin))
        yield limit


def _check_editables(requirements: Sequence[Requirement]) -> None:
    seen: dict[NormalizedName, Requirement] = {}
    for requirement in requirements:
        if not requirement.editable:
            continue
        first = seen.setdefault(requirement.name, requirement)
        if first.source != requirement.source:
            raise ResolutionError(
                f"two editables are called `{requirement.name}`: {first.source} and {requirement.source}",
                where=str(requirement.origin),
                hint="keep one of them; an environment holds one distribution of a name",
            )
