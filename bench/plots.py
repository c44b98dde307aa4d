"""Plots of the figures, as PNG and SVG; the only module that needs matplotlib (the dependency group ``bench``)."""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench.figures import SUBJECT, Figure
from bench.series import Line, by_processes, by_size, panels, tools_of

SPEED, GROWTH = "speed", "growth"
"""File names, without the suffix."""
_COLOURS = {SUBJECT: "#0b6e4f", "uv": "#8e5bd0", "pip": "#c9a227"}
_STYLES = {"cold": "-", "warm": "--"}
_RESOLUTION = 130

# The same figures give the same bytes.
mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False})
mpl.rcParams["axes.spines.right"] = False


def draw_speed(figures: Sequence[Figure], folder: Path) -> None:
    """Draw a panel of bars for each scenario into ``folder``, if there is one."""
    shown = panels(figures)
    if not shown:
        return
    tools = tools_of(figures)
    drawing = Drawing(figsize=(5.2 * min(2, len(shown)), 2.9 * ((len(shown) + 1) // 2)), layout="constrained")
    grid = drawing.subplots((len(shown) + 1) // 2, min(2, len(shown)), squeeze=False)
    axes: list[Axes] = [*grid.flat]
    for axis, (title, bars) in zip(axes, shown.items(), strict=False):
        axis.set_title(title, loc="left", fontweight="bold")
        phases = [*bars]
        width = 0.8 / len(tools)
        for place, tool in enumerate(tools):
            at = [number + (place - (len(tools) - 1) / 2) * width for number in range(len(phases))]
            drawn = [(x, bars[phase][tool]) for x, phase in zip(at, phases, strict=True) if tool in bars[phase]]
            if not drawn:
                continue
            heights = [seconds for _, seconds in drawn]
            painted = axis.bar([x for x, _ in drawn], heights, width * 0.94, color=_COLOURS.get(tool), label=tool)
            axis.bar_label(painted, labels=[_seconds(height) for height in heights], fontsize=6.5, padding=1)
        axis.set_xticks(range(len(phases)), phases)
        axis.tick_params(axis="x", length=0)
        _seconds_upwards(axis)
        times = [seconds for phase in bars.values() for seconds in phase.values()]
        axis.set_ylim(10 ** math.floor(math.log10(min(times))), max(times) * 1.6)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    drawing.supylabel("seconds", fontsize="medium")
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    drawing.legend(handles.values(), handles, loc="outside upper center", ncols=len(handles), frameon=False)
    _save(drawing, folder / SPEED)


def draw_growth(figures: Sequence[Figure], folder: Path) -> None:
    """Draw how time grows with the number of git requirements and of processes, as far as that was timed."""
    sized, crowded = by_size(figures), by_processes(figures)
    parts = [("git requirements", sized)] if sized else []
    parts += [(f"processes at once, cold: {scenario}", lines) for scenario, lines in crowded.items()]
    if not parts:
        return
    drawing = Drawing(figsize=(4.8 * len(parts), 3.6), layout="constrained")
    for axis, (title, lines) in zip(drawing.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        for line in lines:
            _draw(axis, line)
        axis.set_title(title, loc="left", fontweight="bold")
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(sorted({x for line in lines for x, _ in line.points})))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
        _seconds_upwards(axis)
        axis.set_ylabel("seconds")
        axis.legend(frameon=False)
    _save(drawing, folder / GROWTH)


def _draw(axis: Axes, line: Line) -> None:
    axis.plot(
        [x for x, _ in line.points],
        [y for _, y in line.points],
        color=_COLOURS.get(line.tool),
        linestyle=_STYLES.get(line.phase, "-"),
        marker="o",
        markersize=3.5,
        label=f"{line.tool}, {line.phase}",
    )


def _seconds_upwards(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _save(drawing: Drawing, path: Path) -> None:
    drawing.savefig(path.with_suffix(".png"), dpi=_RESOLUTION, metadata={"Software": None})
    drawing.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
