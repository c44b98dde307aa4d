"""No kind of change of a project may be overlooked: what is used again is what a fresh build would bring."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.models.interpreter import Interpreter
from tests.backend.test_real_backends import DYNAMIC, PROJECT, pyproject
from tests.support.backends import FolderProvisioner, make_project
from tests.support.mutations import FILES, GIT_MUTATIONS, MUTATIONS, git
from tests.support.reuse import FolderBuilds, elsewhere, unpacked_contents

pytestmark = pytest.mark.index

STATIC = PROJECT + 'readme = "README.md"\n'
VERSIONED = DYNAMIC + 'readme = "README.md"\n'

BACKENDS = {
    "setuptools": pyproject('"setuptools>=64"', "setuptools.build_meta", STATIC),
    "hatchling": pyproject('"hatchling"', "hatchling.build", STATIC),
    "flit-core": pyproject('"flit_core>=3.2"', "flit_core.buildapi", STATIC + 'description = "A sample"\n'),
    "poetry-core": pyproject('"poetry-core"', "poetry.core.masonry.api", STATIC),
    "pdm-backend": pyproject('"pdm-backend"', "pdm.backend", STATIC),
    "setuptools-scm": pyproject(
        '"setuptools>=64", "setuptools-scm>=8"', "setuptools.build_meta", VERSIONED + "[tool.setuptools_scm]\n"
    ),
    "hatch-vcs": pyproject(
        '"hatchling", "hatch-vcs"', "hatchling.build", VERSIONED + '[tool.hatch.version]\nsource = "vcs"\n'
    ),
    "pbr": pyproject('"setuptools>=64", "pbr>=6"', "pbr.build", "")
    | {
        "setup.cfg": "[metadata]\nname = sample\n[files]\npackages =\n    src/sample\n",
        "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n",
        "requirements.txt": "other>=2\n",
    },
}
TAGGED = {"setuptools-scm", "hatch-vcs", "pbr"}
TRACEABLE = sorted(BACKENDS.keys() - TAGGED)


@pytest.fixture
def builds(
    store: Store, jobs: JobRunner, interpreter: Interpreter, provisioner: FolderProvisioner, tmp_path: Path
) -> FolderBuilds:
    environ = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return FolderBuilds(
        store=store,
        jobs=jobs,
        interpreter=interpreter,
        provisioner=provisioner,
        environ={**environ, "HOME": str(tmp_path / "home")},
    )


def make(folder: Path, backend: str) -> Path:
    make_project(folder, FILES | BACKENDS[backend])
    if backend in TAGGED:
        (folder / ".gitignore").write_text("*.ignored\nignored/\nbuild/\n*.egg-info/\n")
        git(folder, "init", "-q")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "first")
        git(folder, "tag", "-am", "x", "1.2.0")
    return folder


class Laboratory:
    """One project, built once; each experiment changes it, looks, and puts everything back."""

    def __init__(
        self,
        folder: Path,
        backend: str,
        builds: FolderBuilds,
        *,
        editable: bool,
    ) -> None:
        self._builds = builds
        self._editable = editable
        self._root = folder
        self._pristine = folder / "pristine"
        if not self._pristine.exists():
            make(self._pristine, backend)
        self._work = folder / "work"
        shutil.copytree(self._pristine, self._work, symlinks=True)
        first, _ = builds.build(self._work, editable=editable)
        self.before = unpacked_contents(first)
        self._built = folder / "built"
        shutil.copytree(self._work, self._built, symlinks=True)

    def try_out(self, change: Callable[[Path], object], *, always: bool) -> tuple[bool, bool | None]:
        """Whether the wheel was used again after ``change``; whether it is what a fresh build brings, if asked for."""
        change(self._work)
        found = self._builds.find(self._work, editable=self._editable)
        right = self._is_right(change) if always or found is not None else None
        shutil.rmtree(self._root / "home", ignore_errors=True)
        shutil.rmtree(self._work)
        shutil.copytree(self._built, self._work, symlinks=True)
        return found is not None, right

    def _is_right(self, change: Callable[[Path], object]) -> bool:
        fresh, output = self._root / "fresh", self._root / "output"
        shutil.copytree(self._pristine, fresh, symlinks=True)
        output.mkdir()
        change(fresh)
        truth = self._builds.truth(fresh, output, editable=self._editable)
        shutil.rmtree(fresh)
        shutil.rmtree(output)
        return elsewhere(truth, fresh, self._work) == self.before


def kinds(backend: str) -> dict[str, Callable[[Path], object]]:
    project = {"setup.cfg appears", "setup.py appears"} if backend == "pbr" else set()
    return {name: change for name, change in MUTATIONS.items() if name not in project}


@pytest.mark.parametrize(("backend", "editable"), [("setuptools", True), ("hatchling", False)])
def test_a_wheel_is_used_again_only_where_a_fresh_build_brings_the_same(
    backend: str, editable: bool, builds: FolderBuilds, tmp_path: Path
) -> None:
    laboratory = Laboratory(tmp_path, backend, builds, editable=editable)
    outcomes = {name: laboratory.try_out(change, always=False) for name, change in kinds(backend).items()}
    assert [name for name, (reused, right) in outcomes.items() if reused and not right] == []
    assert outcomes["nothing"] == (True, True)
    assert outcomes["a module is edited"][0] is editable
    assert not outcomes["pyproject.toml has a keyword more"][0]


@pytest.mark.stress
@pytest.mark.parametrize("editable", [True, False], ids=["editable", "wheel"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_change_and_every_backend(
    backend: str, editable: bool, builds: FolderBuilds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    laboratory = Laboratory(tmp_path, backend, builds, editable=editable)
    outcomes = {name: laboratory.try_out(change, always=True) for name, change in kinds(backend).items()}
    needless = [name for name, (reused, right) in outcomes.items() if right and not reused]
    reused = [name for name, (reused, _) in outcomes.items() if reused]
    with capsys.disabled():
        print(f"\n{backend} {editable=}: {len(outcomes)} changes, {len(reused)} reused, {len(needless)} rebuilt")
        print(f"  reused: {reused}\n  rebuilt without need: {needless}")
    assert [name for name, (reused, right) in outcomes.items() if reused and not right] == []
    assert "nothing" in reused


UNCHANGED = {"nothing at all", "git status is run", "git describe is run"}


def in_git(
    folder: Path, backend: str, builds: FolderBuilds, *, editable: bool, always: bool
) -> tuple[set[str], list[str], list[str]]:
    """What was used again after which change of its repository, what of that wrongly, and what was built in vain."""
    laboratory = Laboratory(folder, backend, builds, editable=editable)
    outcomes = {name: laboratory.try_out(change, always=always) for name, change in GIT_MUTATIONS.items()}
    wrong = [name for name, (reused, right) in outcomes.items() if reused and not right]
    needless = [name for name, (reused, right) in outcomes.items() if right and not reused]
    return {name for name, (reused, _) in outcomes.items() if reused}, wrong, needless


@pytest.mark.parametrize(("backend", "editable"), [("setuptools-scm", True), ("hatch-vcs", False)])
def test_what_happens_to_a_repository_is_noticed_if_it_counts(
    backend: str, editable: bool, builds: FolderBuilds, tmp_path: Path
) -> None:
    reused, wrong, _ = in_git(tmp_path, backend, builds, editable=editable, always=False)
    assert wrong == []
    assert reused >= UNCHANGED


@pytest.mark.stress
@pytest.mark.parametrize("editable", [True, False], ids=["editable", "wheel"])
@pytest.mark.parametrize("backend", sorted(TAGGED))
def test_every_change_of_a_repository(
    backend: str, editable: bool, builds: FolderBuilds, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reused, wrong, needless = in_git(tmp_path, backend, builds, editable=editable, always=True)
    with capsys.disabled():
        print(f"\n{backend} {editable=}: {len(reused)} reused: {sorted(reused)}")
        print(f"  rebuilt without need: {needless}")
    assert wrong == []
    assert reused >= UNCHANGED


@pytest.mark.parametrize("backend", TRACEABLE)
def test_a_traced_build_brings_what_a_plain_one_brings(backend: str, builds: FolderBuilds, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    plain = builds.truth(make(tmp_path / "plain", backend), tmp_path / "output")
    wheel, _ = builds.build(make(tmp_path / "traced", backend))
    assert unpacked_contents(wheel) == elsewhere(plain, tmp_path / "plain", tmp_path / "traced")


@pytest.mark.parametrize("backend", sorted(TAGGED))
def test_a_shallow_clone_that_gets_its_history_is_built_again_if_it_counts(
    backend: str, builds: FolderBuilds, tmp_path: Path
) -> None:
    origin = make(tmp_path / "origin", backend)
    git(origin, "commit", "-q", "--allow-empty", "-m", "later")
    git(tmp_path, "clone", "-q", "--depth", "1", origin.as_uri(), "pristine")
    laboratory = Laboratory(tmp_path, backend, builds, editable=True)
    assert laboratory.try_out(lambda _: None, always=False) == (True, True)
    reused, right = laboratory.try_out(lambda folder: git(folder, "fetch", "-q", "--unshallow"), always=True)
    assert not reused
    assert not right
