"""A picture of more cells than have room side by side: a line, a heat map, or the best beside a strip of all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnhp_torch.core.spec.plan import Plan
from nnhp_torch.core.stats.summary import Cell, ranking, repeated, winner
from nnhp_torch.report.axis import Array, Scale
from nnhp_torch.report.style import BLUE, FAINT, GREY, LABEL, LIGHT_GREY, SMALL, TITLE, tidy

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

SHOWN = 24  # of the best, as many as a figure has panels at most
NUMBERED = 150  # cells of a heat map have room for their number
TICKS, LETTERS = 20, 80  # along one side, and their letters together if they stand upright


def draw(figure: FigureBase, sweep: Plan, gathered: Sequence[Cell], *, scale: Scale) -> None:
    """One axis as a line, a grid of two as a heat map; of any others the best, beside a strip of all."""
    values = {axis: list(dict.fromkeys(cell.texts[axis] for cell in gathered)) for axis in gathered[0].values}
    varied = {axis: texts for axis, texts in values.items() if len(texts) > 1}
    medians = np.array([_median(cell, sweep.monitor, scale) for cell in gathered])
    best = winner(sweep, gathered)
    if len(varied) == 1:
        _draw_line(figure, sweep, gathered, scale=scale, axis=next(iter(varied)), medians=medians, best=best)
    elif len(varied) == 2 and math.prod(map(len, varied.values())) == len(gathered):
        _draw_heat_map(figure, gathered, scale, varied=varied, medians=medians, best=best)
    else:
        _draw_best(figure, sweep, gathered, scale=scale, varied=list(varied))


def height(gathered: Sequence[Cell]) -> float:
    """The height of such a picture, in inches."""
    sides = [len({cell.texts[axis] for cell in gathered}) for axis in gathered[0].values]
    rows = min((side for side in sides if side > 1), default=1)
    return 5.0 if len(sides) == 1 else min(max(2.0 + 0.3 * rows, 4.0), 7.0)


def _median(cell: Cell, metric: str, scale: Scale) -> float:
    values = [value for value in cell.values_of(metric) if math.isfinite(value)]
    return float(np.median(scale.shown(values))) if values else math.nan


def _draw_line(
    figure: FigureBase,
    sweep: Plan,
    gathered: Sequence[Cell],
    *,
    scale: Scale,
    axis: str,
    medians: Array,
    best: Cell | None,
) -> None:
    axes = figure.subplots()
    tidy(axes)
    scale.dress(axes)
    given = [cell.values[axis] for cell in gathered]
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)
    places = np.array(given if numeric else range(len(given)), dtype=float)
    order = np.argsort(places, kind="stable")
    ends = [scale.shown(v for v in cell.values_of(sweep.monitor) if math.isfinite(v)) for cell in gathered]
    if numeric and places.min() > 0 and places.max() >= 10 * places.min():
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    elif not numeric:
        axes.set_xticks(*_thinned([cell.texts[axis] for cell in gathered]), fontsize=SMALL, rotation=30)
    spread = repeated(gathered)
    if spread and numeric:
        sides = [[fold(values) if len(values) else math.nan for values in ends] for fold in (np.min, np.max)]
        low, high = np.array(sides)[:, order]
        axes.fill_between(places[order], low, high, color=BLUE, alpha=0.18, linewidth=0)
    style = "-" if numeric else "_"
    axes.plot(places[order], medians[order], style, color=BLUE, linewidth=1.6 if spread else 0.7)
    rings = np.repeat(places, [len(values) for values in ends]), np.concatenate(ends)
    axes.plot(*rings, "o", color=BLUE, markerfacecolor="none", markersize=3, alpha=0.5)
    for place, cell in enumerate(gathered):
        if cell is best:
            axes.plot(places[place], medians[place], "D", color="black", markersize=7)
    said = "a ring each"
    if spread:
        said += f", median of {spread}" + (", and a band from the least to the greatest" if numeric else "")
    axes.set_title(f"at the end: {said}{_best(best, gathered, medians, scale=scale)}", fontsize=TITLE, loc="left")
    axes.set(xlabel=axis, ylabel=scale.label)
    scale.name_guessing(axes)


def _draw_heat_map(
    figure: FigureBase,
    gathered: Sequence[Cell],
    scale: Scale,
    *,
    varied: dict[str, list[str]],
    medians: Array,
    best: Cell | None,
) -> None:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle

    down, along = sorted(varied, key=lambda axis: len(varied[axis]))
    table = np.full((len(varied[down]), len(varied[along])), math.nan)
    at = [(varied[down].index(cell.texts[down]), varied[along].index(cell.texts[along])) for cell in gathered]
    for place, value in zip(at, medians, strict=True):
        table[place] = value
    axes = figure.subplots()
    seen = medians[np.isfinite(medians)]
    ends = (seen.min(), seen.max()) if len(seen) else (scale.low, scale.high)
    norm = LogNorm(*ends) if scale.log and ends[0] < ends[1] else Normalize(*ends)
    drawn = axes.imshow(table, norm=norm, cmap="viridis_r", aspect="auto")
    axes.set_facecolor(FAINT)  # of cells without a result
    axes.set_yticks(*_thinned(varied[down]))
    axes.set_xticks(*_thinned(varied[along]), rotation=30 if len("".join(_thinned(varied[along])[1])) > LETTERS else 0)
    axes.set(xlabel=along, ylabel=down)
    axes.tick_params(colors=GREY, labelsize=LABEL, length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, ax=axes, pad=0.01, fraction=0.05, label=scale.label)
    bar.ax.tick_params(colors=GREY, labelsize=LABEL)
    bar.outline.set_visible(False)
    scale.number(bar.ax.yaxis, *ends)
    if len(gathered) <= NUMBERED:
        for (row, column), value in zip(at, medians, strict=True):
            if math.isfinite(value):
                colour = "white" if norm(value) > 0.5 else "black"
                axes.text(column, row, scale.text(value), ha="center", va="center", fontsize=SMALL, color=colour)
    for (row, column), cell in zip(at, gathered, strict=True):
        if cell is best:
            frame: dict[str, Any] = {"fill": False, "linewidth": 2.5, "zorder": 3}
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, edgecolor="black", **frame))
    bare = "; grey: no result" if np.isnan(medians).any() else ""
    spread = f", median of {repeated(gathered)}" if repeated(gathered) else ""
    axes.set_title(f"at the end{spread}{_best(best, gathered, medians, scale=scale)}{bare}", fontsize=TITLE, loc="left")


def _draw_best(
    figure: FigureBase, sweep: Plan, gathered: Sequence[Cell], *, scale: Scale, varied: Sequence[str]
) -> None:
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    ranked = [cell for cell in ranking(sweep, gathered) if cell.ranked and math.isfinite(cell.mean(sweep.monitor))]
    shown = ranked[:SHOWN]
    tidy(left, numbers="x")
    for row, cell in enumerate(shown):
        ends = scale.shown(value for value in cell.values_of(sweep.monitor) if math.isfinite(value))
        left.plot(ends, [row] * len(ends), "o", color=BLUE, markerfacecolor="none", markersize=5)
        left.plot(np.median(ends), row, "|", color=BLUE if row else "black", markersize=12, markeredgewidth=2.4)
    left.set_yticks(range(len(shown)), [", ".join(cell.texts[axis] for axis in varied) for cell in shown])
    left.tick_params(axis="y", length=0, labelsize=SMALL)
    left.set_ylim(max(len(shown), 1) - 0.5, -0.5)
    left.xaxis.set_major_formatter(scale.tick)
    left.set(xlabel=scale.label)
    seeds = "a ring per seed, a bar their median" if repeated(gathered) else "a ring each"
    left.set_title(f"the best {len(shown)}, {', '.join(varied)}: {seeds}", fontsize=TITLE, loc="left")

    tidy(right)
    scale.dress(right, x=True)
    medians = [_median(cell, sweep.monitor, scale) for cell in ranked]
    right.plot(medians[SHOWN:], range(SHOWN + 1, len(ranked) + 1), ".", color=LIGHT_GREY, markersize=4)
    right.plot(medians[:SHOWN], range(1, len(shown) + 1), ".", color=BLUE, markersize=5)
    right.set_ylim(1.02 * len(ranked) + 1, -0.02 * len(ranked))
    right.set(xlabel=scale.label, ylabel="cells, the best first")
    lost = len(gathered) - len(ranked)
    right.set_title(
        f"all {len(ranked)}" + (f"; {lost} more have not completed" if lost else ""), fontsize=TITLE, loc="left"
    )


def _best(best: Cell | None, gathered: Sequence[Cell], medians: Array, *, scale: Scale) -> str:
    """The best cell and its value, for a title."""
    found = [median for cell, median in zip(gathered, medians, strict=True) if cell is best]
    return f"; the best, {best.label}: {scale.text(found[0])}" if best is not None else ""


def _thinned(texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """Places and texts of as many ticks as have room, evenly."""
    every = math.ceil(len(texts) / TICKS)
    return list(range(0, len(texts), every)), list(texts[::every])
