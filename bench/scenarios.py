"""What is installed: the demo's two editables, many git requirements, wheels from the index."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.workshop import PROJECTS, Workshop
from tests.support.git_repositories import GitRepository, project_files

_HOST = "https://git.bench.invalid/"
"""Where the git requirements point; ``insteadOf`` leads from here to loopback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """Something to install."""

    name: str
    requirements: tuple[str, ...] = ()
    editables: tuple[Path, ...] = ()
    repositories: tuple[str, ...] = ()
    """Folders below the git server's root, each of which a cold run has to fetch."""

    def furnish(self, place: Path) -> tuple[str, ...]:
        """Make ``place`` with the editables copied there, for a build leaves traces; return the arguments."""
        place.mkdir(parents=True)
        unbuilt = shutil.ignore_patterns("*.egg-info", "__pycache__")
        arguments: list[str] = []
        for project in self.editables:
            shutil.copytree(project, place / "projects" / project.name, ignore=unbuilt)
            arguments += ["-e", str(place / "projects" / project.name)]
        return (*arguments, *self.requirements)


def make_scenarios(workshop: Workshop, *, git_requirements: int = 10) -> tuple[Scenario, ...]:
    """Make what the scenarios install; the workshop's server serves the repositories."""
    return (
        Scenario(
            name="two editables",
            editables=tuple(workshop.choice.fixtures / project for project in PROJECTS),
            repositories=tuple(f"{name}.git" for name in workshop.commits),
        ),
        _from_git(workshop.server.root, count=git_requirements),
        Scenario(name="flask's wheels", requirements=("flask",)),
    )


def led_to_repositories(environ: Mapping[str, str], *, server_url: str) -> dict[str, str]:
    """Return ``environ`` with the git setting that the requirements of ``make_scenarios`` need."""
    count = int(environ.get("GIT_CONFIG_COUNT") or 0)
    return {
        **environ,
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": f"url.{server_url}/.insteadOf",
        f"GIT_CONFIG_VALUE_{count}": _HOST,
    }


def _from_git(root: Path, *, count: int) -> Scenario:
    names = [f"bench-project-{number:03}" for number in range(count)]
    requirements = []
    for name in names:
        commit = GitRepository.create(root / f"{name}.git").commit(project_files(name))
        requirements.append(f"{name} @ git+{_HOST}{name}.git@{commit}")
    return Scenario(
        name=f"{count} git requirements",
        requirements=tuple(requirements),
        repositories=tuple(f"{name}.git" for name in names),
    )
