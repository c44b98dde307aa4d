"""Only what cannot be taken for something else is imported before a hook."""

from pathlib import Path

import pytest

from miniuv.backend.preload import LearnedModules, files_with, has_module_named, read_report
from miniuv.cache.store import Store
from miniuv.reporter import Reporter
from tests.support.backends import make_project


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An environment with a backend, what it requires, a plugin of it, and strangers."""

    def add(name: str, *requires: str, entry_points: str = "", module: str = "") -> None:
        module = module or name.replace("-", "_")
        info = f"lib/python3.11/site-packages/{module}-1.0.dist-info"
        metadata = "Metadata-Version: 2.1\n" + "".join(f"Requires-Dist: {each}\n" for each in requires)
        files = {
            f"{info}/METADATA": f"{metadata}\nRequires-Dist: in-the-description\n",
            f"{info}/RECORD": f"{module}/__init__.py,,\n{module}/_vendor/part.py,,\n",
            f"{info}/entry_points.txt": entry_points,
        }
        make_project(tmp_path / "env", files)

    add("setuptools", "needed >= 1", "for-tests; extra == 'test'", "not a requirement !", "absent")
    add("needed", "deep; python_version > '3'")
    add("deep", "setuptools")
    add("for-tests")
    add("in-the-description")
    add("plugin", "of-plugin", entry_points="[setuptools.finalize_distribution_options]\nx = plugin:x\n")
    add("of-plugin")
    add("keyword", entry_points="[distutils.setup_keywords]\nx = keyword:x\n")
    return tmp_path / "env"


def test_a_backend_comes_with_its_requirements_and_the_plugins_it_loads_for_everybody(prefix: Path) -> None:
    site = prefix / "lib/python3.11/site-packages"
    files = files_with(prefix, "setuptools.build_meta:__legacy__")
    modules = ("setuptools", "needed", "deep", "plugin", "of_plugin")
    assert files == {str(site / module / name) for module in modules for name in ("__init__.py", "_vendor/part.py")}


def test_nothing_comes_with_a_backend_that_is_nobodys(prefix: Path) -> None:
    assert files_with(prefix, "unknown.api") == frozenset()


def test_learned_modules_keep_their_order_and_are_found_again(prefix: Path, tmp_path: Path) -> None:
    python, part = prefix / "bin" / "python", str(prefix / "lib/python3.11/site-packages/setuptools/_vendor/part.py")
    keyword = str(prefix / "lib/python3.11/site-packages/keyword/__init__.py")
    with Store.open(tmp_path / "cache", reporter=Reporter(), runtime=tmp_path) as store:
        learned = LearnedModules(store)
        learned.add(python, "setuptools.api", [("zipfile", ""), ("part", part), ("keyword", keyword), ("this", "")])
        learned.add(python, "setuptools.api", [("part", part), ("tkinter.ttk", ""), ("csv", ""), ("own", "/p/own.py")])
        assert learned.of(python, "setuptools.api") == ["zipfile", "part", "csv"]
        assert learned.of(python, "setuptools.other") == []
        assert LearnedModules(store).of(python, "setuptools.api") == ["zipfile", "part", "csv"]


@pytest.mark.parametrize("record", [{}, {"format": 0, "modules": ["x"]}, {"format": 1, "modules": 3}])
def test_a_record_that_is_none_teaches_nothing(tmp_path: Path, record: dict[str, object]) -> None:
    with Store.open(tmp_path / "cache", reporter=Reporter(), runtime=tmp_path) as store:
        python = tmp_path / "bin" / "python"
        store.write_record(f"modules that hooks of api import in {python}", record)
        assert LearnedModules(store).of(python, "api") == []


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"modules": []}']
    + ['{"modules": ' + each + ', "patterns": []}' for each in ('{"a": 1}', "[[1, 2]]", '["ab"]', '[["a", 1]]')]
    + ['{"modules": [], "patterns": ' + each + "}" for each in ('{"a": 1}', "[[1, 2]]", '["ab"]', '[["a", "b"]]')],
)
def test_a_report_that_is_none_says_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "report").write_text(content)
    assert read_report(tmp_path / "report") == ([], [])


@pytest.mark.parametrize(
    "path", ["json.py", "json/x.txt", "src/json.py", "tools/json.cpython-311-x86_64-linux-gnu.so", "a/json/x"]
)
def test_a_module_of_the_projects_own_is_found_where_a_script_could_import_it(tmp_path: Path, path: str) -> None:
    folder = make_project(tmp_path, {path: ""})
    assert has_module_named(folder, {"json"})
    assert not has_module_named(folder, {"csv"})


@pytest.mark.parametrize("path", ["json.md", "a/b/json.py", ".git/json.py", "json_tools.py", "x.json"])
def test_other_files_are_no_such_module(tmp_path: Path, path: str) -> None:
    assert not has_module_named(make_project(tmp_path, {path: ""}), {"json"})


def test_a_folder_that_cannot_be_read_could_hold_anything(tmp_path: Path) -> None:
    assert has_module_named(tmp_path / "absent", {"json"})
