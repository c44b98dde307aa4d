"""What the bench installs: phases by name, editables that share git requirements, copies nobody built."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from bench.phases import COLD, NO_OP, Phase, at_once, chosen, parse_phases
from bench.projects import BUILD_LOG, EDITABLES, editable_files, noted_project, repository_files
from bench.scenarios import Scenario
from miniuv.errors import UsageError
from tests.support.projects import write_files

_SHARED = [f"shared-{number} @ git+https://example.invalid/shared-{number}.git@{number:040}" for number in range(8)]


def test_a_number_is_so_many_processes_at_once_on_a_cold_cache() -> None:
    assert parse_phases("cold, no-op,16") == (COLD, NO_OP, Phase(name="16 at once", cold=True, processes=16))


@pytest.mark.parametrize("text", ["", "hot", "1", "-2", "2.5", "cold,,warm"])
def test_another_word_is_no_phase(text: str) -> None:
    with pytest.raises(UsageError, match="is no phase"):
        parse_phases(text)


def test_without_a_choice_every_phase_runs_and_with_one_only_what_the_scenario_has() -> None:
    phases = (COLD, *at_once(2))

    assert chosen(phases, ()) == phases
    assert chosen(phases, parse_phases("2,4,warm")) == at_once(2)


def test_every_editable_needs_a_sibling_and_all_that_is_shared_each_in_another_order() -> None:
    orders = set()
    for name in EDITABLES:
        project = tomllib.loads(editable_files(name, shared=_SHARED)["pyproject.toml"])["project"]
        wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
        requirements = [Requirement(text) for text in wanted]
        from_git = tuple(requirement.name for requirement in requirements if requirement.url)
        orders.add(from_git)

        assert sorted(from_git) == [f"shared-{number}" for number in range(8)]
        assert {requirement.name for requirement in requirements} & {*EDITABLES} - {name}
    assert len(orders) == len(EDITABLES)


def test_a_repository_of_two_packages_has_each_in_its_own_subdirectory() -> None:
    files = repository_files("elder")

    assert {path for path in files if path.endswith("pyproject.toml")} == {
        "packages/elder-core/pyproject.toml",
        "packages/elder-tools/pyproject.toml",
    }


@pytest.mark.parametrize(("command", "noted"), [("bdist_wheel", "amber\n"), ("egg_info", "")])
def test_only_the_build_of_a_wheel_is_noted(tmp_path: Path, command: str, noted: str) -> None:
    write_files(tmp_path, noted_project("amber"))
    (tmp_path / "setuptools.py").write_text("def setup(): pass\n")
    log = tmp_path / "log"
    log.touch()

    subprocess.run([sys.executable, "setup.py", command], cwd=tmp_path, env={BUILD_LOG: str(log)}, check=True)

    assert log.read_text() == noted


def test_editables_are_copied_without_traces_of_builds_and_named_with_their_extra(tmp_path: Path) -> None:
    project = write_files(tmp_path / "agent", {"pyproject.toml": "", "src/agent.egg-info/PKG-INFO": ""})
    scenario = Scenario(name="some", phases=(COLD,), editables=(project,), extra="dev", options=("--upgrade",))
    place = tmp_path / "place"

    assert scenario.furnish(place) == ("--upgrade", "-e", f"{place}/projects/agent[dev]")
    assert scenario.unbuilt(place) == ["agent"]

    write_files(place, {"projects/agent/src/agent.egg-info/PKG-INFO": ""})

    assert scenario.unbuilt(place) == []
