import json
from pathlib import Path

import pytest

from tests.support.commands import World
from tests.support.projects import write_project
from tests.support.simple_index import SimpleIndex
from tests.support.wheels import make_wheel


def direct_url(world: World, name: str) -> dict[str, object]:
    (info,) = (world.folder / ".venv").rglob(f"{name}-*.dist-info")
    found = json.loads((info / "direct_url.json").read_text())
    assert isinstance(found, dict)
    return found


def test_two_editables_that_need_each_other_are_satisfied_by_each_other(world: World) -> None:
    write_project(world.folder, "one", dependencies=["two>=1"])
    write_project(world.folder, "two", dependencies=["one"])
    world.install("-e", "one", "-e", "./two")
    assert world.evaluate("import one, two; print(one.__version__, two.__version__)") == "1.0 1.0"
    assert world.pip("check").code == 0


def test_an_editable_follows_its_sources(world: World) -> None:
    folder = write_project(world.folder, "one")
    world.install("-e", "one")
    (folder / "one" / "__init__.py").write_text("__version__ = 'edited'\n")
    assert world.evaluate("import one; print(one.__version__)") == "edited"


def test_an_editable_is_recorded_with_its_folder(world: World) -> None:
    folder = write_project(world.folder, "one")
    world.install("-e", "one")
    assert direct_url(world, "one") == {"url": folder.as_uri(), "dir_info": {"editable": True}}


def test_extras_of_an_editable_are_installed_and_may_name_each_other(indexed: World, index: SimpleIndex) -> None:
    for name in ("alpha", "beta"):
        make_wheel(index.folder, name, "1.0")
    write_project(
        indexed.folder,
        "one",
        extras={"dev": ["one[alpha,beta]"], "alpha": ["alpha"], "beta": ["beta"], "not": ["gone"]},
    )
    indexed.install("-e", "one[dev]")
    assert sorted(indexed.installed()) == ["alpha", "beta", "one"]


def test_a_sibling_is_never_looked_up_on_the_index(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "two", "9.0")
    write_project(indexed.folder, "one", dependencies=["two"])
    write_project(indexed.folder, "two", "1.0")
    indexed.install("-e", "one", "-e", "two")
    assert indexed.installed()["two"] == "1.0"
    assert index.paths("/two") == []


def test_a_named_editable_url_with_extras_is_understood(indexed: World, index: SimpleIndex) -> None:
    make_wheel(index.folder, "alpha", "1.0")
    folder = write_project(indexed.folder, "one", extras={"x": ["alpha"]})
    indexed.install("-e", f"one[x] @ {folder.as_uri()}")
    assert sorted(indexed.installed()) == ["alpha", "one"]


def test_metadata_that_only_the_backend_knows_is_asked_of_it(world: World) -> None:
    write_project(world.folder, "one", "3.4", dynamic=True, dependencies=["two"])
    write_project(world.folder, "two", "0.1", dynamic=True)
    world.install("-e", "one", "-e", "two")
    assert world.installed() == {"one": "3.4", "two": "0.1"}


def test_an_editable_is_built_once_in_a_run_and_again_in_the_next(world: World, tmp_path: Path) -> None:
    log = tmp_path / "builds"
    world.environ["TINY_BUILD_LOG"] = str(log)
    write_project(world.folder, "one", dynamic=True)
    world.install("-e", "one")
    assert log.read_text().splitlines() == ["editable one"]
    world.install("-e", "one")
    assert log.read_text().splitlines() == ["editable one"] * 2


def test_from_editable_to_plain_and_back_is_a_change(world: World) -> None:
    write_project(world.folder, "one")
    world.install("-e", "one")
    world.install("./one")
    assert direct_url(world, "one")["dir_info"] == {}
    world.install("-e", "one")
    assert direct_url(world, "one")["dir_info"] == {"editable": True}


def test_the_console_script_of_an_editable_runs(world: World) -> None:
    write_project(world.folder, "one", scripts={"say-one": "one:main"}, source="def main():\n    print('said')\n")
    world.install("-e", "one")
    assert (
        world.evaluate(
            f"import subprocess; print(subprocess.check_output([{str(world.python.parent / 'say-one')!r}], text=True))"
        ).strip()
        == "said"
    )


def test_an_editable_and_a_plain_requirement_on_its_name_are_one(world: World) -> None:
    write_project(world.folder, "one")
    world.install("-e", "one", "one")
    assert world.installed() == {"one": "1.0"}


@pytest.mark.parametrize("option", ["--dry-run", "--dry-run -v"])
def test_a_dry_run_changes_nothing(world: World, option: str) -> None:
    write_project(world.folder, "one")
    said = world.install(*option.split(), "-e", "one")
    assert "+ one==1.0" in said.err
    assert world.installed() == {}


def test_no_deps_installs_what_is_named_and_nothing_else(world: World) -> None:
    write_project(world.folder, "one", dependencies=["missing"])
    world.install("--no-deps", "-e", "one")
    assert world.installed() == {"one": "1.0"}
