"""What a backend answers is taken, or refused with its own words; the backends are a few lines each."""

import json
import os
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from miniuv.backend.builder import ReadyBuild
from miniuv.cache.store import Store
from miniuv.errors import BuildError, ProjectError, ResolutionError
from miniuv.models.interpreter import Interpreter
from miniuv.models.wheel import UnpackedWheel
from miniuv.reporter import Activity, Reporter
from tests.support.backends import FolderProvisioner, make_tiny_project
from tests.support.wheels import make_wheel

Prepare = Callable[..., ReadyBuild]


def refused(build: Callable[[], object]) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build()
    assert caught.value.hint
    return caught.value


def test_an_in_tree_backend_builds_a_wheel(prepare: Prepare, tmp_path: Path) -> None:
    ready = prepare(make_tiny_project(tmp_path / "tiny"))
    assert ready.build(tmp_path) == tmp_path / "tiny-1.0-py3-none-any.whl"
    assert (tmp_path / "tiny-1.0-py3-none-any.whl").is_file()


def test_without_the_metadata_hook_the_wheel_is_built_once_for_metadata_and_wheel(
    prepare: Prepare, tmp_path: Path
) -> None:
    count = """
    build_tiny = build_wheel
    def build_wheel(*arguments):
        print("built", file=open("built", "a"))
        return build_tiny(*arguments)
    """
    folder = make_tiny_project(tmp_path / "tiny", count)
    ready = prepare(folder)
    metadata = ready.metadata()
    assert (metadata.name, str(metadata.version), metadata.requires_dist) == ("tiny", "1.0", ("other>=2",))
    assert ready.build(tmp_path).is_file()
    assert (folder / "built").read_text() == "built\n"


def test_the_metadata_hook_is_preferred_and_its_folder_is_given_to_the_build(prepare: Prepare, tmp_path: Path) -> None:
    hooks = """
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        import os
        os.mkdir(f"{metadata_directory}/{INFO}")
        with open(f"{metadata_directory}/{INFO}/METADATA", "w") as file:
            file.write(METADATA.replace("2.1", "2.2"))
        return INFO

    build_tiny = build_wheel
    def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
        print(metadata_directory, file=open("given", "w"))
        return build_tiny(wheel_directory)
    """
    folder = make_tiny_project(tmp_path / "tiny", hooks)
    ready = prepare(folder)
    assert ready.metadata().requires_dist == ("other>=2",)
    ready.build(tmp_path)
    assert Path((folder / "given").read_text().strip()).name == "tiny-1.0.dist-info"


@pytest.mark.parametrize("change", ['.replace("1.0", "1.5")', '.replace("tiny", "other")'], ids=["version", "name"])
def test_a_wheel_of_another_name_or_version_than_was_prepared_is_refused(
    prepare: Prepare, tmp_path: Path, change: str
) -> None:
    hooks = f"""
    def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
        import os
        os.mkdir(f"{{metadata_directory}}/{{INFO}}")
        with open(f"{{metadata_directory}}/{{INFO}}/METADATA", "w") as file:
            file.write(METADATA{change})
        return INFO
    """
    with prepare(make_tiny_project(tmp_path / "tiny", hooks)) as ready:
        ready.metadata()
        error = refused(lambda: ready.build(tmp_path))
    assert "built `tiny-1.0-py3-none-any.whl`, and prepared the metadata of" in error.message
    assert not list(tmp_path.glob("*.whl"))


