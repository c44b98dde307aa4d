"""Tables go where the pages have their marks, plots show what was timed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.figures import Figure, Results, Sample, summarise
from bench.publish import RESULTS, PublishError, pages, publish, with_table
from bench.series import Line, by_processes, by_size, panels
from demo.workshop import CHECKOUT

_RUN = Sample(scenario="git", phase="cold", tool="miniuv", trial=1, seconds=2.0, cpu=1.0, memory=50_000_000, fetches=0)
_PAGE = "before\n<!-- bench: made by `python -m bench.publish` -->\nold\n<!-- bench: end -->\nafter\n"


def _figures(*runs: Sample) -> Sequence[Figure]:
    return summarise(runs)


def test_a_table_replaces_the_one_that_was_there_and_nothing_else() -> None:
    once = with_table(_PAGE, "| new |", where="page")

    assert once == _PAGE.replace("old", "| new |")
    assert with_table(once, "| new |", where="page") == once


@pytest.mark.parametrize("text", ["", _PAGE.replace("bench: end", "end"), _PAGE.replace("made by", "by")])
def test_a_page_without_the_marks_is_an_error(text: str) -> None:
    with pytest.raises(PublishError, match="there is no `<!-- bench"):
        with_table(text, "| new |", where="page")


def test_the_pages_show_the_results_that_are_kept() -> None:
    for path, text in pages(Results.read(RESULTS), CHECKOUT).items():
        assert path.read_text("utf-8") == text, f"run `python -m bench.publish`: {path.name} shows other results"


def test_the_plots_that_the_readme_shows_are_kept() -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")

    for plot in ("bench/speed.svg", "bench/growth.svg"):
        assert f"({plot})" in readme
        assert (CHECKOUT / plot).with_suffix(".png").is_file()
        assert (CHECKOUT / plot).is_file()


def test_growth_has_a_point_for_each_size_that_counts_the_smallest_first() -> None:
    runs = [replace(_RUN, scenario=f"{size}", size=size, seconds=size / 10) for size in (300, 10, 100)]
    failed = replace(_RUN, scenario="30", size=30, reason="failed")

    assert by_size(_figures(*runs, failed)) == [
        Line(tool="miniuv", phase="cold", points=((10, 1.0), (100, 10.0), (300, 30.0)))
    ]


def test_one_point_is_no_line() -> None:
    assert by_size(_figures(replace(_RUN, size=10))) == []


def test_processes_grow_from_one_in_the_scenario_with_the_largest_crowd() -> None:
    crowd = [replace(_RUN, phase=f"{number} at once", processes=number, seconds=3.0) for number in (2, 4)]
    small = [replace(run, scenario="other") for run in (_RUN, crowd[0])]

    assert by_processes(_figures(_RUN, *crowd, *small)) == {
        "git": [Line(tool="miniuv", phase="cold", points=((1, 2.0), (2, 3.0), (4, 3.0)))]
    }


def test_panels_are_the_scenarios_with_a_no_op() -> None:
    whole = [replace(_RUN, scenario="whole", phase=phase) for phase in ("cold", "no-op")]

    assert panels(_figures(_RUN, *whole)) == {"whole": {"cold": {"miniuv": 2.0}, "no-op": {"miniuv": 2.0}}}


def test_the_same_results_give_the_same_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the dependency group `bench` is not installed")
    runs = [replace(_RUN, phase=phase) for phase in ("cold", "warm", "no-op")]
    runs += [replace(_RUN, phase=f"{number} at once", processes=number) for number in (2, 4)]
    results = Results(facts={}, scenarios={"git": {}}, samples=tuple(runs))
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        publish(results, folder)

    names = sorted(path.name for path in first.iterdir())
    assert names == ["growth.png", "growth.svg", "results.md", "speed.png", "speed.svg"]
    assert [name for name in names if (first / name).read_bytes() != (second / name).read_bytes()] == []
