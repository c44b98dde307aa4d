"""What the plots show, without drawing it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.figures import SUBJECT, Figure


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Seconds of one installer, by a number that grows."""

    tool: str
    phase: str
    points: tuple[tuple[int, float], ...]
    """Two or more, the smallest number first."""


def tools_of(figures: Iterable[Figure]) -> list[str]:
    """Return the installers, the one that is compared first."""
    return sorted(dict.fromkeys(figure.tool for figure in figures), key=lambda tool: tool != SUBJECT)


def panels(figures: Sequence[Figure]) -> dict[str, dict[str, dict[str, float]]]:
    """Return seconds by scenario, phase and installer, of what ran with nothing to do too; no bigger crowds than 4."""
    whole = {figure.scenario for figure in figures if figure.phase == "no-op"}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for figure in figures:
        if figure.runs and figure.scenario in whole and figure.processes <= 4:
            found.setdefault(figure.scenario, {}).setdefault(figure.phase, {})[figure.tool] = figure.seconds
    return found


def by_size(figures: Sequence[Figure]) -> list[Line]:
    """Return how time grows with the number of git requirements."""
    sized = [figure for figure in figures if figure.size and figure.phase in ("cold", "warm")]
    return _lines((figure.tool, figure.phase, figure.size, figure.seconds) for figure in sized if figure.runs)


def by_processes(figures: Sequence[Figure]) -> dict[str, list[Line]]:
    """Return how time grows with the number of processes, for the scenarios in which four or more ran at once."""
    largest: dict[str, int] = {}
    for figure in figures:
        largest[figure.scenario] = max(figure.processes, largest.get(figure.scenario, 1))
    chosen = [scenario for scenario, processes in largest.items() if processes == max(largest.values()) >= 4]
    found = {}
    for scenario in chosen:
        cold = [each for each in figures if each.scenario == scenario and (each.phase == "cold" or each.processes > 1)]
        if lines := _lines((each.tool, "cold", each.processes, each.seconds) for each in cold if each.runs):
            found[scenario] = lines
    return found


def _lines(facts: Iterable[tuple[str, str, int, float]]) -> list[Line]:
    points: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for tool, phase, number, seconds in facts:
        points.setdefault((tool, phase), []).append((number, seconds))
    return [
        Line(tool=tool, phase=phase, points=tuple(sorted(found)))
        for (tool, phase), found in points.items()
        if len(found) > 1
    ]