@pytest.mark.parametrize(
    ("lines", "is_fine"),
    [
        pytest.param("/nowhere/src", False, id="B9 missing"),
        pytest.param("# a comment\\n\\n/nowhere/src\\n/nowhere/lib\\n", False, id="B9 several missing"),
        pytest.param("/nowhere/src\\n/\\n", True, id="one of them is there"),
        pytest.param("import tiny\\n", True, id="a hook"),
        pytest.param("# a comment\\n", True, id="no path"),
        pytest.param("inside", True, id="relative to site-packages"),
    ],
)
def test_an_editable_wheel_must_lead_to_a_folder_that_is_there(
    prepare: Prepare, tmp_path: Path, lines: str, is_fine: bool
) -> None:
    hooks = f"""
    def build_editable(wheel_directory, *_):
        name = build_wheel(wheel_directory)
        with zipfile.ZipFile(f"{{wheel_directory}}/{{name}}", "a") as archive:
            archive.writestr("_tiny.pth", "{lines}")
        return name
    """
    with prepare(make_tiny_project(tmp_path / "tiny", hooks), editable=True) as ready:
        if is_fine:
            ready.build(tmp_path)
        else:
            assert "leads to `/nowhere/src`, which is not there" in refused(lambda: ready.build(tmp_path)).message


def test_config_settings_reach_the_hook(prepare: Prepare, tmp_path: Path) -> None:
    hooks = """
    def get_requires_for_build_wheel(config_settings=None):
        import json
        json.dump(config_settings, open("settings", "w"))
        return []
    """
    folder = make_tiny_project(tmp_path / "tiny", hooks)
    prepare(folder, config_settings={"--one": "1", "many": ["a", "b"]})
    assert json.loads((folder / "settings").read_text()) == {"--one": "1", "many": ["a", "b"]}


def test_the_backend_sees_the_build_environment_and_nothing_of_the_outer_python(
    prepare: Prepare, tmp_path: Path, store: Store
) -> None:
    hooks = """
    def get_requires_for_build_wheel(config_settings=None):
        import json, os, shutil, sys, tempfile
        facts = dict(os.environ), sys.path, sys.prefix, os.getcwd(), tempfile.gettempdir(), shutil.which("python")
        json.dump(facts, open("facts", "w"))
        return []
    """
    folder = make_tiny_project(tmp_path / "tiny", hooks)
    outer = {"PYTHONPATH": "/outer", "PYTHONSAFEPATH": "1", "VIRTUAL_ENV": "/outer", "GIT_DIR": "/x", "MINE": "kept"}
    prepare(folder, environ=outer)
    environ, path, prefix, cwd, temporary, python = json.loads((folder / "facts").read_text())
    assert not {"PYTHONPATH", "PYTHONSAFEPATH", "GIT_DIR"} & environ.keys()
    assert environ["MINE"] == "kept"
    assert environ["VIRTUAL_ENV"] == prefix
    assert Path(prefix).is_relative_to(store.root)
    assert python == f"{prefix}/bin/python"
    assert Path(temporary).name.startswith("miniuv-")
    assert not Path(temporary).exists()
    assert cwd == str(folder)
    assert [entry for entry in path if "site-packages" in entry] == [
        entry for entry in path if entry.startswith(prefix)
    ]


