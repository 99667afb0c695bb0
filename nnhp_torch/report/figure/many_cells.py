"""A picture of more cells than have room side by side: a line, a heat map, or the best beside a strip of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure.drawing import dress, number
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.style import BLUE, FAINT, GREY, LABEL, LIGHT_GREY, SMALL, TITLE, tidy

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

SHOWN = 24  # of the best, as many as a figure has panels at most
NUMBERED = 150  # cells of a heat map have room for their number
TICKS, LETTERS = 20, 80  # along one side, and their letters together if they stand upright


def draw(figure: FigureBase, summary: Summary) -> None:
    """One axis as a line, a grid of two as a heat map; of any others the best, beside a strip of all."""
    cells, axis = summary.cells, Axis.of_curves(summary.sweep, summary.cells)
    values = {name: list(dict.fromkeys(cell.texts[name] for cell in cells)) for name in cells[0].values}
    varied = {name: texts for name, texts in values.items() if len(texts) > 1}
    if len(varied) == 1:
        _draw_line(figure, summary, axis, name=next(iter(varied)))
    elif len(varied) == 2 and math.prod(map(len, varied.values())) == len(cells):
        _draw_heat_map(figure, summary, axis, varied=varied)
    else:
        _draw_best(figure, summary, axis, varied=list(varied))


def height(cells: Sequence[Cell]) -> float:
    """The height of such a picture, in inches."""
    sides = [len({cell.texts[axis] for cell in cells}) for axis in cells[0].values]
    rows = min((side for side in sides if side > 1), default=1)
    return 5.0 if len(sides) == 1 else min(max(2.0 + 0.3 * rows, 4.0), 7.0)


def _means(summary: Summary, axis: Axis) -> Any:
    """Each cell's mean, as the axis has it."""
    return np.array([axis.shown(cell.mean(summary.sweep.monitor)) for cell in summary.cells])


def _draw_line(figure: FigureBase, summary: Summary, axis: Axis, *, name: str) -> None:
    cells, monitor, means = summary.cells, summary.sweep.monitor, _means(summary, axis)
    axes = figure.subplots()
    tidy(axes)
    dress(axes, axis)
    given = [cell.values[name] for cell in cells]
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)
    places = np.array(given if numeric else range(len(given)), dtype=float)
    order = np.argsort(places, kind="stable")
    ends = [[*map(axis.shown, filter(math.isfinite, cell.values_of(monitor)))] for cell in cells]
    if numeric and places.min() > 0 and places.max() >= 10 * places.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    elif not numeric:
        axes.set_xticks(*_thinned([cell.texts[name] for cell in cells]), fontsize=SMALL, rotation=30)
    spread = summary.repeated
    if spread and numeric:
        sides = [[fold(values) if values else math.nan for values in ends] for fold in (min, max)]
        low, high = np.array(sides)[:, order]
        axes.fill_between(places[order], low, high, color=BLUE, alpha=0.18, linewidth=0)
    style = "-" if numeric else "_"
    axes.plot(places[order], means[order], style, color=BLUE, linewidth=1.6 if spread else 0.7)
    rings = np.repeat(places, [len(values) for values in ends]), np.concatenate(ends)
    axes.plot(*rings, "o", color=BLUE, markerfacecolor="none", markersize=3, alpha=0.5)
    for place, cell in enumerate(cells):
        if cell is summary.leader:
            axes.plot(places[place], means[place], "D", color="black", markersize=7)
    said = "a ring each"
    if spread:
        said += f", mean of {spread}" + (", and a band from the least to the greatest" if numeric else "")
    axes.set_title(f"at the end: {said}{_best(summary, axis)}", fontsize=TITLE, loc="left")
    axes.set(xlabel=name, ylabel=axis.name)
    if axis.guess is not None:
        axes.text(1.01, axis.guess, "guessing", transform=axes.transAxes, va="center", fontsize=SMALL, color=GREY)


