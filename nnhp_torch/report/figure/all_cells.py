"""One picture of all cells: how each went, epoch by epoch, and beside it where each has ended."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.axis import Axis
from nnhp_torch.report.curves import continued, median_curve
from nnhp_torch.report.figure.drawing import dress, name_guessing
from nnhp_torch.report.style import CELLS, GREY, LABEL, LIGHT_GREY, SMALL, TITLE, colours, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

DASHES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
TICKS, LEGEND = 60, 140  # letters that fit side by side: below the right axes, above both


@dataclass(frozen=True)
class Place:
    """How a cell is drawn.

    Args:
        number: its place in the grid, from 0; in an SVG the name of each of its parts begins with `cell0.`.
        group: cells of a group have one colour, and a line at the right.
        x: where it stands at the right; tick: what is written below.
        dash: of its curve.
    """

    cell: Cell
    number: int
    group: str
    colour: str
    x: float
    tick: str
    dash: Any = "-"

    @property
    def mark(self) -> dict[str, Any]:
        """How the square at its end looks: hollow if its line is dashed."""
        face = self.colour if self.dash == "-" else "none"
        return {"color": self.colour, "linestyle": "", "marker": "s", "markersize": 5, "markerfacecolor": face}


def places(gathered: Sequence[Cell]) -> list[Place]:
    """A colour per cell; of more than seven, the last axis along x and a colour per value of those before it."""
    if len(gathered) <= len(CELLS) or len(gathered[0].values) < 2:
        shades = colours(len(gathered))
        ticks = [", ".join(cell.texts.values()) for cell in gathered]
        return [Place(cell, i, cell.label, shades[i], float(i), ticks[i]) for i, cell in enumerate(gathered)]
    *before, last = gathered[0].values
    names = [", ".join(f"{axis}={cell.texts[axis]}" for axis in before) for cell in gathered]
    groups, ticks = list(dict.fromkeys(names)), list(dict.fromkeys(cell.texts[last] for cell in gathered))
    shades = colours(len(groups))
    dashes = DASHES if len(ticks) <= len(DASHES) else DASHES[:1] * len(ticks)
    aside = 0.5 / len(groups)
    made = []
    for number, (cell, name) in enumerate(zip(gathered, names, strict=True)):
        group, tick = groups.index(name), ticks.index(cell.texts[last])
        x = tick + aside * (group - (len(groups) - 1) / 2)
        made.append(Place(cell, number, name, shades[group], x, ticks[tick], dashes[tick]))
    return made


def draw(figure: FigureBase, summary: Summary) -> None:
    """Left: a curve per cell, a thin one per seed. Right, on the same axis: a ring per seed, and their mean."""
    gathered, monitor, best = summary.cells, summary.sweep.monitor, summary.leader
    axis = Axis.of_curves(summary.sweep, gathered)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    shown = [replace(p, colour=LIGHT_GREY) if p.cell.earlier else p for p in places(gathered)]
    run = "run" if any(len(values) > 1 for cell in gathered[:1] for values in cell.replicates.values()) else "seed"
    several = summary.several
    for axes in (left, right):
        tidy(axes, numbers="both" if axes is left else "y")
        dress(axes, axis)
    marked_only = [place for place in shown if continued(place.cell, gathered, monitor)]
    for place in shown:
        _draw_curves(left, place, monitor, axis=axis, marked_only=place in marked_only)
        _draw_end(right, place, monitor, axis=axis, best=place.cell is best, beside=len(shown) <= len(CELLS))
    judged = _draw_intervals(right, shown, summary, axis=axis)
    _join(right, shown, monitor, axis=axis)
    name_guessing(right, axis)
    left.set(xlabel="epoch", ylabel=axis.name)
    left.set_xlim(left=0)
    left.xaxis.get_major_locator().set_params(integer=True)
    left.set_title(
        f"each epoch: a thin line per {run}, a thick one their median" if several else "each epoch",
        fontsize=TITLE,
        loc="left",
    )
    ends = f"at the end: a ring per {run}, a bar their mean" if several else "at the end"
    right.set_title(ends, fontsize=TITLE, loc="left", pad=18 if judged else None)
    if judged:
        note: dict[str, Any] = {"xytext": (0, 6), "textcoords": "offset points", "fontsize": SMALL, "color": GREY}
        right.annotate(
            "a band: where its mean may be, compared with the best's (the line)",
            (0, 1),
            xycoords="axes fraction",
            **note,
        )
    _name_places(right, shown, best)
    _legend(figure, shown, marked_only)


def _draw_curves(axes: Axes, place: Place, metric: str, *, axis: Axis, marked_only: bool) -> None:
    runs = [(result, values) for result in place.cell.results if (values := result.curve(metric))]
    style: dict[str, Any] = {"color": place.colour, "linestyle": place.dash}
    for seed, (result, values) in enumerate(runs):
        curve = [*map(axis.shown, values)]
        epochs = np.arange(1, len(curve) + 1)
        name = f"cell{place.number}.seed{seed}"
        if len(runs) > 1 and not marked_only:
            axes.plot(epochs, curve, linewidth=0.6, alpha=0.45, gid=name, color=place.colour)
        if mark := stopped(result) or ("s" if marked_only else ""):
            axes.plot(epochs[-1:], curve[-1:], **place.mark | {"marker": mark, "zorder": 4, "gid": f"{name}.stop"})
    median = [*map(axis.shown, median_curve([values for _, values in runs]))]
    if median and not marked_only:
        marker = "." if len(median) < 10 else None
        epochs = np.arange(1, len(median) + 1)
        axes.plot(epochs, median, linewidth=1.9, zorder=3, marker=marker, gid=f"cell{place.number}.median", **style)


def stopped(result: TrialResult) -> str:
    """The mark of a run that ended before its last epoch: a square, or a cross if it was not to."""
    if result.status in ("completed", "pruned"):
        return "s" if result.epochs < result.config.get("max_epochs", 0) else ""
    return "x"


def _draw_end(axes: Axes, place: Place, metric: str, *, axis: Axis, best: bool, beside: bool) -> None:
    """A ring per seed and a bar at their mean, with its number: `beside` it if there is room, else below the best."""
    ends = [*map(axis.shown, filter(math.isfinite, place.cell.values_of(metric)))]
    for seed, end in enumerate(ends):
        name = f"cell{place.number}.end{seed}"
        axes.plot(place.x, end, "o", color=place.colour, markerfacecolor="none", markersize=5, gid=name)
    if math.isfinite(value := place.cell.mean(metric)):
        mean = axis.shown(value)
        if place.cell.trials > 1:
            width = 18 if beside else 10
            axes.plot(place.x, mean, "_", color=place.colour, markersize=width, markeredgewidth=2.4)
        if beside or best:
            text: dict[str, Any] = {"fontsize": SMALL, "fontweight": "bold" if best else "normal"}
            if beside:
                text |= {"xy": (place.x, mean), "xytext": (12, 0), "va": "center"}
            else:
                text |= {"xy": (place.x, min(ends)), "xytext": (0, -6), "va": "top", "ha": "center"}
            axes.annotate(axis.text(value), textcoords="offset points", **text)
    if place.cell.trouble:
        axes.text(
            place.x,
            0.02,
            place.cell.trouble,
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=place.colour,
            transform=axes.get_xaxis_transform(),
        )


def _draw_intervals(axes: Axes, shown: Sequence[Place], summary: Summary, *, axis: Axis) -> bool:
    """A line at the best's mean, and by each verdict a band: what does not reach the line is worse. Whether any has."""
    best, sweep = summary.leader, summary.sweep
    judged = zip(shown, summary.verdicts, strict=True)
    bands = [(place, verdict) for place, verdict in judged if verdict.bounded and place.cell is not best]
    if best is None or not bands:
        return False
    mean, sign = best.mean(sweep.monitor), sweep.objective.sign
    for place, verdict in bands:
        sides = np.clip([axis.shown(mean - sign * end) for end in (verdict.low, verdict.high)], *axes.get_ylim())
        name = f"cell{place.number}.interval"
        band: dict[str, Any] = {"color": place.colour, "alpha": 0.3, "linewidth": 8, "solid_capstyle": "butt"}
        axes.plot([place.x] * 2, sides, zorder=1, gid=name, **band)
    axes.axhline(axis.shown(mean), color=LIGHT_GREY, linewidth=0.8, zorder=1, gid="best")
    return True


