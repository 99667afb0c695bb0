"""One picture of all cells, as the page has it: how each went, epoch by epoch, and beside it where each has ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.ends import End, ends
from nnhp_torch.report.figure.drawing import dress
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.curves import apart, median_curve
from nnhp_torch.report.plotting.style import CELLS, GREY, LABEL, LIGHT_GREY, SMALL, TITLE, hex_of, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

LEAST, ROW, AROUND = 4.6, 0.36, 1.1  # height of the picture, of a cell's row, and of what is above and below, in inches


def height(cells: Sequence[Cell]) -> float:
    """The height of the picture, in inches."""
    return max(LEAST, AROUND + ROW * len(cells))


def draw(figure: FigureBase, summary: Summary) -> None:
    """Left: a curve per cell, a thin one per seed. Right, on its own axis: a ring per seed, their mean, the verdict."""
    cells, several = summary.cells, summary.several
    axis, (own, found) = Axis.of_curves(summary.sweep, cells), ends(summary, cells)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    draw_curves(left, summary, found, axis)
    left.set(xlabel="epoch", ylabel=axis.name)
    run = "run" if any(len(values) > 1 for cell in cells[:1] for values in cell.replicates.values()) else "seed"
    said = "each epoch"
    said += f": a thin line per {run}, a thick one their median" * several
    said += "; the best is in blue" * (len(cells) > len(CELLS))
    left.set_title(said, fontsize=TITLE, loc="left")
    _draw_ends(right, found, own, summary)
    said = "at the end" + f": a ring per {run}, a bar their mean" * several
    right.set_title(said, fontsize=TITLE, loc="left", pad=18 if several else None)
    if any(end.interval for end in found):
        of = "best" if summary.sweep.baseline is None else "baseline"
        below = f"a band: where its mean may be, compared with the {of}'s (dotted)"
        right.annotate(
            below, (0, 1), (0, 6), xycoords="axes fraction", textcoords="offset points", fontsize=SMALL, color=GREY
        )


def draw_curves(axes: Axes, summary: Summary, found: Sequence[End], axis: Axis, *, apart_by: float = 0.045) -> None:
    """Draw each cell's curves; if they are few, their names stand at the ends, by such a share of the height apart."""
    tidy(axes)
    dress(axes, axis)
    finals = {
        number: end for number, of in enumerate(found) if (end := _draw_curves(axes, of, number, summary, axis=axis))
    }
    _name_curves(axes, found, finals if len(found) <= len(CELLS) else {}, axis, apart_by=apart_by)
    axes.set_xlim(0, max((epochs for epochs, _ in finals.values()), default=1))
    locator: Any = axes.xaxis.get_major_locator()
    locator.set_params(integer=True)


def _draw_curves(axes: Axes, end: End, number: int, summary: Summary, *, axis: Axis) -> tuple[float, float] | None:
    """Draw a cell's curves; return the epoch and the value, as it is shown, at which its median ends."""
    runs = [(result, values) for result in end.cell.results if (values := result.curve(summary.sweep.monitor))]
    colour, front = hex_of(end.colour), 1 if end.colour == "other" else 2
    for seed, (result, values) in enumerate(runs):
        curve, name = [*map(axis.shown, values)], f"cell{number}.seed{seed}"
        along = np.arange(1, len(curve) + 1)
        if len(runs) > 1:
            axes.plot(along, curve, linewidth=0.6, alpha=0.45, gid=name, color=colour, zorder=front)
        if mark := stopped(result):
            style: dict[str, Any] = {"color": colour, "linestyle": "", "marker": mark, "markersize": 5}
            axes.plot(along[-1:], curve[-1:], gid=f"{name}.stop", zorder=4, **style)
    median = [*map(axis.shown, median_curve([values for _, values in runs]))]
    if not median:
        return None
    marker, width = "." if len(median) < 10 else None, 1.0 if end.colour == "other" else 1.9
    along = np.arange(1, len(median) + 1)
    axes.plot(along, median, linewidth=width, zorder=front, marker=marker, gid=f"cell{number}.median", color=colour)
    return float(len(median)), median[-1]


def _name_curves(
    axes: Axes, found: Sequence[End], finals: dict[int, tuple[float, float]], axis: Axis, *, apart_by: float
) -> None:
    """Write each cell's name beside the end of its line, and what guessing reaches, from the lowest to the highest."""
    from matplotlib.transforms import offset_copy

    to_axes = (axes.transData + axes.transAxes.inverted()).transform
    ends = [(to_axes(end)[1], found[number]) for number, end in finals.items() if math.isfinite(end[1])]
    named = [(place, end.name, hex_of(end.colour)) for place, end in ends]
    named += [] if axis.guess is None else [(axis.guess, "guessing", "none")]
    named.sort()
    figure: Any = axes.figure
    dot, beside = (offset_copy(axes.transAxes, figure, points, units="points") for points in (5, 13))
    for place, (_, name, shade) in zip(apart([place for place, *_ in named], apart_by), named, strict=True):
        axes.text(1, place, "●", transform=dot, va="center", fontsize=SMALL - 2, color=shade)
        axes.text(1, place, name, transform=beside, va="center", fontsize=SMALL, color=GREY)


def stopped(result: TrialResult) -> str:
    """The mark of a run that ended before its last epoch: a square, or a cross if it was not to."""
    if result.status in ("completed", "pruned"):
        return "s" if result.epochs < result.config.get("max_epochs", 0) else ""
    return "x"


def _draw_ends(axes: Axes, found: Sequence[End], axis: Axis, summary: Summary) -> None:
    """A row per cell: a ring per seed, a bar at their mean, a band where that may be, and below them the verdict."""
    tidy(axes, numbers="x")
    dress(axes, axis, x=True)
    axes.xaxis.set_major_formatter(axis.written)
    best, right = summary.leader, axes.get_yaxis_transform()
    for number, end in enumerate(found):
        shade = hex_of(end.colour)
        if end.interval is not None:
            sides = np.clip([*map(axis.shown, end.interval)], axis.low, axis.high)
            band: dict[str, Any] = {"color": shade, "alpha": 0.3, "linewidth": 8, "solid_capstyle": "butt"}
            axes.plot(sides, [number] * 2, zorder=1, gid=f"cell{number}.interval", **band)
        for seed, (_, value) in enumerate(end.values):
            ring: dict[str, Any] = {
                "color": shade,
                "markerfacecolor": "none" if summary.several else shade,
                "markersize": 5,
            }
            axes.plot(axis.shown(value), number, "o", gid=f"cell{number}.end{seed}", **ring)
        if len(end.values) > 1:
            axes.plot(axis.shown(end.mean), number, "|", color="black", markersize=11, markeredgewidth=1.8)
        bold = "bold" if end.cell is best else "normal"
        text: dict[str, Any] = {"ha": "right", "va": "top", "fontsize": SMALL, "color": GREY, "fontweight": bold}
        text["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # on the lines of the grid
        axes.annotate(end.said, (1, number), (0, -6.5), xycoords=right, textcoords="offset points", **text)
    if (control := summary.control) is not None:
        mean = axis.shown(control.mean(summary.sweep.monitor))
        axes.axvline(mean, color=LIGHT_GREY, linestyle=":", zorder=1, gid="best")
    axes.set_yticks(range(len(found)), [end.name for end in found], fontsize=LABEL)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(found) - 0.25, -0.6)
    axes.set(xlabel=axis.name)
