"""From runs to medians: what does not count is left out, what ran once is marked."""

from dataclasses import replace

from bench.figures import Sample, render, summarise

_RUN = Sample(
    scenario="wheels", phase="cold", tool="miniuv", trial=1, seconds=2.0, cpu=1.0, memory=50_000_000, fetches=0
)


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
    figures = summarise([_RUN, replace(_RUN, tool="uv", reason="failed")])

    assert [(figure.runs, figure.ratios) for figure in figures] == [(1, {}), (0, {})]
    assert render(figures, facts={}).splitlines()[1].split() == [
        "wheels",
        "cold",
        "2.000",
        "-",
        "-",
        "1.00",
        "-",
        "50",
        "-",
    ]


def test_one_run_beside_many_is_marked() -> None:
    figures = summarise([_RUN, _RUN, replace(_RUN, tool="pip", seconds=80.0)])

    assert "80.000*" in render(figures, facts={})
