"""The projects that the bench makes itself: what is in git, and a team's editables that share it."""

from collections.abc import Sequence

from tests.support.git_repositories import project_files

BUILD_LOG = "BENCH_BUILD_LOG"
"""The variable that names the file in which the build of each git package is noted."""

SINGLE = ("amber", "birch", "cedar", "dahlia")
"""Repositories of one package of the same name."""
DOUBLE = {"elder": ("elder-core", "elder-tools"), "fern": ("fern-core", "fern-tools")}
"""Repositories of two, each in its ``packages/NAME``."""
EDITABLES = ("agent", "beacon", "client", "dispatch", "engine", "feeds", "gate", "hub")

_FROM_INDEX = ("requests>=2", "click>=8")
_FROM_INDEX_TO_DEVELOP = ("pytest>=8",)


def noted_project(name: str, *, prefix: str = "") -> dict[str, str]:
    """Return the files of a small setuptools project that notes each build of its wheel."""
    files = project_files(name, prefix=prefix)
    lines = [
        "import os",
        "import sys",
        "",
        "from setuptools import setup",
        "",
        f'if "bdist_wheel" in sys.argv and os.environ.get("{BUILD_LOG}"):',
        f'    with open(os.environ["{BUILD_LOG}"], "a") as log:',
        f'        log.write("{name}\\n")',
        "",
        "setup()",
        "",
    ]
    return {**files, f"{prefix}setup.py": "\n".join(lines)}


def repository_files(name: str) -> dict[str, str]:
    """Return the files of one of the repositories that the editables share."""
    if name in SINGLE:
        return noted_project(name)
    files: dict[str, str] = {}
    for package in DOUBLE[name]:
        files |= noted_project(package, prefix=f"packages/{package}/")
    return files


def editable_files(name: str, *, shared: Sequence[str]) -> dict[str, str]:
    """Return the files of the editable ``name``.

    It needs a sibling, three of the ``shared`` git requirements, and the other ones where its extra ``dev`` is asked
    for; each editable names them in another order.
    """
    number = EDITABLES.index(name)
    turned = [*shared[number % len(shared) :], *shared[: number % len(shared)]]
    sibling = EDITABLES[(number + 1) % len(EDITABLES)]
    files = project_files(
        name,
        dependencies=[*turned[:3], *_FROM_INDEX, sibling],
        optional_dependencies={"dev": [*turned[3:], *_FROM_INDEX_TO_DEVELOP]},
    )
    return {
        "pyproject.toml": _found_in_src(files["pyproject.toml"]),
        f"src/{name}/__init__.py": f'"""{name}."""\n',
        **{f"src/{name}/part{part}.py": f'NAME = "{name}, part {part}"\n' for part in range(5)},
    }


def service_files(name: str, *, dependencies: Sequence[str]) -> dict[str, str]:
    """Return the files of an editable that requires ``dependencies``."""
    package = name.replace("-", "_")
    files = project_files(name, dependencies=dependencies)
    return {
        "pyproject.toml": _found_in_src(files["pyproject.toml"]),
        f"src/{package}/__init__.py": f'"""{name}."""\n',
    }


def _found_in_src(project: str) -> str:
    above, _, _ = project.partition("\n[tool.setuptools]")
    return f'{above}\n[tool.setuptools.packages.find]\nwhere = ["src"]\n'
