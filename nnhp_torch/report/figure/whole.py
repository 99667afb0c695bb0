"""The sweep's figure: one picture of all cells, and below it the article's panels and the further metrics."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure import all_cells, many_cells, panels
from nnhp_torch.report.figure.drawing import figure_class
from nnhp_torch.report.plotting.style import BLUE, DPI, GREY, LABEL, SMALL, TITLE, WIDTH, tidy
from nnhp_torch.report.words.phrases import same_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

MOST = 24  # cells that have room side by side
LETTERS = 160  # of the subtitle's lines
FURTHER = 2.8  # height of the pictures of further metrics, in inches


def draw(summary: Summary) -> Figure:
    """The picture of all cells above the article's panels, one for each cell; of many cells a picture that has room."""
    few = len(summary.cells) <= MOST
    same = f"The same in all cells: {same_in_words(summary)}; {summary.repeated or 'one seed'}"
    below = textwrap.wrap(same, LETTERS)
    heights = [0.42 + 0.17 * len(below), (all_cells if few else many_cells).height(summary.cells)]
    heights += [0.4 + 2.2 * panels.shape(summary.cells)[0]] if few else []
    metrics = _further(summary) if few else []
    heights += [FURTHER] * bool(metrics)
    figure = figure_class()(figsize=(WIDTH, sum(heights)), dpi=DPI, layout="constrained")
    head, above, *beneath = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat
    title = summary.sweep.name.replace("_", " ")
    head.text(0.008, 1 - 0.12 / heights[0], title, fontsize=15, fontweight="bold", va="top")
    head.text(0.008, 0.02, "\n".join(below), fontsize=LABEL, color=GREY, va="bottom")
    (all_cells if few else many_cells).draw(above, summary)
    for part in beneath[:1]:
        panels.draw(part, summary)
    for part in beneath[1:]:
        _draw_further(part, summary.cells, metrics)
    return figure


def _further(summary: Summary) -> list[str]:
    """The sweep's `extra_metrics` that some trial has a final value of."""
    of = {
        name: [value for cell in summary.cells for value in cell.values_of(name)]
        for name in summary.sweep.extra_metrics
    }
    return [name for name, values in of.items() if any(map(math.isfinite, values))]


def _draw_further(figure: FigureBase, gathered: Sequence[Cell], metrics: Sequence[str]) -> None:
    """A picture per metric: a ring per trial and a dot at the mean of each cell."""
    figure.suptitle("in the end: a ring per trial, a dot at the mean", x=0.008, ha="left", fontsize=TITLE)
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
