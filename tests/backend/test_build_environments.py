"""A build environment is a virtual environment like any other, shared, complete, and never written to again."""

import dataclasses
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from miniuv.archive.intact import DamagedWheelError
from miniuv.backend.environment import BuildEnvironments
from miniuv.cache.jobs import JobRunner
from miniuv.cache.store import Store
from miniuv.environment.interpreters import Interpreters
from miniuv.errors import CacheError
from miniuv.models.interpreter import Interpreter
from miniuv.models.source import Sha256
from miniuv.models.wheel import UnpackedWheel
from miniuv.process import SubprocessRunner
from miniuv.reporter import Reporter
from tests.support.backends import FolderProvisioner
from tests.support.wheels import make_wheel

OTHER_PYTHONS = [
    python
    for minor in (9, 10, 12, 13)
    for python in sorted(Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/python"))[-1:]
]


@pytest.fixture
def environments(store: Store, jobs: JobRunner) -> BuildEnvironments:
    return BuildEnvironments(store=store, jobs=jobs, runner=SubprocessRunner(), reporter=Reporter())


@pytest.fixture
def wheel(tmp_path: Path, interpreter: Interpreter) -> UnpackedWheel:
    files = {
        "tool/__init__.py": "def main(): print('tool runs in', __import__('sys').prefix)\n",
        "tool/template.py": "this is no Python {{ }}\n",
        "tool.pth": "import sys; sys.tool_was_here = True\n",
        "tool-1.0.data/scripts/by-hand": "#!python\nprint('by hand')\n",
        "tool-1.0.data/data/share/tool.txt": "shared",
        "tool-1.0.data/platlib/tool_native.py": "",
        "tool-1.0.data/headers/tool.h": "",
    }
    entry_points = {"console_scripts": {"tool": "tool:main"}, "gui_scripts": {"tool-gui": "tool:main"}}
    make_wheel(tmp_path / "wheels", "tool", "1.0", files, entry_points=entry_points)
    provisioner = FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked")
    return provisioner.provide(["tool"], interpreter=interpreter)[0]


def output(*command: str | Path) -> str:
    environment = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd="/", env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_modules_scripts_and_pth_files_work_at_the_final_place(
    environments: BuildEnvironments, interpreter: Interpreter, wheel: UnpackedWheel
) -> None:
    prefix = environments.obtain(interpreter, [wheel])
    python = prefix / "bin" / "python"
    assert output(python, "-c", "import sys; print(sys.prefix, sys.tool_was_here)") == f"{prefix} True"
    assert output(prefix / "bin" / "tool") == output(prefix / "bin" / "tool-gui") == f"tool runs in {prefix}"
    assert output(prefix / "bin" / "by-hand") == "by hand"
    assert output(python, "-c", "import tool_native") == ""
    assert output(python, "-c", "from importlib.metadata import version; print(version('tool'))") == "1.0"
    assert (prefix / "share" / "tool.txt").read_text() == "shared"
    assert list(prefix.glob("include/site/python3.*/tool/tool.h"))
    assert python.resolve() == interpreter.real_executable.resolve()


def test_the_outer_environment_is_not_visible(environments: BuildEnvironments, interpreter: Interpreter) -> None:
    python = environments.obtain(interpreter, []) / "bin" / "python"
    code = "import importlib.util as u; print(u.find_spec('miniuv'), u.find_spec('pytest'))"
    assert output(python, "-c", code) == "None None"


def test_modules_are_compiled_as_if_they_had_always_been_there(
    environments: BuildEnvironments, interpreter: Interpreter, wheel: UnpackedWheel
) -> None:
    prefix = environments.obtain(interpreter, [wheel])
    (compiled,) = prefix.glob("lib/python3.*/site-packages/tool/__pycache__/__init__.*.pyc")
    before = compiled.stat()
    code = "import tool; print(tool.__cached__, tool.main.__code__.co_filename)"
    places = output(prefix / "bin" / "python", "-c", code).split()
    assert places == [str(compiled), str(compiled.parent.parent / "__init__.py")]
    assert compiled.stat() == before
    assert str(prefix).encode() in compiled.read_bytes()


@pytest.fixture
def provide(tmp_path: Path, interpreter: Interpreter) -> Callable[..., UnpackedWheel]:
    """Make a wheel with such modules, and unpack it."""

    def make(name: str, modules: dict[str, str]) -> UnpackedWheel:
        make_wheel(tmp_path / name, name, "1.0", modules)
        return FolderProvisioner(tmp_path / name, tmp_path / f"{name}-unpacked").provide(
            [name], interpreter=interpreter
        )[0]

    return make


def many_modules(package: str) -> dict[str, str]:
    """So many that another process pays, and that taking over what was compiled does."""
    return {
        f"{package}/{name}.py": f"def where(): return {name!r}\n"
        for name in ["__init__", *map("m{}".format, range(210))]
    }


def bytecode_of(prefix: Path, module: str) -> bytes:
    folder, _, name = module.rpartition("/")
    (compiled,) = prefix.glob(f"lib/python3.*/site-packages/{folder}/__pycache__/{name}.*.pyc")
    return compiled.read_bytes()


def test_every_module_is_compiled_however_many_processes_share_them(
    environments: BuildEnvironments, interpreter: Interpreter, provide: Callable[..., UnpackedWheel]
) -> None:
    prefix = environments.obtain(interpreter, [provide("big", many_modules("big"))])
    (folder,) = prefix.glob("lib/python3.*/site-packages/big")
    compiled = {path.name.partition(".")[0] for path in folder.glob("__pycache__/*.pyc")}
    assert compiled == {path.stem for path in folder.glob("*.py")}
    assert sorted(path.suffix for path in folder.rglob("*") if path.is_file()) == [".py"] * 211 + [".pyc"] * 211


@pytest.mark.parametrize("first", ["smaller", "larger"])
def test_what_one_environment_has_compiled_is_not_compiled_for_another(
    environments: BuildEnvironments, interpreter: Interpreter, provide: Callable[..., UnpackedWheel], first: str
) -> None:
    package = f"before_{first}"
    big = provide("big", many_modules(package))
    small = provide("small", {f"small_{first}/__init__.py": ""})
    orders = [[big], [big, small]] if first == "smaller" else [[big, small], [big]]
    before, after = (environments.obtain(interpreter, wheels) for wheels in orders)
    assert str(before).encode() in bytecode_of(after, f"{package}/m7")
    code = f"import {package}.m7 as m; print(m.where.__code__.co_filename)"
    assert output(after / "bin" / "python", "-c", code).startswith(f"{after}/")
    larger = after if first == "smaller" else before
    assert str(larger).encode() in bytecode_of(larger, f"small_{first}/__init__")


def test_environments_that_have_much_in_common_are_made_by_many_threads_at_once(
    environments: BuildEnvironments, interpreter: Interpreter, provide: Callable[..., UnpackedWheel]
) -> None:
    big = provide("crowded", many_modules("crowded"))
    small = [provide(name, {f"{name}.py": ""}) for name in ("crowded_one", "crowded_two")]
    kinds = [[big], [big, small[0]], [big, small[1]], [big, *small]] * 3
    with ThreadPoolExecutor(len(kinds)) as pool:
        made = [*pool.map(lambda wheels: environments.obtain(interpreter, wheels), kinds)]
    assert made == made[:4] * 3
    sources = {line for prefix in made[:4] for line in bytecode_of(prefix, "crowded/m7").split(b"/") if len(line) == 32}
    assert len(sources) == 1  # compiled in one of them only


def test_a_module_that_another_wheel_replaces_is_compiled_anew(
    environments: BuildEnvironments, interpreter: Interpreter, provide: Callable[..., UnpackedWheel]
) -> None:
    big = provide("big", many_modules("covered"))
    other = provide("other", {"covered/m7.py": "def where(): return 'replaced'\n"})
    environments.obtain(interpreter, [big])
    prefix = environments.obtain(interpreter, [big, other])
    code = "import covered.m6, covered.m7; print(covered.m6.where(), covered.m7.where())"
    assert output(prefix / "bin" / "python", "-c", code) == "m6 replaced"


def test_the_same_wheels_share_an_environment_in_any_order_and_others_do_not(
    environments: BuildEnvironments, interpreter: Interpreter, wheel: UnpackedWheel, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "other", "1.0")
    provisioner = FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked2")
    (other,) = provisioner.provide(["other"], interpreter=interpreter)
    both = environments.obtain(interpreter, [wheel, other])
    assert environments.obtain(interpreter, [other, wheel]) == both
    assert environments.obtain(interpreter, [wheel]) != both


def test_many_threads_make_one_environment_once(
    environments: BuildEnvironments, interpreter: Interpreter, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "many", "1.0")
    provisioner = FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked2")
    (many,) = provisioner.provide(["many"], interpreter=interpreter)
    with ThreadPoolExecutor(4) as pool:
        prefixes = list(pool.map(lambda _: environments.obtain(interpreter, [many]), range(4)))
    assert len(set(prefixes)) == 1


def test_an_edit_of_the_unpacked_wheel_never_reaches_a_build_environment(
    environments: BuildEnvironments, interpreter: Interpreter, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "edited", "1.0")
    provisioner = FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked2")
    (edited,) = provisioner.provide(["edited"], interpreter=interpreter)
    with (edited.root / "edited.py").open("a") as file:
        file.write("x = 1\n")
    with pytest.raises(DamagedWheelError, match=r"were changed: `edited\.py`"):
        environments.obtain(interpreter, [edited])


def test_what_the_disk_refuses_is_told_as_such(
    environments: BuildEnvironments, interpreter: Interpreter, wheel: UnpackedWheel
) -> None:
    unwritable = (msgspec.structs.replace(wheel.files[0], path="x" * 300),)
    with pytest.raises(CacheError, match="cannot make a build environment"):
        environments.obtain(interpreter, [dataclasses.replace(wheel, digest=Sha256("0" * 64), files=unwritable)])


@pytest.mark.parametrize("executable", OTHER_PYTHONS, ids=lambda path: path.parent.parent.name)
def test_every_supported_python_can_have_one(
    environments: BuildEnvironments, executable: Path, wheel: UnpackedWheel
) -> None:
    interpreters = Interpreters(runner=SubprocessRunner(), environ=os.environ, store=None, reporter=Reporter())
    prefix = environments.obtain(interpreters.describe(executable), [wheel])
    assert output(prefix / "bin" / "tool") == f"tool runs in {prefix}"
    assert output(prefix / "bin" / "python", "-m", "this").startswith("The Zen")