def _draw_heat_map(figure: FigureBase, summary: Summary, axis: Axis, *, varied: dict[str, list[str]]) -> None:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    cells, means = summary.cells, _means(summary, axis)
    down, along = sorted(varied, key=lambda name: len(varied[name]))
    table = np.full((len(varied[down]), len(varied[along])), math.nan)
    at = [(varied[down].index(cell.texts[down]), varied[along].index(cell.texts[along])) for cell in cells]
    for place, value in zip(at, means, strict=True):
        table[place] = value
    axes = figure.subplots()
    seen = means[np.isfinite(means)]
    ends = (seen.min(), seen.max()) if len(seen) else (axis.low, axis.high)
    norm = LogNorm(*ends) if axis.log and ends[0] < ends[1] else Normalize(*ends)
    drawn = axes.imshow(table, norm=norm, cmap="viridis_r", aspect="auto")
    axes.set_facecolor(FAINT)  # of cells without a result
    axes.set_yticks(*_thinned(varied[down]))
    axes.set_xticks(*_thinned(varied[along]), rotation=30 if len("".join(_thinned(varied[along])[1])) > LETTERS else 0)
    axes.set(xlabel=along, ylabel=down)
    axes.tick_params(colors=GREY, labelsize=LABEL, length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, ax=axes, pad=0.01, fraction=0.05, label=axis.name)
    bar.ax.tick_params(colors=GREY, labelsize=LABEL)
    bar.outline.set_visible(False)
    number(bar.ax.yaxis, axis, ends)
    if len(cells) <= NUMBERED:
        for (row, column), value, cell in zip(at, means, cells, strict=True):
            if math.isfinite(value):
                colour = "white" if norm(value) > 0.5 else "black"
                text = axis.text(cell.mean(summary.sweep.monitor))
                axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)
    for (row, column), cell in zip(at, cells, strict=True):
        if cell is summary.leader:
            frame: dict[str, Any] = {"fill": False, "linewidth": 2.5, "zorder": 3}
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, edgecolor="black", **frame))
    bare = "; grey: no result" if np.isnan(means).any() else ""
    spread = f", mean of {summary.repeated}" if summary.repeated else ""
    axes.set_title(f"at the end{spread}{_best(summary, axis)}{bare}", fontsize=TITLE, loc="left")


def _draw_best(figure: FigureBase, summary: Summary, axis: Axis, *, varied: Sequence[str]) -> None:
    monitor = summary.sweep.monitor
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    ranked = [cell for cell in summary.ranking if cell.ranked and math.isfinite(cell.mean(monitor))]
    shown = ranked[:SHOWN]
    tidy(left, numbers="x")
    for row, cell in enumerate(shown):
        ends = [*map(axis.shown, cell.values_of(monitor))]
        left.plot(ends, [row] * len(ends), "o", color=BLUE, markerfacecolor="none", markersize=5)
        left.plot(
            axis.shown(cell.mean(monitor)), row, "|", color=BLUE if row else "black", markersize=12, markeredgewidth=2.4
        )
    left.set_yticks(range(len(shown)), [", ".join(cell.texts[axis] for axis in varied) for cell in shown])
    left.tick_params(axis="y", length=0, labelsize=SMALL)
    left.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    left.xaxis.set_major_formatter(axis.written)
    left.set(xlabel=axis.name)
    seeds = "a ring per seed, a bar their mean" if summary.several else "a ring each"
    left.set_title(f"the best {len(shown)}, {', '.join(varied)}: {seeds}", fontsize=TITLE, loc="left")

    tidy(right)
    dress(right, axis, x=True)
    means = [axis.shown(cell.mean(monitor)) for cell in ranked]
    right.plot(means[SHOWN:], range(SHOWN + 1, len(ranked) + 1), ".", color=LIGHT_GREY, markersize=4)
    right.plot(means[:SHOWN], range(1, len(shown) + 1), ".", color=BLUE, markersize=5)
    right.set_ylim(1.02 * len(ranked) + 1, -0.02 * len(ranked))
    right.set(xlabel=axis.name, ylabel="cells, the best first")
    lost = len(summary.cells) - len(ranked)
    right.set_title(
        f"all {len(ranked)}" + (f"; {lost} more have not completed" if lost else ""), fontsize=TITLE, loc="left"
    )


def _best(summary: Summary, axis: Axis) -> str:
    """The best cell and its value, for a title."""
    best = summary.leader
    return f"; the best, {best.label}: {axis.text(best.mean(summary.sweep.monitor))}" if best is not None else ""


def _thinned(texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """Places and texts of as many ticks as have room, evenly."""
    every = math.ceil(len(texts) / TICKS)
    return list(range(0, len(texts), every)), list(texts[::every])
