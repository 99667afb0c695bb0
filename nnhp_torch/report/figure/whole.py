"""The sweep's figure: one picture of all cells, and below it the article's panels."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure import all_cells, further, many_cells, panels
from nnhp_torch.report.figure.drawing import figure_class
from nnhp_torch.report.style import DPI, GREY, LABEL, WIDTH
from nnhp_torch.report.words import same_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 24  # cells that have room side by side
LETTERS = 160  # of the subtitle's lines
HEIGHT = 4.6  # of the picture of all cells, in inches


def draw(summary: Summary) -> Figure:
    """The picture of all cells above the article's panels, one for each cell; of many cells a picture that has room."""
    few = len(summary.cells) <= MOST
    below = textwrap.wrap(subtitle(summary), LETTERS)
    heights = [0.42 + 0.17 * len(below), HEIGHT if few else many_cells.height(summary.cells)]
    heights += [0.4 + 2.2 * panels.shape(summary.cells)[0]] if few else []
    metrics = further.shown(summary) if few else []
    heights += [further.HEIGHT] * bool(metrics)
    figure = figure_class()(figsize=(WIDTH, sum(heights)), dpi=DPI, layout="constrained")
    head, above, *beneath = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat
    title = summary.sweep.name.replace("_", " ")
    head.text(0.008, 1 - 0.12 / heights[0], title, fontsize=15, fontweight="bold", va="top")
    head.text(0.008, 0.02, "\n".join(below), fontsize=LABEL, color=GREY, va="bottom")
    (all_cells if few else many_cells).draw(above, summary)
    for part in beneath[:1]:
        panels.draw(part, summary)
    for part in beneath[1:]:
        further.draw(part, summary.cells, metrics)
    return figure


def subtitle(summary: Summary) -> str:
    """The settings that all cells share, and how often each was run."""
    return f"The same in all cells: {same_in_words(summary)}; {summary.repeated or 'one seed'}"
