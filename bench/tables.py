"""Tables of the figures in Markdown, which reads well on a terminal too."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.figures import SUBJECT, Figure, Results, summarise

PYTHON_START = "python's own start"
"""The fact of a scenario: the seconds that Python takes to start and do nothing."""
OTHERS = "other programs used"
"""The fact of a scenario: the cores that others kept busy, on average."""
_ROUGH = 0.25
"""Cores of others from which the figures are called rough."""
_ALONE = ("cold", "warm", "no-op")
_MARKS = "`*`: one run, for it took over a minute, or the bench ran once; `-`: no run that counts."

Cells = Mapping[str, Figure]
"""The figures of one row, by installer."""


def times_table(figures: Sequence[Figure], *, python_start: float = 0.0, others: float = 0.0) -> str:
    """Return seconds and ratios of one process: cold, warm, no-op.

    ``python_start``: seconds that Python takes to start and do nothing; a time near it is marked. ``others``: cores
    that other programs kept busy.
    """
    tools = _tools(figures)
    rows = [["", "", *(f"{tool} s" for tool in tools), *(f"{tools[0]} / {tool}" for tool in tools[1:])]]
    near = False
    for title, phase, cells in _rows(figures, lambda figure: figure.phase in _ALONE):
        row = [title, phase, *(_time(cells, tool) for tool in tools), *(_ratio(cells, tool) for tool in tools[1:])]
        if _runs(cells, tools[0]) and cells[tools[0]].seconds < 2 * python_start:
            row[2] += "†"
            near = True
        rows.append(row)
    notes = [f"Medians; ratios of the times, lower is better. {_MARKS}"]
    if near:
        notes.append(f"†: {python_start * 1000:.0f} ms of it are what Python itself takes to start here.")
    if others > _ROUGH:
        notes.append(f"Other programs used up to {others:.1f} cores meanwhile: the figures are rough.")
    return "\n".join((_table(rows), "", *notes))


def costs_table(figures: Sequence[Figure]) -> str:
    """Return what the runs of one process took of processors and memory."""
    tools = _tools(figures)
    rows = [["", "", *(f"{tool} CPU s" for tool in tools), *(f"{tool} MB" for tool in tools)]]
    for title, phase, cells in _rows(figures, lambda figure: figure.phase in _ALONE):
        processors = [_cell(cells, tool, lambda figure: f"{figure.cpu:.2f}") for tool in tools]
        rows.append([title, phase, *processors, *(_megabytes(cells, tool) for tool in tools)])
    return "\n".join(
        (_table(rows), "", "CPU: user and system time of all processes; MB: the largest process at its peak.")
    )


def crowds_table(figures: Sequence[Figure]) -> str:
    """Return how long several processes at once took on a cold cache, and how often they did what."""
    tools = [tool for tool in _tools(figures) if any(each.tool == tool and each.processes > 1 for each in figures)]
    if not tools:
        return ""
    alone = {(each.scenario, each.tool): each for each in figures if each.phase == "cold" and each.runs}
    head = ["", "processes", *(f"{tool} s" for tool in tools), *(f"{tools[0]} / {tool}" for tool in tools[1:])]
    rows = [[*head, *(f"{tool}: of one" for tool in tools), *(f"{tool}: fetches, builds" for tool in tools)]]
    for title, _, cells in _rows(figures, lambda figure: figure.processes > 1):
        first = next(iter(cells.values()))
        row = [title, str(first.processes), *(_time(cells, tool) for tool in tools)]
        row += [_ratio(cells, tool) for tool in tools[1:]]
        for tool in tools:
            one = alone.get((first.scenario, tool))
            row.append(f"{cells[tool].seconds / one.seconds:.2f}" if one and _runs(cells, tool) else "-")
        row += [_cell(cells, tool, _counts) for tool in tools]
        rows.append(row)
    note = (
        "From the first start to the last end, one cold cache, an environment each. Of one: by the time of one process "
        "alone. Fetches of repositories; builds of wheels from git, as far as those note them."
    )
    return "\n".join((_table(rows), "", note))


def facts_list(results: Results) -> str:
    """Return where and when the results are from."""
    lines = [f"- {name}: {value}" for name, value in results.facts.items()]
    for name, facts in results.scenarios.items():
        lines.append(f"- {name}: {', '.join(f'{fact} {value}' for fact, value in facts.items())}")
    return "\n".join(lines)


def uncounted_list(results: Results) -> str:
    """Return the runs that do not count, and why; empty where all do."""
    return "\n".join(
        f"- {each.scenario}, {each.phase}, {each.tool}, run {each.trial}: {each.reason.replace('`', '')}"
        for each in results.samples
        if each.reason
    )


def report(results: Results) -> str:
    """Return all of it."""
    figures = summarise(results.samples)
    parts = [
        times_table(figures, python_start=python_start(results), others=others(results)),
        crowds_table(figures),
        costs_table(figures),
        facts_list(results),
    ]
    if uncounted := uncounted_list(results):
        parts.append(f"Runs that do not count:\n\n{uncounted}")
    return "\n\n".join(part for part in parts if part)


def python_start(results: Results) -> float:
    """Return the seconds that Python took to start and do nothing; 0 where nobody looked."""
    return statistics.median(_numbers(results, PYTHON_START) or [0.0])


def others(results: Results) -> float:
    """Return the cores that other programs used in the busiest scenario; 0 where nobody looked."""
    return max(_numbers(results, OTHERS), default=0.0)


def _numbers(results: Results, fact: str) -> list[float]:
    return [float(facts[fact].split()[0]) for facts in results.scenarios.values() if fact in facts]


def _tools(figures: Iterable[Figure]) -> list[str]:
    """Return the installers, the one that is compared first."""
    return sorted(dict.fromkeys(figure.tool for figure in figures), key=lambda tool: tool != SUBJECT)


def _rows(figures: Iterable[Figure], wanted: Callable[[Figure], bool]) -> list[tuple[str, str, dict[str, Figure]]]:
    """Return scenario (where it is another than above), phase, and figures by installer."""
    found: dict[str, dict[str, dict[str, Figure]]] = {}
    for figure in figures:
        if wanted(figure):
            found.setdefault(figure.scenario, {}).setdefault(figure.phase, {})[figure.tool] = figure
    return [
        ("" if number else scenario, phase, cells)
        for scenario, phases in found.items()
        for number, (phase, cells) in enumerate(sorted(phases.items(), key=_rank))
    ]


def _rank(phase: tuple[str, Cells]) -> tuple[int, int]:
    name, cells = phase
    processes = max(figure.processes for figure in cells.values())
    return processes, _ALONE.index(name) if name in _ALONE else 0


def _runs(cells: Cells, tool: str) -> int:
    return cells[tool].runs if tool in cells else 0


def _cell(cells: Cells, tool: str, show: Callable[[Figure], str]) -> str:
    return show(cells[tool]) if _runs(cells, tool) else "-"


def _time(cells: Cells, tool: str) -> str:
    return _cell(cells, tool, lambda figure: f"{figure.seconds:.3f}{'*' if figure.runs == 1 else ''}")


def _megabytes(cells: Cells, tool: str) -> str:
    return _cell(cells, tool, lambda figure: f"{figure.memory / 1e6:.0f}")


def _counts(figure: Figure) -> str:
    return f"{figure.fetches:.0f}, {f'{figure.builds:.0f}' if figure.builds else '-'}"


def _ratio(cells: Cells, other: str) -> str:
    ratio = cells[SUBJECT].ratios.get(other) if SUBJECT in cells else None
    return "-" if ratio is None else f"{ratio:.3f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Lay ``rows`` out; the first is the head, the first two columns are words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            text.ljust(width) if number < 2 else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    rules = ["-" * width if number < 2 else f"{'-' * (width - 1)}:" for number, width in enumerate(widths)]
    lines.insert(1, f"| {' | '.join(rules)} |")
    return "\n".join(lines)
