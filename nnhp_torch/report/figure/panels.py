"""The article's panels: one for each cell, training and validation per epoch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from nnhp_torch.core.spec.plan import Plan
from nnhp_torch.core.stats.summary import Cell, repeated, twin, winner
from nnhp_torch.report.axis import Array, frame
from nnhp_torch.report.style import LABEL, LEGEND, LIGHT_GREY, TITLE, TRAIN, VALIDATION, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

LETTERS = 118  # of titles that fit side by side; longer ones take several lines


@dataclass(frozen=True)
class Series:
    """A metric after each epoch, each of shape (epochs,): mean over the seeds, and one standard deviation aside."""

    mean: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Panel:
    """The contents of one subplot."""

    title: str
    curves: Mapping[str, Series]  # name in the legend → curve
    best: bool
    earlier: bool = False  # of an earlier call, and pale


def series(cell: Cell, metric: str) -> Series:
    """The metric's curve over a cell's seeds; shorter runs (early stopping) count as far as they go.

    It ends when fewer than half of them are left, because the mean of the few would leave that of all.
    """
    curves = [curve for result in cell.results if (curve := result.curve(metric))]
    if not curves:
        return Series(*(np.full(0, math.nan),) * 3)
    longest = sorted(map(len, curves))[len(curves) // 2]
    table = np.full((len(curves), longest), math.nan)  # (seeds, epochs)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve[:longest]
    count = np.sum(np.isfinite(table), axis=0)
    seen = np.where(np.isfinite(table), table, 0.0)
    mean = np.divide(seen.sum(axis=0), count, out=np.full(len(count), math.nan), where=count > 0)
    square = np.where(np.isfinite(table), (table - mean) ** 2, 0.0).sum(axis=0)
    spread = np.sqrt(np.divide(square, count - 1, out=np.zeros(len(count)), where=count > 1))
    return Series(mean, mean - spread, mean + spread)


def panels(sweep: Plan, gathered: Sequence[Cell]) -> list[Panel]:
    """A panel per cell; the title is the article's: the swept values, and the accuracy of the final weights."""
    monitor = sweep.monitor
    shown = _metrics(sweep, gathered)
    short = monitor.replace("accuracy", "acc")
    best = winner(sweep, gathered)
    made = []
    for cell in gathered:
        value = f"{short}={cell.text(monitor)}" if cell.completed else ""
        asides = [f"({aside})" for aside in (cell.trouble, "earlier" if cell.earlier else "") if aside]
        title = "  ".join(filter(None, [cell.label, value, *asides]))
        curves = {name: series(cell, metric) for name, metric in shown.items()}
        made.append(Panel(title, curves, cell is best, cell.earlier))
    return made


def _metrics(sweep: Plan, gathered: Sequence[Cell]) -> dict[str, str]:
    """Name in the legend → metric: the monitored one, and before it the same over the training data, if logged.

    Training is logged while it goes on: as a mean over the epoch's batches, each with other weights.
    """
    objective = sweep.objective
    train = twin(sweep, "train", gathered)
    return ({LEGEND["train"]: train} if train else {}) | {LEGEND[objective.split] or objective.metric: objective.metric}


def draw(figure: FigureBase, sweep: Plan, gathered: Sequence[Cell]) -> None:
    """One subplot per cell with shared axes, training and validation per epoch, the best cell's title in bold."""
    shown = panels(sweep, gathered)
    rows, columns = shape(gathered)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    if any(len(panel.title) > LETTERS // columns for panel in shown):
        shown = [replace(panel, title=_in_lines(panel.title, LETTERS // columns)) for panel in shown]
    if (limits := _limits(shown, sweep, gathered)) is not None:
        grid.flat[0].set_ylim(*limits)
    longest = max((len(curve.mean) for panel in shown for curve in panel.curves.values()), default=1)
    grid.flat[0].set_xlim(0.5 if longest < 10 else 0, max(longest, 1) + 0.5)
    grid.flat[0].xaxis.get_major_locator().set_params(integer=True)
    for index, axes in enumerate(grid.flat):  # the limits stand: else each curve would measure all panels anew
        if index >= len(shown):
            axes.remove()
            continue
        _draw_panel(axes, shown[index])
        if index % columns == 0:
            axes.set_ylabel(sweep.objective.name)
        if index + columns >= len(shown):
            axes.set_xlabel("epoch")
            axes.xaxis.set_tick_params(labelbottom=True)
    spread = repeated(gathered)
    said = f"each cell: mean ± standard deviation of {spread}" if spread else "each cell"
    figure.suptitle(said, x=0.008, ha="left", fontsize=TITLE)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=LABEL)


def _in_lines(title: str, letters: int) -> str:
    """A title of several lines: what is in it below each other, each broken between words if it is still too long."""
    parts = [wrap(part, letters, break_long_words=False, break_on_hyphens=False) for part in title.split("  ")]
    return "\n".join(itertools.chain(*parts))


def _limits(shown: Sequence[Panel], sweep: Plan, gathered: Sequence[Cell]) -> tuple[float, float] | None:
    """Limits shared by all panels: every seed's final value is within, and nothing that the metric cannot be."""
    curves = [curve.mean for panel in shown for curve in panel.curves.values()]
    finals = [v for metric in _metrics(sweep, gathered).values() for cell in gathered for v in cell.values_of(metric)]
    framed = frame(curves, finals, sweep.objective)
    if framed is None:
        return None
    (low, high), (least, most) = framed, sweep.objective.bounds(framed)
    margin = max(0.06 * (high - low), 0.002)
    return max(low - margin, least), min(high + margin, most)


def shape(gathered: Sequence[Cell]) -> tuple[int, int]:
    """Rows and columns: two axes keep their own shape, first axis downwards; else they are laid out near a square."""
    axes = [len({cell.texts[axis] for cell in gathered}) for axis in gathered[0].values]
    count = len(gathered)
    if len(axes) == 2 and axes[1] <= 5 and math.prod(axes) == count:
        return axes[0], axes[1]
    columns = min(4, math.ceil(math.sqrt(count)))
    return math.ceil(count / columns), columns


def _draw_panel(axes: Axes, panel: Panel) -> None:
    pale = 0.4 if panel.earlier else 1.0
    for name, curve in panel.curves.items():
        if not len(curve.mean):
            continue
        style = TRAIN if name == LEGEND["train"] else VALIDATION
        epochs = np.arange(1, len(curve.mean) + 1)
        marker = "o" if len(epochs) < 10 else None
        axes.plot(epochs, curve.mean, label=name, linewidth=1.6, marker=marker, markersize=3.5, alpha=pale, **style)
        if np.any(curve.high > curve.low):
            axes.fill_between(epochs, curve.low, curve.high, color=style["color"], alpha=0.18 * pale, linewidth=0)
    axes.set_title(
        panel.title,
        fontsize=LABEL,
        fontweight="bold" if panel.best else "normal",
        color="black" if panel.best else LIGHT_GREY if panel.earlier else "#333333",
    )
    tidy(axes)
