"""Installers take turns, and a figure counts only where the same was done; the installers here are small scripts."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.course import Course
from bench.figures import Sample
from bench.phases import Phase, parse_phases
from bench.projects import BUILD_LOG
from bench.scenarios import Scenario
from bench.tools import Tool

_FILLS_ITS_CACHE = 'mkdir -p "$CACHE"; touch "$CACHE/filled"'
_INSTALLS = 'echo "ONE = 1" > "$target/one.py"; mkdir -p "$target/bin"; touch "$target/bin/one"'
_FETCHES = 'echo one.git >> "$FETCHES"'
_BUILDS = f'echo one >> "${BUILD_LOG}"'
_COLD_ONLY = f'if ! test -e "$CACHE/filled"; then {_FETCHES}; {_BUILDS}; fi'
_WORKS = f"{_COLD_ONLY}; {_FILLS_ITS_CACHE}; {_INSTALLS}"


def _tool(folder: Path, script: str, *, name: str = "miniuv") -> Tool:
    program = folder / f"{name}-program"
    lines = (
        "#!/bin/sh",
        "set -e",
        f'CACHE="${name.upper()}_CACHE_DIR"',
        'while test "$1" != --python; do shift; done',
        'target="$2"',
        script,
    )
    program.write_text("\n".join((*lines, "")))
    program.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "FETCHES": str(folder / "fetches")}
    return Tool(name=name, version="1", program=program, environment=environment)


def _run(
    folder: Path, tools: Sequence[Tool], phases: str, *, trials: int = 1, once_from: float = 60.0, only: str = ""
) -> list[Sample]:
    log = folder / "fetches"
    log.touch()
    course = Course(
        folder=folder / "runs",
        python=Path(sys.executable),
        fetches=lambda: {"one.git": log.read_text().count("one.git")},
        say=lambda _: None,
        trials=trials,
        once_from=once_from,
        only=parse_phases(only) if only else (),
    )
    scenario = Scenario(
        name="one", phases=parse_phases(phases), requirements=("one",), repositories=("one.git",), packages=("one",)
    )
    return [*course.run(scenario, tools)]


def _reasons(samples: Sequence[Sample]) -> list[tuple[str, str, str]]:
    return [(sample.tool, sample.phase, sample.reason) for sample in samples]


def test_phases_run_in_order_and_count_what_was_fetched_and_built(tmp_path: Path) -> None:
    samples = _run(tmp_path, [_tool(tmp_path, _WORKS)], "cold,warm,no-op,2")

    assert _reasons(samples) == [("miniuv", phase, "") for phase in ("cold", "warm", "no-op", "2 at once")]
    assert [(sample.fetches, sample.builds) for sample in samples[:3]] == [(1, 1), (0, 0), (0, 0)]
    assert samples[3].processes == 2
    assert samples[3].fetches >= 1  # two such scripts may both find nothing


def test_the_installers_take_turns_and_each_trial_begins_with_another(tmp_path: Path) -> None:
    tools = [_tool(tmp_path, _WORKS), _tool(tmp_path, _WORKS, name="uv")]

    samples = _run(tmp_path, tools, "cold,warm", trials=2)

    assert [sample.tool for sample in samples] == ["miniuv", "uv", "miniuv", "uv", "uv", "miniuv", "uv", "miniuv"]


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [(_FETCHES, "was not cold: one.git was not fetched"), (_BUILDS, "was not cold: one was not built")],
)
def test_a_cold_run_that_skipped_work_does_not_count_and_nothing_follows(
    tmp_path: Path, left_out: str, reason: str
) -> None:
    samples = _run(tmp_path, [_tool(tmp_path, _WORKS.replace(left_out, "true"))], "cold,warm,no-op")

    assert _reasons(samples) == [("miniuv", "cold", reason)]


def test_an_environment_that_holds_something_else_does_not_count(tmp_path: Path) -> None:
    other = _tool(tmp_path, _WORKS.replace("ONE = 1", "ONE = 2"), name="uv")

    samples = _run(tmp_path, [_tool(tmp_path, _WORKS), other], "cold")

    assert _reasons(samples) == [
        ("miniuv", "cold", ""),
        ("uv", "cold", "holds other things than the first: one.py"),
    ]


def test_each_environment_of_a_crowd_is_looked_at(tmp_path: Path) -> None:
    script = f'{_WORKS}; case "$target" in *-1) echo "" > "$target/two.py";; esac'

    samples = _run(tmp_path, [_tool(tmp_path, script)], "cold,2")

    assert [sample.reason for sample in samples] == ["", "holds other things than the first: two.py"]


def test_a_run_that_installs_nothing_does_not_count(tmp_path: Path) -> None:
    samples = _run(tmp_path, [_tool(tmp_path, _WORKS.replace(_INSTALLS, "true"))], "cold")

    assert [sample.reason for sample in samples] == ["nothing is installed"]


def test_a_failure_says_the_error_and_not_its_hint(tmp_path: Path) -> None:
    failing = _tool(tmp_path, "echo resolving; echo error: no such thing; echo hint: try another; exit 3")

    samples = _run(tmp_path, [failing], "cold,warm")

    assert _reasons(samples) == [("miniuv", "cold", "failed with 3: error: no such thing")]


def test_a_failure_names_no_address_and_no_path_of_the_machine(tmp_path: Path) -> None:
    failing = _tool(tmp_path, "echo error: cannot read https://host.invalid/simple/one/ into /home/me/one; exit 2")

    samples = _run(tmp_path, [failing], "cold")

    assert [sample.reason for sample in samples] == ["failed with 2: error: cannot read … into …"]


def test_what_takes_too_long_runs_once_and_its_warm_runs_use_that_cache(tmp_path: Path) -> None:
    slow = _tool(tmp_path, f'if ! test -e "$CACHE/filled"; then sleep 2; fi; {_WORKS}')

    samples = _run(tmp_path, [slow], "cold,warm,no-op", trials=3, once_from=2)

    assert [sample.phase for sample in samples] == ["cold", "warm", "no-op", "warm", "no-op", "warm", "no-op"]
    assert not any(sample.reason for sample in samples)


def test_warm_alone_is_prepared_by_a_cold_run_that_is_not_counted(tmp_path: Path) -> None:
    samples = _run(tmp_path, [_tool(tmp_path, _WORKS)], "cold,warm,no-op", trials=2, only="no-op")

    assert [(sample.phase, sample.fetches) for sample in samples] == [("no-op", 0), ("no-op", 0)]
    assert (tmp_path / "fetches").read_text().split() == ["one.git"]


def test_pip_is_not_run_in_crowds(tmp_path: Path) -> None:
    samples = _run(tmp_path, [_tool(tmp_path, _WORKS, name="pip")], "cold,2")

    assert [sample.phase for sample in samples] == ["cold"]


def test_only_phases_of_the_scenario_run(tmp_path: Path) -> None:
    assert _run(tmp_path, [_tool(tmp_path, _WORKS)], "cold", only="16") == []


def test_a_phase_is_known_by_its_name() -> None:
    assert Phase.parse("4").name == "4 at once"
