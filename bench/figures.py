"""From runs to medians and ratios, and a table of them."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SUBJECT = "miniuv"
"""The one that is compared with the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One run."""

    scenario: str
    phase: str
    tool: str
    trial: int
    seconds: float
    cpu: float
    memory: int
    fetches: int
    """Of repositories, by the server's count."""
    reason: str = ""
    """Why it does not count; empty where it does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """All runs of one installer that count, in one phase of one scenario."""

    scenario: str
    phase: str
    tool: str
    runs: int
    """0: none counts, and what follows is 0 too."""
    seconds: float
    cpu: float
    memory: float
    ratios: dict[str, float]
    """This one's seconds by the others', by their name."""


def summarise(samples: Sequence[Sample]) -> list[Figure]:
    """Return the medians of what counts, in the order of the samples."""
    groups: dict[tuple[str, str, str], list[Sample]] = {}
    for sample in samples:
        counting = groups.setdefault((sample.scenario, sample.phase, sample.tool), [])
        if not sample.reason:
            counting.append(sample)
    medians = {key: statistics.median(each.seconds for each in group) for key, group in groups.items() if group}
    figures = []
    for (scenario, phase, tool), group in groups.items():
        own = medians.get((scenario, phase, tool), 0.0)
        ratios = {
            other: own / seconds
            for (of, at, other), seconds in medians.items()
            if group and (of, at) == (scenario, phase) and other != tool
        }
        figures.append(
            Figure(
                scenario=scenario,
                phase=phase,
                tool=tool,
                runs=len(group),
                seconds=own,
                cpu=statistics.median(each.cpu for each in group) if group else 0.0,
                memory=statistics.median(each.memory for each in group) if group else 0.0,
                ratios=ratios,
            )
        )
    return figures


def render(figures: Sequence[Figure], *, facts: Mapping[str, object]) -> str:
    """Return a table for people."""
    tools = list(dict.fromkeys(figure.tool for figure in figures))
    subject = tools[0] if SUBJECT not in tools else SUBJECT
    tools = [subject, *(tool for tool in tools if tool != subject)]
    by_row: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in figures:
        by_row.setdefault((figure.scenario, figure.phase), {})[figure.tool] = figure
    head = ["", "", *(f"{tool} s" for tool in tools), *(f"of {tool}" for tool in tools[1:])]
    head += [*(f"{tool} cpu" for tool in tools), *(f"{tool} MB" for tool in tools)]
    rows = [head]
    for (scenario, phase), found in by_row.items():
        runs = max(figure.runs for figure in found.values())
        row = ["" if phase != "cold" else scenario, phase]
        for tool in tools:
            once = "*" if tool in found and found[tool].runs == 1 and runs > 1 else ""
            row.append(_cell(found.get(tool), lambda figure: f"{figure.seconds:.3f}") + once)
        row += [f"{ratio:.3f}" if (ratio := found[subject].ratios.get(tool)) else "-" for tool in tools[1:]]
        row += [_cell(found.get(tool), lambda figure: f"{figure.cpu:.2f}") for tool in tools]
        row += [_cell(found.get(tool), lambda figure: f"{figure.memory / 1e6:.0f}") for tool in tools]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        texts = [text.ljust(width) for text, width in zip(row[:2], widths, strict=False)]
        numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join((*texts, *numbers)).rstrip())
    lines.append(
        "medians; `of`: that of the first by the other's, lower is better; cpu: user and system seconds of all"
    )
    lines.append("processes; MB: the largest process at its peak; `*`: one run; `-`: no run that counts")
    lines += [f"{name}: {value}" for name, value in facts.items()]
    return "\n".join(lines)


def _cell(figure: Figure | None, show: Callable[[Figure], str]) -> str:
    return "-" if figure is None or not figure.runs else show(figure)
