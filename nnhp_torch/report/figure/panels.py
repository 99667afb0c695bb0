"""The article's panels: one for each cell, training and validation per epoch."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from nnhp_torch.core.ledger.result import logged
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.plotting.axis import frame
from nnhp_torch.report.plotting.curves import epochs
from nnhp_torch.report.plotting.style import LABEL, LEGEND, LIGHT_GREY, TITLE, TRAIN, VALIDATION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

LETTERS = 118  # of titles that fit side by side; longer ones take several lines


@dataclass(frozen=True)
class Series:
    """A metric after each epoch, each of shape (epochs,): mean over the seeds, and one standard deviation aside."""

    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def series(cell: Cell, metric: str) -> Series:
    """The metric's curve over a cell's seeds; shorter runs (early stopping) count as far as they go."""
    columns = epochs(cell.curves(metric))
    means = [statistics.fmean(values) if values else math.nan for values in columns]
    spreads = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in columns]
    low, high = ([m + sign * s for m, s in zip(means, spreads, strict=True)] for sign in (-1, 1))
    return Series(means, low, high)


def title(cell: Cell, monitor: str) -> str:
    """Name a panel as the article does: the swept values, and the accuracy of the final weights."""
    value = f"{monitor.replace('accuracy', 'acc')}={cell.text(monitor)}" if cell.completed else ""
    asides = [f"({aside})" for aside in (cell.trouble, "earlier" if cell.earlier else "") if aside]
    return "  ".join(filter(None, [cell.label, value, *asides]))


def metrics(summary: Summary) -> dict[str, str]:
    """Name in the legend → metric: the monitored one, and before it the same over the training data, if logged.

    Training is logged while it goes on: as a mean over the epoch's batches, each with other weights.
    """
    objective = summary.sweep.objective
    train = objective.twin("train", logged(summary.shown))
    return ({LEGEND["train"]: train} if train else {}) | {LEGEND[objective.split] or objective.metric: objective.metric}


def draw(figure: FigureBase, summary: Summary) -> None:
    """One subplot per cell with shared axes, training and validation per epoch, the best cell's title in bold."""
    monitor, shown = summary.sweep.monitor, metrics(summary)
    curves = [{name: series(cell, metric) for name, metric in shown.items()} for cell in summary.cells]
    titles = [title(cell, monitor) for cell in summary.cells]
    rows, columns = shape(summary.cells)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    if any(len(text) > LETTERS // columns for text in titles):
        titles = [_in_lines(text, LETTERS // columns) for text in titles]
    means = [curve.mean for of in curves for curve in of.values()]
    if (limits := _limits(means, summary)) is not None:
        grid.flat[0].set_ylim(*limits)
    longest = max(map(len, means), default=1)
    grid.flat[0].set_xlim(0.5 if longest < 10 else 0, max(longest, 1) + 0.5)
    grid.flat[0].xaxis.get_major_locator().set_params(integer=True)
    for index, axes in enumerate(grid.flat):  # the limits stand: else each curve would measure all panels anew
        if index >= len(summary.cells):
            axes.remove()
            continue
        cell = summary.cells[index]
        _draw_panel(axes, curves[index], pale=cell.earlier)
        best = cell is summary.leader
        colour = "black" if best else LIGHT_GREY if cell.earlier else "#333333"
        axes.set_title(titles[index], fontsize=LABEL, fontweight="bold" if best else "normal", color=colour)
        if index % columns == 0:
            axes.set_ylabel(summary.sweep.objective.name)
        if index + columns >= len(summary.cells):
            axes.set_xlabel("epoch")
            axes.xaxis.set_tick_params(labelbottom=True)
    spread = summary.repeated
    said = f"each cell: mean ± standard deviation of {spread}" if spread else "each cell"
    figure.suptitle(said, x=0.008, ha="left", fontsize=TITLE)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL)


def _in_lines(title: str, letters: int) -> str:
    """A title of several lines: what is in it below each other, each broken between words if it is still too long."""
    parts = [wrap(part, letters, break_long_words=False, break_on_hyphens=False) for part in title.split("  ")]
    return "\n".join(itertools.chain(*parts))


def _limits(curves: Sequence[Sequence[float]], summary: Summary) -> tuple[float, float] | None:
    """Limits shared by all panels: every seed's final value is within, and nothing that the metric cannot be."""
    finals = [v for metric in metrics(summary).values() for cell in summary.cells for v in cell.values_of(metric)]
    framed = frame(curves, finals, summary.sweep.objective)
    if framed is None:
        return None
    (low, high), (least, most) = framed, summary.sweep.objective.bounds(framed)
    margin = max(0.06 * (high - low), 0.002)
    return max(low - margin, least), min(high + margin, most)


def shape(cells: Sequence[Cell]) -> tuple[int, int]:
    """Rows and columns: two axes keep their own shape, first axis downwards; else they are laid out near a square."""
    axes = [len({cell.texts[axis] for cell in cells}) for axis in cells[0].values]
    count = len(cells)
    if len(axes) == 2 and axes[1] <= 5 and math.prod(axes) == count:
        return axes[0], axes[1]
    columns = min(4, math.ceil(math.sqrt(count)))
    return math.ceil(count / columns), columns


def _draw_panel(axes: Axes, curves: Mapping[str, Series], *, pale: bool) -> None:
    """Draw curves, each by its name in the legend."""
    opaque = 0.4 if pale else 1.0
    for name, curve in curves.items():
        if not len(curve.mean):
            continue
        style = TRAIN if name == LEGEND["train"] else VALIDATION
        along = np.arange(1, len(curve.mean) + 1)
        marker = "o" if len(along) < 10 else None
        axes.plot(along, curve.mean, label=name, linewidth=1.6, marker=marker, markersize=3.5, alpha=opaque, **style)
        if curve.high != curve.low:
            axes.fill_between(along, curve.low, curve.high, color=style["color"], alpha=0.18 * opaque, linewidth=0)
    tidy(axes)
