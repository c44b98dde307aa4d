"""From runs to medians: what does not count is left out, what ran once is marked."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.figures import Results, ResultsError, Sample, summarise
from bench.tables import OTHERS, crowds_table, report, times_table

_RUN = Sample(
    scenario="wheels", phase="cold", tool="miniuv", trial=1, seconds=2.0, cpu=1.0, memory=50_000_000, fetches=0
)
_RESULTS = Results(facts={"machine": "two cores"}, scenarios={"wheels": {"on": "a Monday"}}, samples=(_RUN,))


def _cells(table: str, row: int) -> list[str]:
    return [cell.strip() for cell in table.splitlines()[row].strip("|").split("|")]


def test_a_run_that_does_not_count_is_in_no_median() -> None:
    runs = [_RUN, replace(_RUN, seconds=4.0), replace(_RUN, seconds=900.0, reason="holds other things")]

    (figure,) = summarise(runs)

    assert (figure.runs, figure.seconds) == (2, 3.0)


def test_ratios_are_those_of_the_same_phase() -> None:
    other = replace(_RUN, tool="uv", seconds=8.0)
    warm = replace(_RUN, phase="warm", seconds=1.0)

    figures = summarise([_RUN, other, warm, replace(other, phase="warm", seconds=2.0)])

    assert [figure.ratios for figure in figures] == [{"uv": 0.25}, {"miniuv": 4.0}, {"uv": 0.5}, {"miniuv": 2.0}]


def test_where_no_run_counts_there_is_no_figure_and_no_ratio() -> None:
    figures = summarise([_RUN, _RUN, replace(_RUN, tool="uv", reason="failed")])

    assert [(figure.runs, figure.ratios) for figure in figures] == [(2, {}), (0, {})]
    assert _cells(times_table(figures), 2) == ["wheels", "cold", "2.000", "-", "-"]


def test_one_run_beside_many_is_marked() -> None:
    figures = summarise([_RUN, _RUN, replace(_RUN, tool="pip", seconds=80.0)])

    assert _cells(times_table(figures), 2) == ["wheels", "cold", "2.000", "80.000*", "0.025"]


def test_a_time_near_that_of_an_empty_python_is_marked_with_it() -> None:
    quick, slow = replace(_RUN, phase="no-op", seconds=0.03), replace(_RUN, seconds=0.05)

    table = times_table(summarise([slow, slow, quick, quick]), python_start=0.02)

    assert [_cells(table, row)[2] for row in (2, 3)] == ["0.050", "0.030†"]
    assert table.endswith("†: 20 ms of it are what Python itself takes to start here.")


def test_figures_from_a_busy_machine_are_called_rough() -> None:
    calm, busy = ({"wheels": {OTHERS: f"{cores} cores"}} for cores in ("0.10", "1.90"))

    assert "rough" not in report(replace(_RESULTS, scenarios=calm))
    assert "used up to 1.9 cores meanwhile: the figures are rough" in report(replace(_RESULTS, scenarios=busy))


def test_a_crowd_is_compared_with_one_process_of_the_same_installer() -> None:
    alone = [_RUN, replace(_RUN, tool="uv", seconds=5.0)]
    crowd = [replace(run, phase="4 at once", processes=4, seconds=run.seconds * 3, builds=8) for run in alone]

    row = _cells(crowds_table(summarise([*alone, *crowd])), 2)

    assert row == ["wheels", "4", "6.000*", "15.000*", "0.400", "3.00", "3.00", "0, 8", "0, 8"]


def test_phases_stand_in_their_own_order_whenever_they_ran() -> None:
    runs = [replace(_RUN, phase=phase) for phase in ("no-op", "warm", "cold")]

    table = times_table(summarise(runs))

    assert [_cells(table, row)[:2] for row in (2, 3, 4)] == [["wheels", "cold"], ["", "warm"], ["", "no-op"]]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.json"

    _RESULTS.write(path)

    assert Results.read(path) == _RESULTS


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"facts": {}, "scenarios": {}, "samples": [{"x": 1}]}'])
def test_a_file_of_anything_else_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)

    with pytest.raises(ResultsError, match="cannot read the results"):
        Results.read(path)


def test_merging_replaces_what_ran_again_and_keeps_the_rest_in_its_order() -> None:
    warm, other = replace(_RUN, phase="warm"), replace(_RUN, scenario="git")
    kept = Results(facts=_RESULTS.facts, scenarios={"wheels": {}, "git": {}}, samples=(_RUN, warm, other))
    faster = replace(warm, seconds=0.5)

    merged = kept.merged(replace(_RESULTS, samples=(faster,)))

    assert merged.samples == (_RUN, faster, other)
    assert merged.scenarios == {"wheels": {"on": "a Monday"}, "git": {}}


def test_results_of_another_machine_are_not_merged() -> None:
    with pytest.raises(ResultsError, match="of another machine"):
        _RESULTS.merged(replace(_RESULTS, facts={"machine": "four cores"}))


def test_the_report_says_which_runs_do_not_count_and_why() -> None:
    failed = replace(_RUN, tool="uv", reason="failed with 2: error: no `git`")

    assert "- wheels, cold, uv, run 1: failed with 2: error: no git" in report(replace(_RESULTS, samples=(failed,)))
