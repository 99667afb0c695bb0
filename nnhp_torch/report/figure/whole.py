"""The sweep's figure: one picture of all cells, and below it the article's panels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.stats.summary import Cell, repeated
from nnhp_torch.report.axis import Scale
from nnhp_torch.report.figure import all_cells, further, many_cells, panels
from nnhp_torch.report.figure.drawing import figure_class
from nnhp_torch.report.style import DPI, GREY, LABEL, WIDTH
from nnhp_torch.report.words import same_in_words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nnhp_torch.core.spec.plan import Plan

MOST = 24  # cells that have room side by side
LETTERS = 160  # of the subtitle's lines
HEIGHT = 4.6  # of the picture of all cells, in inches


def draw(outcome: Outcome, gathered: Sequence[Cell]) -> Figure:
    """The picture of all cells above the article's panels, one for each cell; of many cells a picture that has room."""
    sweep, few = outcome.sweep, len(gathered) <= MOST
    below = textwrap.wrap(subtitle(sweep, gathered), LETTERS)
    heights = [0.42 + 0.17 * len(below), HEIGHT if few else many_cells.height(gathered)]
    heights += [0.4 + 2.2 * panels.shape(gathered)[0]] if few else []
    metrics = further.shown(sweep, gathered) if few else []
    heights += [further.HEIGHT] * bool(metrics)
    figure = figure_class()(figsize=(WIDTH, sum(heights)), dpi=DPI, layout="constrained")
    head, above, *beneath = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat
    head.text(0.008, 1 - 0.12 / heights[0], sweep.name.replace("_", " "), fontsize=15, fontweight="bold", va="top")
    head.text(0.008, 0.02, "\n".join(below), fontsize=LABEL, color=GREY, va="bottom")
    (all_cells if few else many_cells).draw(above, sweep, gathered, scale=Scale.of(sweep, gathered))
    for part in beneath[:1]:
        panels.draw(part, sweep, gathered)
    for part in beneath[1:]:
        further.draw(part, gathered, metrics)
    return figure


def subtitle(sweep: Plan, gathered: Sequence[Cell]) -> str:
    """The settings that all cells share, and how often each was run."""
    return f"The same in all cells: {same_in_words(sweep, gathered)}; {repeated(gathered) or 'one seed'}"
