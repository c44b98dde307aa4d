"""The team's command line, by four processes at once on a cold cache."""

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from demo.git_server import GitServer
from tests.support.commands import World
from tests.support.git_repositories import GitRepository
from tests.support.projects import project_files, write_files, write_project
from tests.support.pythons import make_environment
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel

_SINGLE = ("amber", "birch", "cedar", "dahlia")
_DOUBLE = {"elder": ("elder-core", "elder-tools"), "fern": ("fern-core", "fern-tools")}
_EDITABLES = ("agent", "beacon", "client", "dispatch", "engine", "feeds", "gate", "hub")
_PROCESSES = 4


def _git_requirements(root: Path, url: str) -> list[str]:
    """Six repositories with eight packages, each pinned to its commit."""
    requirements = []
    for name in _SINGLE:
        commit = GitRepository.create(root / f"{name}.git").commit(project_files(name, dynamic=True))
        requirements.append(f"{name} @ git+{url}/{name}.git@{commit}")
    for name, packages in _DOUBLE.items():
        files = {
            f"packages/{package}/{path}": text
            for package in packages
            for path, text in project_files(package, dynamic=package.endswith("core")).items()
        }
        commit = GitRepository.create(root / f"{name}.git").commit(files)
        requirements += [
            f"{package} @ git+{url}/{name}.git@{commit}#subdirectory=packages/{package}" for package in packages
        ]
    return requirements


def _sdist(folder: Path, name: str) -> None:
    tree = write_files(folder / "trees" / f"{name}-1.0", project_files(name))
    info = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    (tree / "PKG-INFO").write_text(info)
    shutil.make_archive(str(folder / f"{name}-1.0"), "gztar", tree.parent, tree.name)
    shutil.rmtree(folder / "trees")


def test_four_processes_install_eight_editables_and_nothing_is_done_twice(indexed: World, index: SimpleIndex) -> None:
    root = indexed.folder / "repositories"
    root.mkdir()
    for name in ("wheel-one", "wheel-two"):
        make_wheel(index.folder, name, "1.0")
    _sdist(index.folder, "sourced")
    log = indexed.folder / "builds"
    indexed.environ["TINY_BUILD_LOG"] = str(log)
    with GitServer(root) as server:
        shared = _git_requirements(root, server.url)
        for number, name in enumerate(_EDITABLES):
            turned = shared[number:] + shared[:number]  # each names them in another order
            sibling = _EDITABLES[(number + 1) % len(_EDITABLES)]
            write_project(
                indexed.folder,
                name,
                dependencies=[*turned[:5], "wheel-one", sibling],
                extras={"dev": [*turned[5:], "wheel-two", "sourced"]},
                dynamic=number % 2 == 0,
            )
        environments = [f".venv{number}" for number in range(_PROCESSES)]
        for environment in environments:
            make_environment(indexed.folder / environment)
        processes = []
        for number, environment in enumerate(environments):
            order = _EDITABLES[number:] + _EDITABLES[:number]
            editables = [word for name in order for word in ("-e", f"{name}[dev]")]
            arguments = ("pip", "install", "--compile", "--upgrade", *editables, "--python", environment)
            processes.append(indexed.start(*arguments))
        for process in processes:
            _, err = process.communicate(timeout=240)
            assert process.returncode == 0, err

        packs = {name: server.packs_sent(f"{name}.git") for name in (*_SINGLE, *_DOUBLE)}
    assert packs == dict.fromkeys((*_SINGLE, *_DOUBLE), 1)

    packages = [*_SINGLE, *(package for pair in _DOUBLE.values() for package in pair), "sourced"]
    builds = Counter(log.read_text().splitlines())
    assert {line: count for line, count in builds.items() if line.startswith("wheel ")} == {
        f"wheel {package}": 1 for package in packages
    }
    assert {line: count for line, count in builds.items() if line.startswith("editable ")} == {
        f"editable {name}": _PROCESSES for name in _EDITABLES
    }
    modules = ", ".join(name.replace("-", "_") for name in (*_EDITABLES, *packages))
    everything = sorted((*_EDITABLES, *packages, "wheel-one", "wheel-two"))
    for environment in environments:
        said = indexed.miniuv("pip", "list", "--format", "freeze", "--python", environment)
        assert said.out.split() == [f"{name}==1.0" for name in everything]
        python = str(indexed.folder / environment / "bin" / "python")
        for command in (
            [python, "-c", f"import {modules}"],
            [sys.executable, "-m", "pip", "--python", python, "check"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
            assert done.returncode == 0, done.stdout + done.stderr
