"""Backends that are not asked what else they need, for it is known to be nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from miniuv.backend import builder
from miniuv.backend.builder import ReadyBuild
from miniuv.backend.foreseen import needs_nothing
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.reporter import Activity, Reporter
from tests.backend.test_real_backends import Case as Project
from tests.backend.test_real_backends import left_behind, make, pyproject
from tests.support.backends import FolderProvisioner, make_project

Prepare = Callable[..., ReadyBuild]


class Told(Reporter):
    def __init__(self) -> None:
        self.kinds: list[str] = []

    def started(self, activity: Activity) -> None:
        self.kinds.append(activity.kind)


TABLE = '[build-system]\nrequires = ["setuptools>=64"]\nbuild-backend = "setuptools.build_meta"\n'
SETUPTOOLS = ("setuptools-80.0.0-py3-none-any.whl",)


def is_foreseen(
    folder: Path,
    files: dict[str, str] | None = None,
    *,
    backend: str = "setuptools.build_meta",
    wheels: tuple[str, ...] = SETUPTOOLS,
    environment: dict[str, str] | None = None,
) -> bool:
    make_project(folder, {"pyproject.toml": TABLE} | (files or {}))
    present = [
        UnpackedWheel(filename=name, digest=Sha256("0" * 64), root=folder, files=(), dist_info="x") for name in wheels
    ]
    variables = {"HOME": str(folder / "home"), **(environment or {})}
    return needs_nothing(folder, backend, present=present, environment=variables)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"setup.py": "from setuptools import setup\nsetup()\n"},
        {"setup.cfg": "[metadata]\nname = sample\n[options]\ninstall_requires = other\n"},
    ],
)
def test_setuptools_alone_needs_nothing(files: dict[str, str], tmp_path: Path) -> None:
    assert is_foreseen(tmp_path, files)
    assert is_foreseen(tmp_path, files, wheels=(*SETUPTOOLS, "wheel-0.45.1-py3-none-any.whl"))


@pytest.mark.parametrize(
    "files",
    [
        {"setup.py": "from setuptools import setup\nsetup(setup_requires=['other'])\n"},
        {"setup.cfg": "[options]\nsetup_requires = other\n"},
        {"setup.cfg": "[options]\nSetup-Requires = other\n"},
        {"setup.cfg": "[aliases]\negg_info = egg_info\n"},
        {"pyproject.toml": TABLE + '[tool.setuptools.cmdclass]\negg_info = "own.EggInfo"\n'},
        {"home/.pydistutils.cfg": "[options]\nsetup_requires = other\n"},
        {"setup.cfg": "# " + "x" * (1 << 18)},
    ],
)
def test_a_project_that_may_say_otherwise_is_asked(files: dict[str, str], tmp_path: Path) -> None:
    assert not is_foreseen(tmp_path, files)


@pytest.mark.parametrize(
    "wheels",
    [
        (),
        ("wheel-0.45.1-py3-none-any.whl",),
        ("setuptools-70.0.0-py3-none-any.whl",),
        ("setuptools-85.0.0-py3-none-any.whl",),
        (*SETUPTOOLS, "setuptools_scm-8.1.0-py3-none-any.whl"),
    ],
)
def test_another_build_environment_is_asked(wheels: tuple[str, ...], tmp_path: Path) -> None:
    assert not is_foreseen(tmp_path, wheels=wheels)


@pytest.mark.parametrize("backend", ["setuptools.build_meta:__legacy__", "hatchling.build", "own"])
def test_another_backend_is_asked(backend: str, tmp_path: Path) -> None:
    assert not is_foreseen(tmp_path, backend=backend)


@pytest.mark.parametrize(
    "environment", [{"DIST_EXTRA_CONFIG": "/x"}, {"SETUPTOOLS_USE_DISTUTILS": "stdlib"}, {"HOME": ""}]
)
def test_settings_from_elsewhere_are_asked_for(environment: dict[str, str], tmp_path: Path) -> None:
    assert not is_foreseen(tmp_path, environment=environment)


NAMED = '[project]\nname = "sample"\nversion = "1.2.0"\n'
PLAIN = pyproject('"setuptools>=64"', "setuptools.build_meta", NAMED)

PROJECTS = {
    "one module": {"sample.py": "", **PLAIN},
    "a flat package": {"sample/__init__.py": "", "sample/inner/__init__.py": "", "tests/test_it.py": "", **PLAIN},
    "a namespace": {"src/space/sample/__init__.py": "", **PLAIN},
    "data": {
        "src/sample/__init__.py": "",
        "src/sample/data.txt": "x",
        "src/sample/inner/more.json": "{}",
        "MANIFEST.in": "recursive-include src *.txt *.json\n",
        "LICENSE": "free",
        "README.md": "hello",
        **pyproject('"setuptools>=64"', "setuptools.build_meta", NAMED + 'readme = "README.md"\n'),
    },
    "a script": {
        "src/sample/__init__.py": "",
        "setup.py": "from setuptools import find_packages, setup\n"
        "setup(packages=find_packages('src'), package_dir={'': 'src'}, include_package_data=True)\n",
        **PLAIN,
    },
    "setup.cfg": {
        "src/sample/__init__.py": "",
        "setup.cfg": "[metadata]\nname = sample\nversion = 1.2.0\n[options]\npackages = find:\npackage_dir = =src\n"
        "[options.packages.find]\nwhere = src\n[egg_info]\ntag_build = .post1\n",
        **pyproject('"setuptools>=64"', "setuptools.build_meta", ""),
    },
}


@pytest.mark.index
@pytest.mark.parametrize("kind", PROJECTS)
def test_a_backend_that_was_not_asked_builds_and_leaves_what_it_does_when_asked(
    kind: str, prepare: Prepare, provisioner: FolderProvisioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(name: str) -> tuple[list[str], tuple[str, ...], bytes, dict[str, str]]:
        folder = make(tmp_path / "sample", Project(files=PROJECTS[kind]))
        told = Told()
        with prepare(folder, provisioner=provisioner, reporter=told) as ready:
            (tmp_path / name).mkdir()
            wheel = ready.build(tmp_path / name)
            requirements = ready.requirements
        tree = left_behind(folder)
        folder.rename(tmp_path / name / "sample")
        return told.kinds, requirements, wheel.read_bytes(), tree

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    foreseen, *brought = build("foreseen")
    monkeypatch.setattr(builder, "needs_nothing", lambda *_arguments, **_named: False)
    asked, *usual = build("asked")
    assert ("metadata" in foreseen, "metadata" in asked) == (False, True)
    assert brought == usual


@pytest.mark.index
def test_an_editable_is_asked_and_keeps_its_egg_info(
    prepare: Prepare, provisioner: FolderProvisioner, tmp_path: Path
) -> None:
    folder = make(tmp_path / "sample", Project(files=PROJECTS["a namespace"]))
    with prepare(folder, provisioner=provisioner, editable=True) as ready:
        ready.build(tmp_path)
    assert [path.name for path in folder.rglob("*.egg-info")] == ["sample.egg-info"]