def test_the_backends_lines_are_heard_while_it_works(prepare: Prepare, tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []

    class Listener(Reporter):
        def progress(self, activity: Activity, detail: str) -> None:
            heard.append((activity.kind, detail))

    hooks = """
    def get_requires_for_build_wheel(config_settings=None):
        print("thinking")
        return []
    """
    prepare(make_tiny_project(tmp_path / "tiny", hooks), reporter=Listener())
    assert heard == [("metadata", "thinking")]


def test_a_backend_that_fails_is_told_with_its_last_lines_and_the_log(prepare: Prepare, tmp_path: Path) -> None:
    fails = """
    def build_wheel(*arguments):
        for n in range(100): print("step", n)
        raise RuntimeError("the compiler is on fire")
    """
    ready = prepare(make_tiny_project(tmp_path / "tiny", fails))
    error = refused(lambda: ready.build(tmp_path))
    assert error.where == "tiny 1.0"
    assert error.message.startswith("`tiny_backend` ended `build_wheel` with exit status 1\n  | ")
    assert error.message.endswith("RuntimeError: the compiler is on fire")
    assert len(error.message.splitlines()) == 21
    assert error.hint is not None
    log = Path(error.hint.partition("`")[2].rstrip("`"))
    assert "step 0\n" in log.read_text()
    assert not list(tmp_path.glob("*.whl"))


def test_a_missing_module_gets_a_hint_that_names_it(prepare: Prepare, tmp_path: Path) -> None:
    ready = prepare(make_tiny_project(tmp_path / "tiny", "def build_wheel(*arguments): import not_there.deep"))
    error = refused(lambda: ready.build(tmp_path))
    assert error.hint is not None
    assert "add what provides `not_there` to `build-system.requires`" in error.hint


def test_a_backend_without_build_editable_is_named_with_the_hook(prepare: Prepare, tmp_path: Path) -> None:
    ready = prepare(make_tiny_project(tmp_path / "tiny", "del build_editable"), editable=True)
    for call in (lambda: ready.build(tmp_path), ready.metadata):
        error = refused(call)
        assert error.message == (
            "its backend `tiny_backend` has no hook `build_editable`, so it cannot be installed as editable"
        )


def test_a_backend_that_cannot_be_imported_is_told_so(prepare: Prepare, tmp_path: Path) -> None:
    table = 'requires = []\nbuild-backend = "absent_backend"\n'
    error = refused(lambda: prepare(make_tiny_project(tmp_path / "tiny", build_system=table)))
    assert error.message.startswith("its backend `absent_backend` cannot be imported\n  | ModuleNotFoundError")
    assert error.hint == "add what provides `absent_backend` to `build-system.requires` of the project"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param('"../../x.whl"', "broke the contract", id="path upwards"),
        pytest.param('"/x.whl"', "broke the contract", id="absolute path"),
        pytest.param('"absent.whl"', "broke the contract", id="missing file"),
        pytest.param("7", "no usable answer", id="no text"),
        pytest.param("None", "no usable answer", id="nothing"),
        pytest.param("object()", "exit status 1", id="no JSON"),
        pytest.param("__import__('os')._exit(0)", "no usable answer", id="silent end"),
        pytest.param("__import__('os').kill(__import__('os').getpid(), 9)", "signal SIGKILL", id="killed"),
        pytest.param("build_tiny(*a) + open(a[0] + '/b.whl', 'w').name[:0]", "broke the contract", id="two wheels"),
    ],
)
def test_an_answer_that_is_no_wheel_is_refused(prepare: Prepare, tmp_path: Path, answer: str, said: str) -> None:
    backend = f"build_tiny = build_wheel\ndef build_wheel(*a): return {answer}\n"
    ready = prepare(make_tiny_project(tmp_path / "tiny", backend))
    assert said in refused(lambda: ready.build(tmp_path)).message


@pytest.mark.parametrize(
    ("project", "said"),
    [
        pytest.param('[project]\nname = "other"\nversion = "1.0"\n', "for a project named `other`", id="name"),
        pytest.param('[project]\nname = "Tiny"\nversion = "1.1"\n', "for version 1.1", id="version"),
    ],
)
def test_a_wheel_of_another_project_is_refused(prepare: Prepare, tmp_path: Path, project: str, said: str) -> None:
    ready = prepare(make_tiny_project(tmp_path / "tiny", project=project))
    with pytest.raises(BuildError, match=said):
        ready.build(tmp_path)


def test_a_wheel_for_another_platform_is_refused(prepare: Prepare, tmp_path: Path) -> None:
    backend = """
    def build_wheel(wheel_directory, *_):
        open(f"{wheel_directory}/tiny-1.0-cp27-none-win32.whl", "w").close()
        return "tiny-1.0-cp27-none-win32.whl"
    """
    ready = prepare(make_tiny_project(tmp_path / "tiny", backend))
    assert "does not fit" in refused(lambda: ready.build(tmp_path)).message


@pytest.mark.parametrize("answer", ["7", '["not a requirement !"]', "None"])
def test_requirements_that_are_none_are_refused(prepare: Prepare, tmp_path: Path, answer: str) -> None:
    backend = f"def get_requires_for_build_wheel(settings=None): return {answer}\n"
    with pytest.raises(BuildError, match=r"tiny 1\.0: "):
        prepare(make_tiny_project(tmp_path / "tiny", backend))


