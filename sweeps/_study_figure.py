"""Several sweeps at a glance: a panel each, all on one axis."""

from __future__ import annotations

import math
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.spec.status import RANKED
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.figure.drawing import dress
from nnhp_torch.report.style import BLUE, DPI, GREY, LABEL, LIGHT_GREY, SMALL, TITLE, WIDTH, tidy
from nnhp_torch.report.words import same_in_words
from sweeps._study import Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Of the figure, in inches: its head, a panel's title, a line below it, a row, the numbers and what is between two.
TOP, TITLES, LINE, ROW, NUMBERS = 1.05, 0.3, 0.15, 0.2, 0.42
LABELS, ASIDE = 1.45, 0.25  # at the left and at the right of a panel
LETTERS = 66  # of a line below a title
ALONE = 0.4  # opacity of one seed alone


def base_value(found: Finding, findings: Sequence[Finding]) -> float:
    """The mean of what the sweep's own base reaches, whichever sweep of the study has run it; NaN if none has."""
    base = {name: value for name, value in vars(found.outcome.sweep.base).items() if name != "seed"}
    results = {key: result for f in findings for key, result in f.outcome.results.items() if result.status in RANKED}
    # A ledger that is older than a setting lacks it.
    same = [r for r in results.values() if all(r.config.get(name, value) == value for name, value in base.items())]
    return statistics.fmean(r.final(found.outcome.sweep.monitor) for r in same) if same else math.nan


def draw(findings: Sequence[Finding]) -> Figure:
    """A panel per sweep, down two columns, on one axis: a ring per seed, a bar at their mean, the base's as a line."""
    from matplotlib.figure import Figure

    heights = [_height(f) for f in findings]
    cut = 1 + min(range(len(findings)), key=lambda last: abs(2 * sum(heights[: last + 1]) - sum(heights)))
    tallest = TOP + max(sum(heights[:cut]), sum(heights[cut:]))
    figure = Figure(figsize=(WIDTH, tallest), dpi=DPI)
    axes = {monitor: _axis(findings, monitor) for monitor in {f.outcome.sweep.monitor for f in findings}}
    for column, part in enumerate((findings[:cut], findings[cut:])):
        left, above = (LABELS + column * WIDTH / 2) / WIDTH, TOP
        for found in part:
            above += _height(found)
            rows = ROW * len(found.summary.cells)
            place = (left, 1 - (above - NUMBERS) / tallest, (WIDTH / 2 - LABELS - ASIDE) / WIDTH, rows / tallest)
            axis = axes[found.outcome.sweep.monitor]
            _draw_panel(figure.add_axes(place), found, axis, base=base_value(found, findings))
    figure.text(0.012, 1 - 0.15 / tallest, "The study at a glance", fontsize=15, fontweight="bold", va="top")
    shown = " and ".join(sorted({axis.name for axis in axes.values()}))
    several = all(cell.trials > 1 for found in findings for cell in found.summary.cells)
    alone = "" if several else "; pale is one seed alone, which may be luck"
    said = (
        f"{shown[:1].upper()}{shown[1:]} with the final weights. A ring is a seed, a bar the mean of several, bold the "
        f"best{alone}.\nA line is what the sweep's own base reaches, dotted what guessing does; (chosen) is what the "
        "article carries on."
    )
    figure.text(0.012, 1 - 0.48 / tallest, said, fontsize=LABEL, color=GREY, va="top", linespacing=1.4)
    return figure


def _axis(findings: Sequence[Finding], monitor: str) -> Axis:
    """The axis of all panels of a metric, from a little better than the best."""
    of_metric = [f for f in findings if f.outcome.sweep.monitor == monitor]
    cells = [cell for f in of_metric for cell in f.summary.cells]
    axis = Axis.of_curves(of_metric[0].outcome.sweep, cells)
    ends = [axis.shown(value) for cell in cells for value in cell.values_of(monitor) if math.isfinite(value)]
    return replace(axis, low=max(axis.low, min(ends) / 1.25)) if axis.error and ends else axis


def _base(found: Finding) -> str:
    """The base of the panel's sweep, in lines."""
    return "\n".join(textwrap.wrap(f"on {same_in_words(found.summary)}", LETTERS))


def _height(found: Finding) -> float:
    """The height of a panel with its title and its numbers, in inches."""
    return TITLES + LINE * len(_base(found).splitlines()) + ROW * len(found.summary.cells) + NUMBERS


def _draw_panel(axes: Axes, found: Finding, axis: Axis, *, base: float) -> None:
    tidy(axes, numbers="x", size=SMALL)
    monitor, cells, chosen = found.outcome.sweep.monitor, found.summary.cells, found.chosen
    dress(axes, axis, x=True)
    if math.isfinite(base):
        axes.axvline(axis.shown(base), color=LIGHT_GREY, linewidth=1.2, gid="base")
    for row, cell in enumerate(cells):
        ends = [*map(axis.shown, filter(math.isfinite, cell.values_of(monitor)))]
        several = len(ends) > 1
        rings = axes.plot(ends, [row] * len(ends), "o", color=BLUE, markerfacecolor="none", markersize=5)
        rings[0].set(gid=f"cell{row}", alpha=1.0 if several else ALONE)
        if several:
            axes.plot(axis.shown(cell.mean(monitor)), row, "|", color=BLUE, markersize=12, markeredgewidth=2.4)
        if cell.trouble:
            style: dict[str, Any] = {"fontsize": SMALL, "color": GREY}
            text = axes.text(0.99, row, cell.trouble, ha="right", va="center", **style)
            text.set(transform=axes.get_yaxis_transform(), bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
    axes.set_yticks(range(len(cells)), [_name(cell, chosen) for cell in cells], fontsize=SMALL)
    for label, cell in zip(axes.get_yticklabels(), cells, strict=True):
        label.set_fontweight("bold" if cell is found.summary.leader else "normal")
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    lines = _base(found)
    pad = 72 * LINE * len(lines.splitlines())
    axes.set_title(", ".join(found.outcome.sweep.axes), fontsize=TITLE, fontweight="bold", loc="left", pad=pad + 6)
    axes.annotate(
        lines, (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points", fontsize=SMALL, color=GREY
    )


def _name(cell: Cell, chosen: Cell | None) -> str:
    """The swept values, in the order that the title gives; the chosen cell is marked."""
    text = ", ".join(cell.texts.values())
    return f"{text} (chosen)" if cell is chosen else text
