"""The backends that people use: their metadata and their wheels, plain and editable."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from miniuv.archive.wheel import unpack_wheel
from miniuv.backend.builder import ReadyBuild
from miniuv.backend.warm import HookCall, WarmRunners
from miniuv.models.source import Sha256
from miniuv.models.wheel import WheelFile
from tests.support.backends import FolderProvisioner, make_project

pytestmark = pytest.mark.index

Prepare = Callable[..., ReadyBuild]

MODULE = {"src/sample/__init__.py": '"""A sample."""\n__version__ = "1.2.0"\n'}


@dataclass(frozen=True, kw_only=True)
class Case:
    files: dict[str, str]
    tagged: bool = False


def pyproject(requires: str, backend: str, rest: str) -> dict[str, str]:
    table = f'[build-system]\nrequires = [{requires}]\nbuild-backend = "{backend}"\n'
    return {"pyproject.toml": table + rest}


PROJECT = '[project]\nname = "sample"\nversion = "1.2.0"\ndependencies = ["other>=2"]\n'
DYNAMIC = '[project]\nname = "sample"\ndynamic = ["version"]\ndependencies = ["other>=2"]\n'

CASES = {
    "setuptools-static": Case(files=pyproject('"setuptools>=64"', "setuptools.build_meta", PROJECT)),
    "setuptools-dynamic": Case(
        files=pyproject(
            '"setuptools>=64"',
            "setuptools.build_meta",
            DYNAMIC + '[tool.setuptools.dynamic]\nversion = {attr = "sample.__version__"}\n',
        )
    ),
    "setup.py": Case(
        files={
            "setup.py": """
                from setuptools import setup
                setup(name="sample", version="1.2.0", packages=["sample"], package_dir={"": "src"},
                      install_requires=["other>=2"])
                """
        }
    ),
    "hatchling": Case(files=pyproject('"hatchling"', "hatchling.build", PROJECT)),
    "flit-core": Case(
        files=pyproject(
            '"flit_core>=3.2"', "flit_core.buildapi", DYNAMIC.replace('"version"', '"version", "description"')
        )
    ),
    "poetry-core": Case(
        files=pyproject('"poetry-core"', "poetry.core.masonry.api", PROJECT) | {"README.md": "A sample."}
    ),
    "pdm-backend": Case(files=pyproject('"pdm-backend"', "pdm.backend", PROJECT)),
    "setuptools-scm": Case(
        files=pyproject(
            '"setuptools>=64", "setuptools-scm>=8"', "setuptools.build_meta", DYNAMIC + "[tool.setuptools_scm]\n"
        ),
        tagged=True,
    ),
    "hatch-vcs": Case(
        files=pyproject(
            '"hatchling", "hatch-vcs"', "hatchling.build", DYNAMIC + '[tool.hatch.version]\nsource = "vcs"\n'
        ),
        tagged=True,
    ),
    "pbr": Case(
        files={
            "setup.cfg": "[metadata]\nname = sample\n[files]\npackages =\n    src/sample\n",
            "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n",
            "requirements.txt": "other>=2\n",
        }
        | pyproject('"setuptools>=64", "pbr>=6"', "pbr.build", ""),
        tagged=True,
    ),
}


SAMPLED = {("setuptools-dynamic", True), ("hatchling", False)}
"""Compared in every run of the tests; the others take long."""


def make(folder: Path, case: Case) -> Path:
    make_project(folder, MODULE | case.files)
    if case.tagged:
        who = {f"GIT_{role}_{part}": "x@y" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "1700000000 +0000")
        environment = {**os.environ, **who, **dates, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"], ["tag", "-am", "x", "1.2.0"]):
            subprocess.run(["git", *command], cwd=folder, env=environment, check=True)
    return folder


@pytest.mark.parametrize("kind", CASES)
def test_metadata_and_wheel_are_built(
    prepare: Prepare, kind: str, tmp_path: Path, provisioner: FolderProvisioner
) -> None:
    ready = prepare(make(tmp_path / "sample", CASES[kind]), provisioner=provisioner)
    metadata = ready.metadata()
    requires = tuple(str(Requirement(text)) for text in metadata.requires_dist)
    assert (metadata.name, str(metadata.version), requires) == ("sample", "1.2.0", ("other>=2",))
    wheel = ready.build(tmp_path)
    assert wheel.name.startswith("sample-1.2.0-py")
    assert "sample/__init__.py" in {file.path.removeprefix("src/") for file in unpacked(wheel)}


@pytest.mark.parametrize("kind", CASES)
def test_an_editable_wheel_is_built(
    prepare: Prepare, kind: str, tmp_path: Path, provisioner: FolderProvisioner
) -> None:
    ready = prepare(make(tmp_path / "sample", CASES[kind]), provisioner=provisioner, editable=True)
    wheel = ready.build(tmp_path)
    assert wheel.name.startswith("sample-1.2.0-")
    assert any(file.path.endswith(".pth") for file in unpacked(wheel))


def unpacked(wheel: Path) -> tuple[WheelFile, ...]:
    entry = wheel.parent / "unpacked"
    entry.mkdir()
    digest = Sha256(hashlib.sha256(wheel.read_bytes()).hexdigest())
    return unpack_wheel(wheel, filename=wheel.name, digest=digest, entry=entry).files


@pytest.mark.parametrize(
    ("kind", "editable"),
    [
        pytest.param(
            kind,
            editable,
            id=f"{kind}-{'editable' if editable else 'wheel'}",
            marks=() if (kind, editable) in SAMPLED else pytest.mark.stress,
        )
        for kind in CASES
        for editable in (False, True)
    ],
)
def test_a_warm_runner_builds_what_a_python_of_its_own_builds(
    prepare: Prepare,
    kind: str,
    editable: bool,
    tmp_path: Path,
    provisioner: FolderProvisioner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = WarmRunners.run
    codes: list[int | None] = []

    def watched(self: WarmRunners, call: HookCall) -> int | None:
        codes.append(run(self, call))
        return codes[-1]

    def build(name: str) -> tuple[Path, list[tuple[str, str, bool]]]:
        folder = make(tmp_path / "sample", CASES[kind])
        with prepare(folder, provisioner=provisioner, editable=editable) as ready:
            (tmp_path / name).mkdir()
            wheel = ready.build(tmp_path / name)
        folder.rename(tmp_path / name / "sample")
        return wheel, [(file.path, file.sha256, file.executable) for file in unpacked(wheel)]

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(WarmRunners, "run", watched)
    first, warm = build("first")
    second, warmer = build("second")  # with what the first has taught
    assert set(codes) == {0}
    monkeypatch.setattr(WarmRunners, "run", lambda *_: None)
    third, plain = build("third")
    assert [first.name, second.name] == [third.name] * 2
    assert warm == plain
    assert warmer == plain
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()
    trees = [left_behind(tmp_path / name / "sample") for name in ("first", "second", "third")]
    assert trees == [trees[2]] * 3


def left_behind(folder: Path) -> dict[str, str]:
    """What is in a project after it was built, by content; git's own files change with every status."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if path.suffix != ".whl"
    }
