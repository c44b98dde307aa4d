"""B: hostile projects and backends, end to end: refused with what, where and what to do, and nothing is touched.

The rows are named as in the list of attacks that they are taken from.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.archives import tar_member, write_tar
from tests.support.commands import World
from tests.support.processes import read_lock_log
from tests.support.projects import project_files, write_files, write_project
from tests.support.refusals import refused

PYPROJECTS: dict[str, tuple[bytes, str, str]] = {
    "B1 no TOML": (b"[project]\nname = \n", "pyproject.toml:2", "is no valid TOML"),
    "B1 not UTF-8": (b"[project]\nname = '\xff'\n", "pyproject.toml:2", "is not UTF-8"),
    "B1 a byte order mark": (b"\xef\xbb\xbf[project]\n", "pyproject.toml:1", "byte order mark"),
    "B1 50 MB": (b"#" * (50 * 2**20), "pyproject.toml", "is larger than 16 MiB"),
    "B1 10,000 levels": (b"a = " + b"[" * 10_000 + b"]" * 10_000, "pyproject.toml", "nested too deeply"),
    "B1 10,000 tables": (b"[" + b".".join([b"a"] * 10_000) + b"]", "pyproject.toml", "nested too deeply"),
    "B1 a key twice": (b"a = 1\na = 2\n", "pyproject.toml:2", "is no valid TOML"),
    "B1 a number of 5000 digits": (b"a = " + b"9" * 5000, "pyproject.toml", "is no usable TOML"),
    "B2 no table": (b"build-system = 1", "pyproject.toml", "`build-system` is not a table"),
    "B2 no requires": (b"[build-system]\n", "pyproject.toml", "`build-system.requires` is missing"),
    "B2 requires is no list": (b"[build-system]\nrequires = 'x'", "pyproject.toml", "is not a list of strings"),
    "B2 requires of numbers": (b"[build-system]\nrequires = [1]", "pyproject.toml", "is not a list of strings"),
    "B2 no requirement": (b"[build-system]\nrequires = ['x==']", "pyproject.toml", "`x==` is no valid requirement"),
    "B2 a deep marker": (
        b"[build-system]\nrequires = ['x; " + b"(" * 9000 + b"']",
        "pyproject.toml",
        "its marker is nested too deeply",
    ),
    **{
        f"B3 {place}": (
            f"[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['{place}']".encode(),
            "pyproject.toml",
            rule,
        )
        for place, rule in {
            "/x": "`/x` is not inside the project",
            "..": "`..` is not inside the project",
            "a/../../b": "is not inside the project",
            "link": "`link` leads out of the project",
            "file": "`file` is no folder of the project",
            "missing": "`missing` is no folder of the project",
        }.items()
    },
    "B4 os:system": (b"[build-system]\nrequires = []\nbuild-backend = 'os:system'", "thing", "has no hook"),
    "B4 two words": (b"[build-system]\nrequires = []\nbuild-backend = 'a b'", "pyproject.toml", "'a b', which is no"),
    "B4 empty": (b"[build-system]\nrequires = []\nbuild-backend = ''", "pyproject.toml", "'', which is no"),
    "B4 a missing module": (b"[build-system]\nrequires = []\nbuild-backend = 'nosuch'", "thing", "cannot be imported"),
    "B4 a missing object": (
        b"[build-system]\nrequires = []\nbuild-backend = 'os:nosuch'",
        "thing",
        "`os:nosuch` cannot be found for `get_requires_for_build_editable`",
    ),
    "B8 an invalid name": (b"[project]\nname = '-x'\nversion = '1'", "pyproject.toml", "no valid name"),
    "B8 no version": (b"[project]\nname = 'x'", "pyproject.toml", "`project.version` is missing"),
    "B8 static and dynamic": (
        b"[project]\nname = 'x'\nversion = '1'\ndynamic = ['version']",
        "pyproject.toml",
        "lists it too",
    ),
    "B8 a dynamic name": (b"[project]\ndynamic = ['name', 'version']", "pyproject.toml", "has to be static"),
    "B8 dynamic is no list": (
        b"[project]\nname = 'x'\nversion = '1'\ndynamic = 'version'",
        "pyproject.toml",
        "is not a list of strings",
    ),
    "B8 a version of 5000 digits": (
        b"[project]\nname = 'x'\nversion = '" + b"9" * 5000 + b"'",
        "pyproject.toml",
        "no valid version",
    ),
    "B8 a version that is a number without end": (
        b"[project]\nname = 'x'\nversion = 0x" + b"f" * 9000,
        "pyproject.toml",
        "no valid version",
    ),
}


@pytest.mark.parametrize("row", PYPROJECTS)
def test_a_project_whose_pyproject_breaks_a_rule(builds: World, row: str) -> None:
    content, where, rule = PYPROJECTS[row]
    folder = builds.folder / "thing"
    folder.mkdir()
    (folder / "pyproject.toml").write_bytes(content)
    (folder / "file").touch()
    (folder / "link").symlink_to(builds.folder)
    error = refused(builds, "pip", "install", "-e", "thing", says=(where, rule))
    assert len(error) < 3000


def _backend(world: World, name: str, code: str, **facts: object) -> Path:
    folder = write_project(world.folder, name, **facts)  # type: ignore[arg-type]
    with (folder / "backend" / "tiny.py").open("a") as file:
        file.write(code)
    return folder


ANSWERS: dict[str, tuple[str, str]] = {
    "B6 a path upwards": ("'../../x.whl'", "broke the contract"),
    "B6 an absolute path": ("'/x.whl'", "broke the contract"),
    "B6 no text": ("7", "no usable answer"),
    "B6 a missing file": ("'thing-1.0-py3-none-any.whl'", "left no wheel"),
    "B6 two wheels": ("(_build(a[0], {}, 'x'), open(a[0] + '/b-1-py3-none-any.whl', 'w').close())[0]", "broke the"),
    "B6 another project": ("(P.update(name='thong'), globals().update(STEM='thong', INFO='thong-1.0.dist-info'))"
                           " and _build(a[0], {}, 'x')", "for a project named `thing`"),
    "B9 a path file that leads nowhere": ("_build(a[0], {'_thing.pth': '/nowhere/src'}, 'x')", "leads to `/nowhere"),
}  # fmt: skip


@pytest.mark.parametrize("row", ANSWERS)
def test_a_backend_that_breaks_its_contract(builds: World, row: str) -> None:
    answer, rule = ANSWERS[row]
    _backend(builds, "thing", f"\n\ndef build_editable(*a):\n    return {answer}\n")
    refused(builds, "pip", "install", "-e", "thing", says=("thing", rule))


def test_b9_a_backend_without_editables(builds: World) -> None:
    _backend(builds, "thing", "\n\ndel build_editable\n")
    refused(builds, "pip", "install", "-e", "thing", says=("thing", "has no hook `build_editable`"))


def _requiring(world: World, name: str, requires: Sequence[str]) -> None:
    files = project_files(name)
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", f"requires = {list(requires)!r}", 1)
    archives = world.folder / "archives"
    archives.mkdir(exist_ok=True)
    members = [tar_member(f"{name}-1.0/{path}", text.encode()) for path, text in files.items()]
    write_tar(archives / f"{name}-1.0.tar.gz", members)


@pytest.mark.parametrize(
    ("requires", "chain"),
    [
        pytest.param({"one": ["one"]}, ("one",), id="B7 itself"),
        pytest.param({"one": ["two"], "two": ["one"]}, ("one", "two"), id="B7 each other"),
        pytest.param({"one": ["two"], "two": ["six"], "six": ["one"]}, ("one", "two", "six"), id="B7 three"),
    ],
)
@pytest.mark.timeout(20)
def test_build_requirements_that_come_back_are_told_as_a_loop_with_no_lock_held(
    world: World, tmp_path: Path, requires: dict[str, list[str]], chain: tuple[str, ...]
) -> None:
    for name, texts in requires.items():
        _requiring(world, name, texts)
    log = tmp_path / "locks.log"
    error = refused(
        world,
        "pip",
        "install",
        "--find-links",
        "archives",
        "one",
        says=("loop", *chain),
        environ={"MINIUV_LOCK_LOG": str(log)},
    )
    assert len(error) < 2000
    held = [event["key"] for event in read_lock_log(log)] if log.exists() else []
    assert not [key for key in held if str(key).startswith(("wheel", "requires", "benv"))]


def test_b10_an_editable_and_a_git_requirement_of_one_name_name_both_origins(builds: World) -> None:
    write_project(builds.folder, "thing")
    url = "thing @ git+http://127.0.0.1:9/thing.git"
    error = refused(builds, "pip", "install", "-e", "thing", url, says=("`thing` is asked for from two places",))
    assert "git+http://127.0.0.1:9/thing.git" in error
    assert "-e " in error


def test_b10_two_editables_of_one_name_name_both_origins(builds: World) -> None:
    for place in ("a", "b"):
        write_project(builds.folder / place, "thing")
    refused(builds, "pip", "install", "-e", "a/thing", "-e", "b/thing", says=("a/thing", "b/thing"))


@pytest.mark.parametrize(
    "name",
    ["with space", "quote'\"", "per%20cent", "hash#tag", "ünïcode", "new\nline", "dollar$HOME", "-e"],
)
def test_b11_a_project_in_a_folder_of_an_odd_name_is_installed(world: World, name: str) -> None:
    folder = world.folder / name
    folder.mkdir()
    write_files(folder, project_files("thing"))
    world.install("-e", folder)
    assert world.evaluate("import sys, os; print(os.path.isdir([p for p in sys.path if p.startswith('/')][-1]))")
    assert world.installed() == {"thing": "1.0"}


def test_b11_a_project_in_a_folder_whose_name_is_no_text_is_installed(world: World) -> None:
    write_files(world.folder / "odd \udcff", project_files("thing"))
    with world.start("pip", "install", "-v", os.fsdecode(b"./odd \xff")) as command:
        _, said = command.communicate()
    assert command.returncode == 0, said
    assert "odd%20%FF" in said
    assert world.installed() == {"thing": "1.0"}


@pytest.mark.parametrize("editable", [True, False])
def test_b11_a_read_only_project_is_built_where_its_backend_can(world: World, editable: bool) -> None:
    folder = write_project(world.folder, "thing")
    command = shlex.join([sys.executable, "-m", "miniuv", "pip", "install", *(["-e"] if editable else []), "./thing"])
    if os.geteuid() == 0:  # root may write anywhere but on a read-only mount
        mount = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder}"
        argv = ["unshare", "--mount", "sh", "-c", f"{mount} && exec {command}"]
    else:
        argv = ["sh", "-c", f"chmod -R a-w {folder} && exec {command}"]
    done = subprocess.run(argv, cwd=world.folder, env=world.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert world.installed() == {"thing": "1.0"}


def test_b11_a_folder_that_links_to_itself(builds: World) -> None:
    (builds.folder / "loop").symlink_to("loop")
    refused(builds, "pip", "install", "-e", "loop", says=("loop",))


def test_b11_a_path_longer_than_any(builds: World) -> None:
    refused(builds, "pip", "install", "-e", "/".join(["x" * 200] * 20), says=("xxx",))
    refused(builds, "pip", "install", "-e", "x" * 4000, says=("xxx",))
