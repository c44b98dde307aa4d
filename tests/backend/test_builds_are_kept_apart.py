"""A build sees a world of its own: folder, temporary files, variables, modules; and the target as it was before."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import tar_member, write_tar
from tests.support.commands import World
from tests.support.projects import BACKEND, project_files, write_files
from tests.support.refusals import tree
from tests.support.wheels import make_wheel

LOOK = """


def _look(hook):
    import shutil, site, stat, sys, tempfile
    sys.path.append(os.environ["TREE_OF"])
    from tree_of import tree_of
    del sys.path[-1]
    temporary = tempfile.mkdtemp()
    facts = {
        "hook": hook, "variables": dict(os.environ), "path": sys.path, "prefix": sys.prefix, "cwd": os.getcwd(),
        "temporary": tempfile.gettempdir(), "mode": stat.S_IMODE(os.stat(tempfile.gettempdir()).st_mode),
        "python": shutil.which("python"), "user_site": site.ENABLE_USER_SITE, "optimize": sys.flags.optimize,
        "target": tree_of(os.environ["TARGET"]),
    }
    with open(os.environ["FACTS"], "a") as file:
        file.write(json.dumps(facts) + "\\n")


def get_requires_for_build_wheel(config_settings=None):
    _look("get_requires_for_build_wheel")
    return []


def get_requires_for_build_editable(config_settings=None):
    _look("get_requires_for_build_editable")
    return []


_build_tiny = _build


def _build(folder, files, kind):
    _look(f"build_{kind}")
    return _build_tiny(folder, files, kind)
"""

TREE_OF = """
import hashlib, os


def tree_of(folder):
    found = {}
    for above, folders, files in os.walk(folder):
        for name in files:
            path = os.path.join(above, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hashlib.sha256(file.read()).hexdigest()
    return found
"""


def tree_of(folder: Path) -> dict[str, str]:
    """What ``_look`` makes of it."""
    names: dict[str, Any] = {}
    exec(TREE_OF, names)
    found: dict[str, str] = names["tree_of"](str(folder))
    return found


@pytest.fixture(params=["in-tree sdist", "in-tree editable", "installed sdist", "installed editable"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[World, list[str], str]:
    """A world, the command that builds, and the kind of wheel; the backend is in the tree, or a distribution."""
    place, kind = request.param.split()
    world = World.make(tmp_path)
    backend = BACKEND + LOOK
    files = project_files("thing") | {"backend/tiny.py": backend}
    if place == "installed":
        make_wheel(world.folder / "wheels", "tiny-backend", "1.0", {"tiny.py": backend})
        files["pyproject.toml"] = files["pyproject.toml"].replace('backend-path = ["backend"]', "")
        files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["tiny-backend"]', 1)
        del files["backend/tiny.py"]
    (world.folder / "wheels").mkdir(exist_ok=True)
    command = ["pip", "install", "--find-links", "wheels"]
    if kind == "editable":
        write_files(world.folder / "thing", files)
        return world, [*command, "-e", "thing"], kind
    members = [tar_member(f"thing-1.0/{path}", text.encode()) for path, text in files.items()]
    write_tar(world.folder / "thing-1.0.tar.gz", members)
    return world, [*command, "./thing-1.0.tar.gz"], "wheel"


def outer(world: World, tmp_path: Path) -> dict[str, str]:
    """Variables of a shell that has everything set that could reach a build by accident."""
    (tmp_path / "tree_of.py").write_text(TREE_OF)
    (tmp_path / "outer" / "tmp").mkdir(parents=True)
    (tmp_path / "outer" / "sitecustomize.py").write_text("raise SystemExit('the outer Python got in')\n")
    return {
        "PYTHONPATH": str(tmp_path / "outer"),
        "PYTHONHOME": "/nowhere",
        "PYTHONSTARTUP": "/nowhere",
        "PYTHONUSERBASE": str(tmp_path / "outer"),
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "",
        "PYTHONDONTWRITEBYTECODE": "",
        "__PYVENV_LAUNCHER__": "/nowhere",
        "VIRTUAL_ENV": str(world.folder / ".venv"),
        "PATH": f"{world.folder / '.venv' / 'bin'}{os.pathsep}{world.environ['PATH']}",
        "GIT_DIR": "/nowhere",
        "TMPDIR": str(tmp_path / "outer" / "tmp"),
        "FACTS": str(tmp_path / "facts"),
        "TREE_OF": str(tmp_path),
        "TARGET": str(world.folder / ".venv"),
    }


def test_a_build_sees_nothing_of_the_outer_python_and_the_target_as_it_was_before(
    build: tuple[World, list[str], str], tmp_path: Path
) -> None:
    world, command, kind = build
    given = outer(world, tmp_path)
    before = tree_of(world.folder / ".venv")
    cache = Path(world.environ["MINIUV_CACHE_DIR"])

    said = world.miniuv(*command, environ=given)

    assert said.code == 0, said.err
    facts = [json.loads(line) for line in (tmp_path / "facts").read_text().splitlines()]
    assert [each["hook"] for each in facts] == [f"get_requires_for_build_{kind}", f"build_{kind}"]
    for seen in facts:
        ours = {name for name in seen["variables"] if name.startswith("PYTHON")}
        assert ours == {"PYTHONNOUSERSITE", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING", "PYTHONUNBUFFERED"}
        assert not {"GIT_DIR", "__PYVENV_LAUNCHER__"} & seen["variables"].keys()
        assert Path(seen["prefix"]).is_relative_to(cache)
        assert seen["variables"]["VIRTUAL_ENV"] == seen["prefix"]
        assert seen["python"] == f"{seen['prefix']}/bin/python"
        assert not seen["user_site"]
        assert seen["optimize"] == 0
        outside = [entry for entry in seen["path"] if "site-packages" in entry and not entry.startswith(seen["prefix"])]
        assert not outside
        assert not [entry for entry in seen["path"] if entry.startswith(str(tmp_path / "outer"))]
        assert seen["target"] == before, "the target was touched before the commit"
        if kind == "wheel":
            assert Path(seen["cwd"]).is_relative_to(cache), "the folder of the build is not private"
    places = [Path(each["temporary"]) for each in facts]
    assert len(set(places)) == len(places), "two hooks share their temporary files"
    for place, seen in zip(places, facts, strict=True):
        assert place.is_absolute()
        assert seen["mode"] == 0o700
        assert not place.is_relative_to(seen["cwd"])
        assert not place.exists(), "what a hook left in its temporary folder is still there"
    assert not list((tmp_path / "outer" / "tmp").iterdir())
    assert world.installed() == {"thing": "1.0"}


def test_a_build_that_fails_leaves_the_target_and_the_temporary_folder_as_they_were(
    build: tuple[World, list[str], str], tmp_path: Path
) -> None:
    world, command, _ = build
    given = outer(world, tmp_path)
    before = tree(world.folder / ".venv")
    said = world.miniuv(*command, environ={**given, "FACTS": "/nowhere/facts"})
    assert said.code == 1
    assert "/nowhere/facts" in said.err
    assert tree(world.folder / ".venv") == before
    assert not list((tmp_path / "outer" / "tmp").iterdir())
