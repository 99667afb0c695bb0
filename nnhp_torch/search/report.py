"""The report of a search: the table of its ten best trials, and its figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.plotting.axis import coordinates
from nnhp_torch.report.plotting.style import BLUE, DPI, GREY, LIGHT_GREY, SMALL, WIDTH, tidy
from nnhp_torch.report.terminal.table import TableReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from rich.console import Console

    from nnhp_torch.core.ledger.store import ResultStore
    from nnhp_torch.run.runtime import Keep

SHOWN = 10


class SearchTable(TableReport):
    """The table of the best trials, the winner, and where to look next.

    Args:
        confirmed: how many of the best run on other seeds next.
    """

    def __init__(
        self, out: Console, store: ResultStore, command: str, *, confirmed: int = 0, keep: Keep = "winner"
    ) -> None:
        super().__init__(out, store, command, keep=keep)
        self.confirmed = confirmed

    def shown(self, summary: Summary) -> list[Cell]:
        return summary.ranking[:SHOWN]

    def doubts(self, summary: Summary) -> str:
        cells, monitor = summary.cells, summary.sweep.monitor
        statuses = [result.status for cell in cells for result in cell.results]
        values = [value for cell in cells for value in cell.values_of(monitor) if math.isfinite(value)]
        epochs = sum(result.epochs for cell in cells for result in cell.results)
        advice = "" if self.confirmed else " --confirm 5 runs the best five on other seeds."
        return (
            f"The best of {len(cells)} trials ({statuses.count('pruned')} pruned, {epochs} epochs in all; median "
            f"of the completed {statistics.median(values):.4f}), each with one seed: part of its lead is luck.{advice} "
            f"All of them are in {self.store.folder / 'results.csv'}"
        )


def draw(summary: Summary) -> Figure:
    """Return a line per completed trial through its settings to what it reached, every curve, and the best so far."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 8.2), dpi=DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.15, 1], squeeze=False).flat
    _parallel(above.subplots(), summary)
    for axes, draw_on in zip(below.subplots(1, 2), (_curves, _history), strict=True):
        tidy(axes)
        draw_on(axes, summary)
    return figure


def _parallel(axes: Axes, summary: Summary) -> None:
    """Parallel coordinates as the page has them: an axis per setting, and a last one for the metric."""
    from matplotlib.patheffects import withStroke

    cells = [cell for cell in summary.ranking if math.isfinite(cell.mean(summary.sweep.monitor))]
    letters: dict[str, Any] = {"ha": "right", "va": "center", "fontsize": SMALL}
    letters["path_effects"] = [withStroke(linewidth=3, foreground="white")]  # so that lines do not cross them
    rows, rulers = coordinates(summary, cells)
    for cell, row in zip(cells[::-1], rows[::-1], strict=True):
        best = cell is summary.leader
        axes.plot(row, color=BLUE if best else LIGHT_GREY, linewidth=2.2 if best else 0.8, alpha=1 if best else 0.7)
    for place, (_, ticks) in enumerate(rulers):
        axes.axvline(place, color=GREY, linewidth=0.8)
        for height, text in ticks:
            axes.annotate(text, (place, height), (-4, 0), textcoords="offset points", **letters)
    axes.set_xticks(range(len(rulers)), [name for name, _ in rulers], fontsize=SMALL)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(ylim=(-0.03, 1.03), xlim=(-0.5, len(rulers) - 0.8), yticks=[])
    axes.spines[:].set_visible(False)
    title = f"{summary.sweep.name.replace('_', ' ')}: from its settings to what each completed trial reached"
    axes.set_title(title, fontsize=12, loc="left", pad=16)


def _curves(axes: Axes, summary: Summary) -> None:
    """The monitored metric of every trial per epoch: completed, pruned, and the winner."""
    monitor, best = summary.sweep.monitor, summary.leader
    kinds = {"pruned": 0, "completed": 0}
    for result in sorted(summary.shown, key=lambda result: result.status == "completed"):
        curve = result.curve(monitor)
        if not curve or result.status not in kinds:
            continue
        kinds[result.status] += 1
        shade, width = (LIGHT_GREY, 0.8) if result.status == "pruned" else (GREY, 0.9)
        marker = "." if len(curve) == 1 else None
        axes.plot(range(1, len(curve) + 1), curve, color=shade, linewidth=width, alpha=0.7, marker=marker)
    for kind, shade in (("completed", GREY), ("pruned", LIGHT_GREY)):
        if kinds[kind]:
            axes.plot([], [], color=shade, label=f"{kinds[kind]} {kind}")
    if best is not None:
        curve = best.completed[0].curve(monitor)
        axes.plot(range(1, len(curve) + 1), curve, color=BLUE, linewidth=2.2, label="the best")
    _limit(axes, [result.curve(monitor) for result in summary.shown], summary.sweep.objective)
    axes.set(xlabel="epoch", ylabel=monitor)
    axes.set_title("every trial, epoch by epoch", fontsize=12, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    if axes.lines:  # none, if all have diverged
        axes.legend(loc="lower right", ncols=3, framealpha=0.85, edgecolor="none")


def _history(axes: Axes, summary: Summary) -> None:
    """The value that each trial ended with, in the order of their choice, and the best so far."""
    objective, best = summary.sweep.objective, math.nan
    line: list[tuple[int, float]] = []
    for number, result in enumerate(summary.shown, 1):
        value = result.final(objective.metric)
        if result.status == "completed":
            axes.plot(number, value, "o", markersize=4, color=GREY)
            best = value if objective.better(value, best) else best
            line.append((number, best))
        elif result.status == "pruned":
            axes.plot(number, value, "o", markersize=4, color=LIGHT_GREY, markerfacecolor="none")
    if line:
        axes.plot(*zip(*line, strict=True), color=BLUE, drawstyle="steps-post", label="the best so far")
        axes.legend(loc="lower right", framealpha=0.85, edgecolor="none")
    _limit(axes, [result.curve(objective.metric)[-1:] for result in summary.shown], objective)
    axes.set(xlabel="trial", ylabel=f"{objective.metric} at its end")
    axes.set_title("trial after trial; hollow ones were pruned", fontsize=12, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]


def _limit(axes: Axes, curves: Sequence[Sequence[float]], objective: Objective) -> None:
    """Frame the better three quarters of the values: near the top is where trials differ by little."""
    scores = sorted(objective.sign * value for curve in curves for value in curve if math.isfinite(value))
    if len(scores) < 4:
        return
    low, high = sorted(objective.sign * score for score in (scores[len(scores) // 4], scores[-1]))
    margin = max(0.08 * (high - low), 0.002)
    axes.set_ylim(low - margin, high + margin)
