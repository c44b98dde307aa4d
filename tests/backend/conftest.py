import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniuv.backend.builder import Builder, ReadyBuild
from miniuv.backend.hooks import ConfigSettings
from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.environment.interpreters import Interpreters
from miniuv.models.interpreter import Interpreter
from miniuv.process import SubprocessRunner
from miniuv.project.pyproject import read_pyproject
from miniuv.reporter import Reporter
from tests.support.backends import FolderProvisioner, completed

BACKENDS = (
    "setuptools",
    "hatchling",
    "flit-core",
    "poetry-core",
    "pdm-backend",
    "setuptools-scm",
    "hatch-vcs",
    "pbr",
    "editables",
)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    with Store.open(folder / "cache", reporter=Reporter(), runtime=folder) as opened:
        yield opened


@pytest.fixture(scope="session")
def jobs(store: Store) -> JobRunner:
    return JobRunner(locks=store.locks, reporter=Reporter(), limits={"build": 2}, lock_wait=None)


@pytest.fixture(scope="session")
def interpreter() -> Interpreter:
    runner = SubprocessRunner()
    return Interpreters(runner=runner, environ=os.environ, store=None, reporter=Reporter()).describe(
        Path(sys.executable)
    )


@pytest.fixture(scope="session")
def backend_wheels(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of real backends, from the package index; kept in pytest's cache between runs."""
    kept = Path(request.config.cache.mkdir("backend-wheels")) / "wheels"
    if not kept.exists():
        fetched = tmp_path_factory.mktemp("download")
        command = [sys.executable, "-m", "pip", "download", "-q", "--only-binary", ":all:", "-d", str(fetched)]
        subprocess.run([*command, *BACKENDS], check=True)
        try:
            fetched.rename(kept)
        except OSError:
            assert kept.exists()
    return kept


@pytest.fixture(scope="session")
def provisioner(backend_wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> FolderProvisioner:
    return FolderProvisioner(backend_wheels, tmp_path_factory.mktemp("unpacked"))


@pytest.fixture
def no_wheels(tmp_path: Path) -> FolderProvisioner:
    return FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked")


Prepare = Callable[..., ReadyBuild]


@pytest.fixture
def prepare(store: Store, jobs: JobRunner, interpreter: Interpreter, no_wheels: FolderProvisioner) -> Iterator[Prepare]:
    """Make a project ready as the installer does; its backend is in its own tree."""
    builders = ExitStack()

    def go(
        folder: Path,
        *,
        editable: bool = False,
        provisioner: FolderProvisioner = no_wheels,
        environ: dict[str, str] | None = None,
        config_settings: ConfigSettings | None = None,
        reporter: Reporter | None = None,
    ) -> ReadyBuild:
        builder = Builder(
            store=store,
            jobs=jobs,
            runner=SubprocessRunner(),
            provisioner=provisioner,
            interpreter=interpreter,
            reporter=reporter or Reporter(),
            environ={**os.environ, **(environ or {})},
            config_settings=config_settings,
        )
        builders.enter_context(builder)
        title = f"{folder.name} 1.0"
        ready = builder.prepare(folder, pyproject=read_pyproject(folder), title=title, editable=editable)
        return completed(ready, jobs=jobs, folder=folder)

    with builders:
        yield go