def _join(axes: Axes, shown: Sequence[Place], metric: str, *, axis: Axis) -> None:
    """A line through the means of each group."""
    for _, group in itertools.groupby(shown, key=lambda place: place.group):
        members = list(group)
        means = [axis.shown(place.cell.mean(metric)) for place in members]
        if len(members) > 1:
            axes.plot([place.x for place in members], means, color=members[0].colour, linewidth=1, alpha=0.6)


def _name_places(axes: Axes, shown: Sequence[Place], best: Cell | None) -> None:
    grouped = any(place.group != place.cell.label for place in shown)
    names = {round(place.x): place.tick for place in shown}
    axes.set_xticks(list(names), list(names.values()), fontsize=LABEL)
    if sum(map(len, names.values())) > TICKS:
        axes.tick_params(axis="x", rotation=30)
    axes.tick_params(axis="x", colors=GREY, length=0)
    axes.set_xlim(min(names) - 0.5, max(names) + (0.5 if grouped else 0.75))
    settings = list(shown[0].cell.values)
    axes.set_xlabel(settings[-1] if grouped else ", ".join(settings))


def _legend(figure: FigureBase, shown: Sequence[Place], marked_only: Sequence[Place]) -> None:
    from matplotlib.lines import Line2D

    groups = {place.group: place for place in shown if not place.cell.earlier}
    styles: dict[str, dict[str, Any]] = {
        name: {"color": place.colour, "linewidth": 2} for name, place in groups.items()
    }
    styles |= {
        name: place.mark | {"markerfacecolor": place.colour}
        for name, place in groups.items()
        if all(other in marked_only for other in shown if other.group == name)
    }
    if len({place.dash for place in shown}) > 1:
        *_, last = shown[0].cell.values
        for place in shown:
            grey = replace(place, colour=GREY)
            marker = "s" if place in marked_only else ""
            styles[f"{last}={place.tick}"] = grey.mark | {"linestyle": grey.dash, "marker": marker}
    if any(place.cell.earlier for place in shown):
        styles["earlier calls"] = {"color": LIGHT_GREY, "linewidth": 2}
    longest, together = max(map(len, styles)), sum(8 + len(name) for name in styles)
    columns = len(styles) if together <= LEGEND else max(1, LEGEND // (8 + longest))
    handles = [Line2D([], [], label=name, **style) for name, style in styles.items()]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=LABEL,
        borderpad=0,
        borderaxespad=0.7,
    )
