import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniuv.errors import ProjectError
from miniuv.project.pyproject import BuildSystem, Pyproject, parse_pyproject, read_pyproject, static_metadata

MINIMAL = '[project]\nname = "thing"\nversion = "1.0"\n'


def parse(text: str) -> Pyproject:
    return parse_pyproject(text.encode(), where="pyproject.toml")


def refusal(text: str | bytes) -> ProjectError:
    with pytest.raises(ProjectError) as caught:
        parse_pyproject(text.encode() if isinstance(text, str) else text, where="pyproject.toml")
    assert caught.value.where is not None
    assert caught.value.where.startswith("pyproject.toml")
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_static_project_gives_its_metadata_without_a_backend() -> None:
    pyproject = parse(
        MINIMAL
        + 'requires-python = ">=3.12"\n'
        + "dependencies = [\"gunicorn @ git+https://host/g.git@main ; sys_platform != 'win32'\", 'requests>=2']\n"
        + "[project.optional-dependencies]\nDev_Tools = ['pytest', "
        + "\"tomli ; python_version < '3.11' or os_name=='x'\"]\n"
        + "url = ['a @ https://host/a-1.zip ; os_name == \"posix\"']\n"
    )

    metadata = static_metadata(pyproject)

    assert metadata is not None
    assert (metadata.display_name, str(metadata.version)) == ("thing", "1.0")
    assert str(metadata.requires_python) == ">=3.12"
    assert metadata.provides_extra == {"dev-tools", "url"}
    assert metadata.requires_dist == (
        "gunicorn @ git+https://host/g.git@main ; sys_platform != 'win32'",
        "requests>=2",
        "pytest ; extra == 'dev-tools'",
        'tomli; (python_version < "3.11" or os_name == "x") and extra == "dev-tools"',
        'a @ https://host/a-1.zip ; os_name == "posix" and extra == "url"',
    )


@pytest.mark.parametrize("key", ["version", "dependencies", "optional-dependencies", "requires-python"])
def test_a_dynamic_field_that_matters_needs_the_backend(key: str) -> None:
    version = "" if key == "version" else 'version = "1.0"\n'
    pyproject = parse(f'[project]\nname = "thing"\n{version}dynamic = ["{key}"]\n')
    assert static_metadata(pyproject) is None
    assert pyproject.dynamic == {key}


def test_a_dynamic_field_that_does_not_matter_needs_no_backend() -> None:
    assert static_metadata(parse(MINIMAL + 'dynamic = ["readme", "scripts"]\n')) is not None


def test_no_project_table_needs_the_backend() -> None:
    pyproject = parse("[tool.black]\nline-length = 100\n")
    assert pyproject.name is None
    assert static_metadata(pyproject) is None


def test_poetry_s_own_dependencies_need_the_backend() -> None:
    assert static_metadata(parse(MINIMAL + '[tool.poetry.dependencies]\nrequests = "*"\n')) is None
    assert static_metadata(parse(MINIMAL + "dependencies = []\n[tool.poetry]\n")) is not None


def test_fields_that_hatchling_fills_in_need_the_backend() -> None:
    assert static_metadata(parse(MINIMAL + "dependencies = ['a @ {root:uri}/a']\n")) is None


def test_a_build_system_without_a_backend_is_setuptools_legacy() -> None:
    assert parse(MINIMAL).build_system == BuildSystem()
    assert parse('[build-system]\nrequires = ["wheel"]\n').build_system == BuildSystem(requires=("wheel",))


