"""Further metrics of a sweep, as its `extra_metrics` names them: a small picture each of their final values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.style import BLUE, GREY, LABEL, SMALL, TITLE, tidy

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

HEIGHT = 2.8  # of the pictures, in inches


def shown(summary: Summary) -> list[str]:
    """Those metrics that some trial has a final value of."""
    of = {
        name: [value for cell in summary.cells for value in cell.values_of(name)]
        for name in summary.sweep.extra_metrics
    }
    return [name for name, values in of.items() if any(map(math.isfinite, values))]


def draw(figure: FigureBase, gathered: Sequence[Cell], metrics: Sequence[str]) -> None:
    """A picture per metric: a ring per trial and a dot at the mean of each cell."""
    figure.suptitle("with the final weights: a ring per trial, a dot at the mean", x=0.008, ha="left", fontsize=TITLE)
    names = ["\n".join(cell.texts.values()) for cell in gathered]
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False).flat, metrics, strict=True):
        for place, cell in enumerate(gathered):
            values = cell.values_of(metric)
            axes.plot([place] * len(values), values, "o", markersize=5, markerfacecolor="none", color=GREY)
            axes.plot([place], [cell.mean(metric)], "o", markersize=5, color=BLUE)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlabel(", ".join(gathered[0].texts), fontsize=LABEL)
        axes.set_title(metric.replace("_", " "), fontsize=LABEL)
        tidy(axes, size=SMALL)
