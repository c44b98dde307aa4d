"""The rooms keep to their layers, and the tree to the house rules: read with ``ast``, nothing is imported."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "miniuv"
MOST_LINES = 400

_ROW = re.compile(r"^``(?P<room>\w+)``\s+(?P<layer>\d+)\s+\S", re.MULTILINE)

ONLY_IN = {
    "subprocess": ("process",),
    "filelock": ("cache.flock",),
    "rich": ("report",),
    "httpx": ("index",),
    "httpx_retries": ("index",),
    "resolvelib": ("resolve",),
    "virtualenv": ("environment",),
    "python_discovery": ("environment",),
    "build": ("backend",),
    "pyproject_hooks": ("backend",),
    "tomli": ("project", "settings"),
    "platformdirs": ("cache", "settings"),
}
"""Who may import a library, and its parts, at any depth of nesting."""

HEAVY = {"httpx", "rich", "filelock", "virtualenv", "build", "distlib", "resolvelib", "subprocess"}
"""What the start of every command must not pay for."""


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _is_script(module: str) -> bool:
    """Whether it runs inside another interpreter: ``environment/_probe.py``; ``__main__`` is none of them."""
    last = module.rpartition(".")[2]
    return last.startswith("_") and not last.startswith("__")


def _imports(source: str) -> Iterator[str]:
    """Yield what ``source`` imports, in functions and under ``TYPE_CHECKING`` too; names, not yet resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import of {node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own_imports(module: str) -> frozenset[str]:
    """Return the modules of ours that ``module`` imports; a name within one counts as that one."""
    found = set()
    for name in _imports(MODULES[module].read_text()):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        found.add(name)
    return frozenset(found - {"", "miniuv"})


def _room(module: str) -> str:
    return module.split(".")[1]


def _layers() -> dict[str, int]:
    documentation = ast.get_docstring(ast.parse((PACKAGE / "__init__.py").read_text())) or ""
    return {row["room"]: int(row["layer"]) for row in _ROW.finditer(documentation)}


def _tracked() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("this is no git checkout, so there is no list of the project's own files")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def _lines_that_match(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_every_room_is_in_the_table_and_every_row_is_a_room() -> None:
    rooms = {_room(module) for module in MODULES if module != "miniuv"} - {"__main__"}

    assert rooms == set(_layers())


def test_a_module_imports_only_its_own_room_and_lower_layers() -> None:
    layers = _layers() | {"__main__": 99}
    upward = [
        f"{module} (layer {layers[_room(module)]}) imports {imported} (layer {layers[_room(imported)]})"
        for module in MODULES
        if module != "miniuv"
        for imported in sorted(_own_imports(module))
        if _room(imported) != _room(module) and layers[_room(imported)] >= layers[_room(module)]
    ]

    assert upward == []


def test_no_module_is_part_of_an_import_cycle() -> None:
    sorter = TopologicalSorter({module: _own_imports(module) - {module} for module in MODULES})

    try:
        sorter.prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_imports_in_functions_and_for_typing_count() -> None:
    source = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from miniuv.cache import store\n"
        "def f():\n    import rich.table\n"
    )

    assert set(_imports(source)) == {"typing.TYPE_CHECKING", "miniuv.cache.store", "rich.table"}


def test_a_library_is_imported_only_where_it_belongs() -> None:
    misplaced = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if not _is_script(module)
        for name in _imports(path.read_text())
        for places in [ONLY_IN.get(name.split(".")[0])]
        if places is not None and not any(f"{module}.".startswith(f"miniuv.{place}.") for place in places)
    ]

    assert misplaced == []


def test_scripts_for_other_interpreters_import_nothing_of_ours() -> None:
    assert {module: _own_imports(module) for module in MODULES if _is_script(module) and _own_imports(module)} == {}


def test_the_package_itself_imports_nothing() -> None:
    assert list(_imports((PACKAGE / "__init__.py").read_text())) == []


def test_a_rooms_init_holds_its_docstring_and_at_most_its_public_names() -> None:
    crowded = []
    for module, path in MODULES.items():
        if path.name != "__init__.py" or module == "miniuv":
            continue
        first, *others = ast.parse(path.read_text()).body
        is_documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        exports = any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" for node in others)
        is_plain = all(isinstance(node, ast.ImportFrom | ast.Assign) for node in others)
        if not is_documented or (others and not (exports and is_plain)):
            crowded.append(module)

    assert crowded == []


def test_no_module_is_longer_than_a_reader_likes() -> None:
    files = [path for folder in ("miniuv", "demo", "bench") for path in (ROOT / folder).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}

    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def test_no_module_is_a_bag_of_odds_and_ends() -> None:
    bags = {"utils", "util", "helpers", "helper", "misc", "common"}

    assert [module for module in MODULES if module.rpartition(".")[2].strip("_") in bags] == []


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    ask = f"import sys, miniuv.cli.entry; print(*sorted({HEAVY!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=ROOT)

    assert loaded.stdout.split() == []


def test_nothing_is_left_to_do_in_a_comment() -> None:
    unfinished = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X)\b")
    files = [path for path in _tracked() if path.suffix == ".py" or path.name == "Makefile"]

    assert _lines_that_match(unfinished, files) == []


def test_no_file_names_a_package_registrys_host() -> None:
    from distlib.index import DEFAULT_INDEX  # type: ignore[import-untyped]

    host = re.escape(urlsplit(DEFAULT_INDEX).hostname or "")
    registry = re.compile(rf"\b{host}\b|python[h]osted\.org|registry\.np[m]js|\bcrate[s]\.io\b", re.IGNORECASE)

    assert _lines_that_match(registry, _tracked()) == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    machine = re.compile(r"(?<![\w.}~])/(roo[t]/|wor[k]/(main|shared)\b|op[t]/(pypi|wheels)\b|User[s]/\w)")

    assert _lines_that_match(machine, _tracked()) == []
