"""Make the tables and plots of results that are there: ``python -m bench.publish [--results FILE]``.

``results.md``, ``speed.png``, ``speed.svg``, ``growth.png`` and ``growth.svg`` beside the results. Where these are the
checkout's own (``bench/results.json``), the table of the README and the tables of ``docs/benchmarks.md`` become
theirs too.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Results, summarise
from bench.tables import others, python_start, report, times_table
from demo.workshop import CHECKOUT
from miniuv.errors import MiniuvError

RESULTS = CHECKOUT / "bench" / "results.json"
_BEGIN, _END = "<!-- bench: made by `python -m bench.publish` -->", "<!-- bench: end -->"


class PublishError(MiniuvError):
    """A page without its place for a table."""


def publish(results: Results, folder: Path, *, checkout: Path | None = None) -> None:
    """Write tables and plots into ``folder``, and the tables into the pages of ``checkout``.

    Raises PublishError where a page has no place for its table.
    """
    from bench.plots import draw_growth, draw_speed

    figures = summarise(results.samples)
    draw_speed(figures, folder)
    draw_growth(figures, folder)
    (folder / "results.md").write_text(f"{report(results)}\n", "utf-8")
    if checkout is not None:
        for path, text in pages(results, checkout).items():
            path.write_text(text, "utf-8")


def pages(results: Results, checkout: Path) -> dict[Path, str]:
    """Return what the pages that show results have to be, by their path."""
    figures = summarise(results.samples)
    whole = {figure.scenario for figure in figures if figure.phase == "no-op"}  # the others are in the plot of growth
    main = [figure for figure in figures if figure.scenario in whole]
    short = times_table(main, python_start=python_start(results), others=others(results))
    tables = {checkout / "README.md": short, checkout / "docs" / "benchmarks.md": report(results)}
    return {path: with_table(path.read_text("utf-8"), table, where=str(path)) for path, table in tables.items()}


def with_table(text: str, table: str, *, where: str) -> str:
    """Return ``text`` with ``table`` between the two marks; raises PublishError where they are missing."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise PublishError(f"there is no `{_BEGIN}` with a `{_END}` after it", where=where)
    return f"{before}{begin}\n{table}\n{end}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the results and publish them."""
    parser = argparse.ArgumentParser(prog="python -m bench.publish", description="Tables and plots of results.")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    options = parser.parse_args(arguments)
    path = options.results.resolve()
    try:
        publish(Results.read(path), path.parent, checkout=CHECKOUT if path == RESULTS else None)
    except MiniuvError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