def test_what_the_backend_asks_for_besides_is_provided_in_a_second_environment(
    prepare: Prepare, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "extra-tool", "2.0")
    backend = """
    def get_requires_for_build_wheel(settings=None): return ["extra-tool>=2", "never; python_version < '3'"]
    build_tiny = build_wheel
    def build_wheel(*arguments):
        import extra_tool
        return build_tiny(*arguments)
    """
    wheels = FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked")
    ready = prepare(make_tiny_project(tmp_path / "tiny", backend), provisioner=wheels)
    assert ready.build(tmp_path).is_file()
    assert wheels.asked == [("extra-tool>=2", "never; python_version < '3'")]


def test_what_is_there_already_is_not_asked_for_again(prepare: Prepare, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "tool", "2.0")
    backend = 'def get_requires_for_build_wheel(settings=None): return ["tool<3"]\n'
    table = 'requires = ["tool"]\nbuild-backend = "tiny_backend"\nbackend-path = ["backend"]\n'
    wheels = FolderProvisioner(tmp_path / "wheels", tmp_path / "unpacked")
    prepare(make_tiny_project(tmp_path / "tiny", backend, build_system=table), provisioner=wheels)
    assert wheels.asked == [("tool",)]


def test_requirements_that_nobody_can_provide_are_told_with_who_needs_them(prepare: Prepare, tmp_path: Path) -> None:
    class Unlucky(FolderProvisioner):
        def provide(self, requirements: Sequence[str], *, interpreter: Interpreter) -> tuple[UnpackedWheel, ...]:
            raise ResolutionError("no version of `tool` fits", hint="look again")

    folder = make_tiny_project(tmp_path / "tiny", build_system='requires = ["tool>=9"]\n')
    with pytest.raises(BuildError) as caught:
        prepare(folder, provisioner=Unlucky(tmp_path, tmp_path))
    assert str(caught.value) == (
        "tiny 1.0: its build requirements (tool>=9) cannot be provided: no version of `tool` fits"
    )
    assert caught.value.hint == "look again"


@pytest.mark.parametrize("entry", ["out", "absent", "backend/tiny_backend.py"])
def test_a_backend_path_that_is_no_folder_of_the_project_is_refused(
    prepare: Prepare, tmp_path: Path, entry: str
) -> None:
    table = f'requires = []\nbuild-backend = "tiny_backend"\nbackend-path = ["{entry}"]\n'
    folder = make_tiny_project(tmp_path / "tiny", build_system=table)
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(ProjectError, match="backend-path"):
        prepare(folder)


def test_a_folder_that_is_no_project_is_refused_with_a_hint(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"neither a `pyproject\.toml` nor a `setup\.py`"):
        prepare(tmp_path)


def test_a_warning_of_the_backend_is_no_error(prepare: Prepare, tmp_path: Path) -> None:
    backend = textwrap.dedent("""
        def get_requires_for_build_wheel(settings=None):
            import warnings
            warnings.warn("old setting", UserWarning)
            return []
    """)
    assert prepare(make_tiny_project(tmp_path / "tiny", backend)).build(tmp_path).is_file()


def test_what_a_build_leaves_goes_with_it(prepare: Prepare, tmp_path: Path, store: Store) -> None:
    with prepare(make_tiny_project(tmp_path / "tiny")) as ready:
        ready.metadata()
        assert list(store.root.rglob("tiny-1.0-py3-none-any.whl"))
    assert not list(store.root.rglob("tiny-1.0-py3-none-any.whl"))


def test_bytecode_is_not_left_in_the_tree_of_the_project(prepare: Prepare, tmp_path: Path) -> None:
    folder = make_tiny_project(tmp_path / "tiny")
    prepare(folder, environ={"PYTHONDONTWRITEBYTECODE": ""}).build(tmp_path)
    assert [name for _, folders, _ in os.walk(folder) for name in folders] == ["backend"]