def test_an_in_tree_backend_is_read() -> None:
    text = '[build-system]\nrequires = []\nbuild-backend = "my.backend:obj.attr"\nbackend-path = ["tools", "./x"]\n'
    assert parse(text).build_system == BuildSystem(
        requires=(), backend="my.backend:obj.attr", backend_path=("tools", "./x")
    )


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("[project]\nname = \n", "pyproject.toml:2", "no valid TOML"),
        ("a = 1\n\na = 2\n", "pyproject.toml:3", "no valid TOML"),
        (b"a = 1\nb = '\xff'\n", "pyproject.toml:2", "not UTF-8"),
        (b"\xef\xbb\xbf[project]\n", "pyproject.toml:1", "byte order mark"),
        ("a = " + "[" * 10_000 + "]" * 10_000, "pyproject.toml", "TOML"),
        (b"#" * (16 * 2**20 + 1), "pyproject.toml", "larger than 16 MiB"),
    ],
    ids=["syntax", "duplicate", "latin-1", "bom", "deep", "huge"],
)
def test_a_file_that_is_no_toml_is_refused_with_its_line(text: str | bytes, where: str, message: str) -> None:
    error = refusal(text)
    assert str(error.where).startswith(where)
    assert message in error.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("build-system = 1", "`build-system` is not a table"),
        ("[[build-system]]\n", "`build-system` is not a table"),
        ("[build-system]\n", "`build-system.requires` is missing"),
        ("[build-system]\nrequires = 'setuptools'", "is not a list of strings"),
        ("[build-system]\nrequires = [1]", "is not a list of strings"),
        ("[build-system]\nrequires = ['==1']", "no valid requirement"),
        *(
            (f"[build-system]\nrequires = []\nbuild-backend = '{backend}'", "no `module` or `module:object`")
            for backend in ("", "a b", "a:", ":b", "a:b:c", "a-b", "a..b", "os;x")
        ),
        ("[build-system]\nrequires = []\nbuild-backend = 1", "no `module`"),
        *(
            (f"[build-system]\nrequires = []\nbackend-path = ['{folder}']", "not inside the project")
            for folder in ("/x", "..", "a/../../b", "")
        ),
        ("[build-system]\nrequires = []\nbackend-path = 'x'", "is not a list of strings"),
        ("project = 1", "`project` is not a table"),
        ("[project]\nversion = '1'", "`project.name` is missing"),
        ("[project]\nname = '-x'\nversion = '1'", "no valid name"),
        ("[project]\nname = 1\nversion = '1'", "no valid name"),
        ("[project]\nname = 'a\\nb'\nversion = '1'", "no valid name"),
        ("[project]\nname = 'x'", "`project.version` is missing"),
        ("[project]\nname = 'x'\nversion = 'one'", "no valid version"),
        ("[project]\nname = 'x'\nversion = 1.0", "no valid version"),
        ("[project]\nname = 'x'\nversion = '1'\ndynamic = ['version']", "lists it too"),
        ("[project]\nname = 'x'\ndynamic = ['name', 'version']", "has to be static"),
        ("[project]\nname = 'x'\nversion = '1'\ndynamic = 'version'", "is not a list of strings"),
        (MINIMAL + "dependencies = 'requests'", "is not a list of strings"),
        (MINIMAL + "dependencies = ['requests=1']", "`project.dependencies`: `requests=1` is no valid requirement"),
        (MINIMAL + "dependencies = ['a; nonsense == 1']", "no valid requirement"),
        (MINIMAL + "requires-python = 'three'", "no version range"),
        (MINIMAL + "requires-python = 3", "no version range"),
        (MINIMAL + "optional-dependencies = []", "is not a table"),
        (MINIMAL + "optional-dependencies.dev = 'x'", "is not a list of strings"),
        (MINIMAL + "optional-dependencies.'a b' = []", "no valid name for an extra"),
        (MINIMAL + "optional-dependencies.dev = ['==']", "`project.optional-dependencies.dev`"),
    ],
)
def test_a_table_that_breaks_the_specification_is_refused(text: str, message: str) -> None:
    assert message in refusal(text).message


def test_extras_that_are_the_same_when_normalised_are_joined() -> None:
    pyproject = parse(MINIMAL + "[project.optional-dependencies]\na_b = ['x']\nA-B = ['y']\n")
    assert pyproject.optional_dependencies == {"a-b": ("x", "y")}


def test_a_folder_with_a_setup_py_alone_is_a_legacy_project(tmp_path: Path) -> None:
    assert read_pyproject(tmp_path) is None
    (tmp_path / "setup.py").touch()
    pyproject = read_pyproject(tmp_path)
    assert pyproject is not None
    assert pyproject.build_system == BuildSystem()
    assert static_metadata(pyproject) is None


def test_a_folder_s_file_is_named_in_errors(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ProjectError) as caught:
        read_pyproject(tmp_path)
    assert caught.value.where == f"{tmp_path / 'pyproject.toml'}:1"
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(ProjectError, match="cannot be read"):
        read_pyproject(tmp_path)


@given(st.binary(max_size=300))
def test_no_bytes_cause_anything_but_facts_or_a_project_error(data: bytes) -> None:
    try:
        parse_pyproject(data, where="x")
    except ProjectError:
        return


@given(
    st.recursive(
        st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    ),
    st.sampled_from(["name", "version", "dependencies", "dynamic", "requires-python", "optional-dependencies", "tool"]),
)
def test_no_value_of_the_wrong_type_causes_anything_but_facts_or_a_project_error(value: object, key: str) -> None:
    text = {"name": '"x"', "version": '"1"'} | {key: json.dumps(value)}
    try:
        parse("[project]\n" + "".join(f"{name} = {literal}\n" for name, literal in text.items()))
    except ProjectError:
        return
