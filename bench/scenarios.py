"""What is installed: the demo's two editables, git requirements, a team's eight editables, wheels from the index."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.phases import COLD, NO_OP, WARM, Phase, at_once
from bench.projects import (
    DOUBLE,
    EDITABLES,
    SINGLE,
    editable_files,
    noted_project,
    repository_files,
    service_files,
)
from demo.workshop import PROJECTS, Workshop
from tests.support.git_repositories import GitRepository
from tests.support.projects import write_files

_HOST = "https://git.bench.invalid/"
"""Where the git requirements point; ``insteadOf`` leads from here to loopback."""
_ALONE = (COLD, WARM, NO_OP)
PLAIN = "10 git, no editable"
"""The scenario of git requirements that the command line names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Something to install."""

    name: str
    phases: tuple[Phase, ...]
    requirements: tuple[str, ...] = ()
    editables: tuple[Path, ...] = ()
    extra: str = ""
    """Of each editable."""
    options: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    """Folders below the git server's root, each of which a cold run has to fetch."""
    packages: tuple[str, ...] = ()
    """What a cold run has to build and notes in the build log."""
    size: int = 0
    """How many git requirements, where growing numbers of them are compared; else 0."""
    with_pip: bool = True
    """False where pip takes minutes."""

    def furnish(self, place: Path) -> tuple[str, ...]:
        """Make ``place`` with the editables copied there, for a build leaves traces; return the arguments."""
        place.mkdir(parents=True)
        unbuilt = shutil.ignore_patterns("*.egg-info", "__pycache__", "build")
        arguments = [*self.options]
        for project in self.editables:
            copy = _copy_of(project, place)
            shutil.copytree(project, copy, ignore=unbuilt)
            arguments += ["-e", f"{copy}[{self.extra}]" if self.extra else str(copy)]
        return (*arguments, *self.requirements)

    def unbuilt(self, place: Path) -> list[str]:
        """Return the editables in ``place`` that nobody built: a build leaves its ``.egg-info`` there."""
        copies = [_copy_of(project, place) for project in self.editables]
        return [copy.name for copy in copies if not any(copy.rglob("*.egg-info"))]


def make_scenarios(workshop: Workshop, *, quick: bool) -> dict[str, Callable[[], Scenario]]:
    """Return what makes each scenario, by its name; the workshop's server serves the repositories."""
    few, crowd = (at_once(2), at_once(2, 4)) if quick else (at_once(2, 4), at_once(2, 4, 8, 16))
    many = _GitRequirements(workshop)
    makers: dict[str, Callable[[], Scenario]] = {
        "two editables": lambda: _demo_editables(workshop, phases=(*_ALONE, *few)),
        "eight editables": lambda: _team(workshop, phases=(*_ALONE, *crowd)),
        "jupyterlab": lambda: Scenario(name="jupyterlab", phases=(*_ALONE, *few), requirements=("jupyterlab",)),
    }
    main, *others = (10, 3, 30) if quick else (100, 10, 30, 300)
    sized = {main: (*_ALONE, *few), **dict.fromkeys(others, (COLD, WARM))}
    for size, phases in sized.items():
        makers[git_scenario(size)] = partial(many.scenario, size, phases)
    makers[PLAIN] = partial(many.plain, 10, _ALONE)
    return makers


def git_scenario(size: int) -> str:
    """Return the name of the scenario of ``size`` git requirements."""
    return f"{size} git requirements"


def led_to_repositories(environ: Mapping[str, str], *, server_url: str) -> dict[str, str]:
    """Return ``environ`` with the git setting that the requirements of ``make_scenarios`` need."""
    count = int(environ.get("GIT_CONFIG_COUNT") or 0)
    return {
        **environ,
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": f"url.{server_url}/.insteadOf",
        f"GIT_CONFIG_VALUE_{count}": _HOST,
    }


def _copy_of(project: Path, place: Path) -> Path:
    return place / "projects" / project.name


def _demo_editables(workshop: Workshop, *, phases: tuple[Phase, ...]) -> Scenario:
    return Scenario(
        name="two editables",
        phases=phases,
        editables=tuple(workshop.choice.fixtures / project for project in PROJECTS),
        repositories=tuple(f"{name}.git" for name in workshop.commits),
    )


def _team(workshop: Workshop, *, phases: tuple[Phase, ...]) -> Scenario:
    shared, packages = [], []
    for name in (*SINGLE, *DOUBLE):
        commit = GitRepository.create(workshop.server.root / f"{name}.git").commit(repository_files(name))
        address = f"git+{_HOST}{name}.git@{commit}"
        if name in SINGLE:
            shared.append(f"{name} @ {address}")
            packages.append(name)
        else:
            shared += [f"{package} @ {address}#subdirectory=packages/{package}" for package in DOUBLE[name]]
            packages += DOUBLE[name]
    folder = workshop.folder / "team"
    return Scenario(
        name="eight editables",
        phases=phases,
        editables=tuple(write_files(folder / name, editable_files(name, shared=shared)) for name in EDITABLES),
        extra="dev",
        options=("--compile", "--upgrade"),
        repositories=tuple(f"{name}.git" for name in (*SINGLE, *DOUBLE)),
        packages=tuple(packages),
    )


class _GitRequirements:
    """Small projects in a repository each, made as far as they are needed, and editables that require them."""

    def __init__(self, workshop: Workshop) -> None:
        self._root = workshop.server.root
        self._folder = workshop.folder / "services"
        self._made: dict[str, str] = {}

    def scenario(self, size: int, phases: tuple[Phase, ...]) -> Scenario:
        """Return the scenario of an editable that requires the first ``size`` of them."""
        names = self._names(size)
        project = service_files(f"service-{size}", dependencies=[self._made[name] for name in names])
        return Scenario(
            name=git_scenario(size),
            phases=phases,
            editables=(write_files(self._folder / f"service-{size}", project),),
            repositories=tuple(f"{name}.git" for name in names),
            packages=names,
            size=size,
            with_pip=size <= 10,
        )

    def plain(self, size: int, phases: tuple[Phase, ...]) -> Scenario:
        """Return the scenario of the first ``size`` of them, with no project around."""
        names = self._names(size)
        return Scenario(
            name=PLAIN,
            phases=phases,
            requirements=tuple(self._made[name] for name in names),
            repositories=tuple(f"{name}.git" for name in names),
            packages=names,
        )

    def _names(self, size: int) -> tuple[str, ...]:
        names = tuple(f"bench-project-{number:03}" for number in range(size))
        for name in names:
            if name not in self._made:
                commit = GitRepository.create(self._root / f"{name}.git").commit(noted_project(name))
                self._made[name] = f"{name} @ git+{_HOST}{name}.git@{commit}"
        return names
