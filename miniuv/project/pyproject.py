"""``pyproject.toml`` to facts (PEP 518, PEP 517, PEP 621)."""

import re
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import TypeGuard

from packaging.markers import Marker
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from miniuv.errors import ProjectError, RequirementError
from miniuv.models.metadata import CoreMetadata
from miniuv.project.cache_keys import CacheKey, cache_keys
from miniuv.project.pep508 import clipped, is_unreadable_number, lower_first, parse_pep508, parse_version
from miniuv.values import dataclass, field

MAX_PYPROJECT_BYTES = 16 * 1024 * 1024

_OBJECT_REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[^\W\d]\w*(\.[^\W\d]\w*)*)?")
_METADATA_FIELDS = frozenset({"version", "dependencies", "optional-dependencies", "requires-python"})


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSystem:
    """The ``[build-system]`` table, or what stands for it where there is none."""

    requires: tuple[str, ...] = ("setuptools>=40.8.0",)
    backend: str = "setuptools.build_meta:__legacy__"
    backend_path: tuple[str, ...] = ()
    """Folders of an in-tree backend: relative, ``/``-separated, lexically inside the project."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pyproject:
    """What a project says of itself before any backend has run."""

    where: str
    """The file, for messages."""
    name: str | None = None
    """As written; ``None`` where there is no ``[project]`` table."""
    version: Version | None = None
    dependencies: tuple[str, ...] = ()
    """Each a valid PEP 508 text."""
    optional_dependencies: Mapping[NormalizedName, tuple[str, ...]] = field(default_factory=dict, hash=False)
    requires_python: SpecifierSet | None = None
    dynamic: frozenset[str] = frozenset()
    build_system: BuildSystem = field(default_factory=BuildSystem)
    cache_keys: tuple[CacheKey, ...] = ()
    backend_fills_dependencies: bool = False
    """A backend of its own mind completes or rewrites the dependencies although ``dynamic`` does not say so."""


def read_pyproject(folder: Path, *, shown: str | None = None) -> Pyproject | None:
    """Read ``folder``'s ``pyproject.toml``; ``shown`` is what people know it by, where that is not its path.

    A project with a ``setup.py`` alone is built by setuptools' legacy backend; ``None`` where there is neither file.
    """
    path = folder / "pyproject.toml"
    where = f"{shown}: {path.name}" if shown else str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PYPROJECT_BYTES + 1)
    except FileNotFoundError:
        where = f"{shown}: setup.py" if shown else str(folder / "setup.py")
        return Pyproject(where=where) if (folder / "setup.py").is_file() else None
    except OSError as error:
        raise ProjectError(f"cannot be read: {error.strerror or error}", where=where) from error
    return parse_pyproject(data, where=where)


def parse_pyproject(data: bytes, *, where: str) -> Pyproject:
    """Check and read the tables that matter to an installer. Raises ``ProjectError`` with the line where known."""
    document = _decode(data, where)
    build_system = _build_system(document["build-system"], where) if "build-system" in document else BuildSystem()
    if "project" not in document:
        return Pyproject(where=where, build_system=build_system, cache_keys=cache_keys(document))
    project = _table(document["project"], "project", where)
    dynamic = frozenset(_strings(project.get("dynamic", []), "project.dynamic", where))
    _check_dynamic(project, dynamic, where)
    return Pyproject(
        where=where,
        name=_name(project, where),
        version=_version(project, dynamic, where),
        dependencies=_requirements(project.get("dependencies", []), "project.dependencies", where),
        optional_dependencies=_optional_dependencies(project.get("optional-dependencies", {}), where),
        requires_python=_requires_python(project, where),
        dynamic=dynamic,
        build_system=build_system,
        cache_keys=cache_keys(document),
        backend_fills_dependencies=_fills_dependencies(document, project),
    )


def static_metadata(pyproject: Pyproject) -> CoreMetadata | None:
    """Make core metadata of what is written; ``None`` where a backend has to be asked.

    PEP 621: a field that is neither given nor listed in ``dynamic`` is not filled in by the backend.
    """
    if pyproject.name is None or pyproject.version is None or pyproject.backend_fills_dependencies:
        return None
    if not _METADATA_FIELDS.isdisjoint(pyproject.dynamic):
        return None
    requires = list(pyproject.dependencies)
    for extra, texts in pyproject.optional_dependencies.items():
        requires += [_with_extra(text, extra) for text in texts]
    return CoreMetadata(
        display_name=pyproject.name,
        version=pyproject.version,
        requires_dist=tuple(requires),
        requires_python=pyproject.requires_python,
        provides_extra=frozenset(pyproject.optional_dependencies),
    )


def _decode(data: bytes, where: str) -> dict[str, object]:
    import tomli

    if len(data) > MAX_PYPROJECT_BYTES:
        raise ProjectError(f"is larger than {MAX_PYPROJECT_BYTES // 2**20} MiB", where=where)
    if data.startswith(b"\xef\xbb\xbf"):
        raise ProjectError(
            "starts with a byte order mark, which TOML does not allow",
            where=f"{where}:1",
            hint="save the file as UTF-8 without BOM",
        )
    try:
        return tomli.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ProjectError("is not UTF-8", where=f"{where}:{line}", hint="save the file as UTF-8") from error
    except tomli.TOMLDecodeError as error:
        message = error.msg[:1].lower() + error.msg[1:]
        raise ProjectError(
            f"is no valid TOML: {message} (column {error.colno})", where=f"{where}:{error.lineno}"
        ) from error
    except RecursionError as error:
        raise ProjectError("is no usable TOML: it is nested too deeply", where=where) from error
    except ValueError as error:  # a number of more digits than Python reads
        raise ProjectError(f"is no usable TOML: {lower_first(str(error).partition(':')[0])}", where=where) from error


def _build_system(value: object, where: str) -> BuildSystem:
    table = _table(value, "build-system", where)
    if "requires" not in table:
        # PEP 518: "The [build-system] table ... must have a requires key"; pip refuses it as well.
        raise ProjectError(
            "`build-system.requires` is missing",
            where=where,
            hint='name the build backend\'s package, such as `requires = ["setuptools>=64"]`',
        )
    backend = table.get("build-backend", BuildSystem().backend)
    if not isinstance(backend, str) or not _OBJECT_REFERENCE.fullmatch(backend):
        raise ProjectError(
            f"`build-system.build-backend` is {_shown(backend)}, which is no `module` or `module:object`", where=where
        )
    backend_path = _strings(table.get("backend-path", []), "build-system.backend-path", where)
    for folder in backend_path:
        parts = folder.replace("\\", "/").split("/")
        if not folder or folder.startswith(("/", "\\")) or ".." in parts or "\0" in folder:
            raise ProjectError(f"`build-system.backend-path`: `{folder}` is not inside the project", where=where)
    return BuildSystem(
        requires=_requirements(table["requires"], "build-system.requires", where),
        backend=backend,
        backend_path=backend_path,
    )


def _check_dynamic(project: Mapping[str, object], dynamic: frozenset[str], where: str) -> None:
    if "name" in dynamic:
        raise ProjectError("`project.dynamic` lists `name`, which has to be static", where=where)
    for key in sorted(dynamic.intersection(project)):
        # PEP 621: "Build back-ends MUST raise an error if the metadata specifies a field statically as well as
        # being listed in dynamic."
        raise ProjectError(f"`project.{key}` is given, and `project.dynamic` lists it too", where=where)


def _name(project: Mapping[str, object], where: str) -> str:
    name = project.get("name")
    if name is None:
        raise ProjectError("`project.name` is missing", where=where)
    try:
        if not isinstance(name, str):
            raise InvalidName(name)
        canonicalize_name(name, validate=True)
    except InvalidName as error:
        raise ProjectError(
            f"`project.name` is {_shown(name)}, which is no valid name",
            where=where,
            hint="letters, digits, `-`, `_` and `.` are allowed, with a letter or digit at both ends",
        ) from error
    return name


def _version(project: Mapping[str, object], dynamic: frozenset[str], where: str) -> Version | None:
    value = project.get("version")
    if value is None:
        if "version" not in dynamic:
            raise ProjectError(
                "`project.version` is missing", where=where, hint='give it, or write `dynamic = ["version"]`'
            )
        return None
    try:
        if not isinstance(value, str):
            raise InvalidVersion(value)
        return parse_version(value)
    except InvalidVersion as error:
        raise ProjectError(f"`project.version` is {_shown(value)}, which is no valid version", where=where) from error


def _requires_python(project: Mapping[str, object], where: str) -> SpecifierSet | None:
    value = project.get("requires-python")
    if value is None:
        return None
    try:
        if not isinstance(value, str) or is_unreadable_number(value):
            raise InvalidSpecifier(value)
        return SpecifierSet(value)
    except InvalidSpecifier as error:
        raise ProjectError(
            f"`project.requires-python` is {_shown(value)}, which is no version range", where=where
        ) from error


def _optional_dependencies(value: object, where: str) -> dict[NormalizedName, tuple[str, ...]]:
    extras: dict[NormalizedName, tuple[str, ...]] = {}
    for extra, texts in _table(value, "project.optional-dependencies", where).items():
        key = f"project.optional-dependencies.{extra}"
        try:
            name = canonicalize_name(extra, validate=True)
        except InvalidName as error:
            raise ProjectError(f"`{key}`: `{extra}` is no valid name for an extra", where=where) from error
        extras[name] = extras.get(name, ()) + _requirements(texts, key, where)
    return extras


def _fills_dependencies(document: Mapping[str, object], project: Mapping[str, object]) -> bool:
    tool = document.get("tool")
    # Poetry takes `[tool.poetry.dependencies]` where `project.dependencies` is absent, whatever `dynamic` says.
    poetry = isinstance(tool, dict) and isinstance(tool.get("poetry"), dict) and "dependencies" not in project
    # hatchling replaces fields such as `{root:uri}` in direct references.
    texts = [text for text in _every_string(project) if "@" in text]
    return poetry or any("{" in text for text in texts)


def _every_string(project: Mapping[str, object]) -> list[str]:
    found: list[str] = []
    extras = project.get("optional-dependencies", {})
    lists = [project.get("dependencies", []), *(extras.values() if isinstance(extras, dict) else ())]
    for texts in lists:
        found += [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    return found


def _requirements(value: object, key: str, where: str) -> tuple[str, ...]:
    texts = _strings(value, key, where)
    for text in texts:
        try:
            parse_pep508(text)
        except RequirementError as error:
            raise ProjectError(f"`{key}`: {error.message}", where=where, hint=error.hint) from error
    return texts


def _strings(value: object, key: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ProjectError(f"`{key}` is not a list of strings", where=where)
    return tuple(value)


def _table(value: object, key: str, where: str) -> dict[str, object]:
    if not _is_table(value):
        raise ProjectError(f"`{key}` is not a table", where=where)
    return value


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str | float | bool) else f"a {type(value).__name__}"
    return clipped(text)


def _is_table(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _with_extra(text: str, extra: str) -> str:
    requirement = parse_pep508(text)
    if requirement.marker is None:
        return f"{text} ; extra == '{extra}'"
    guarded = copy(requirement)
    guarded.marker = Marker(f"({requirement.marker}) and extra == '{extra}'")
    return str(guarded)
