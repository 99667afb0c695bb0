"""The report of a search: its ten best trials, how it went, and which setting counted."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure.callback import last_epoch, publish, withdraw
from nnhp_torch.report.parallel import coordinates
from nnhp_torch.report.style import BLUE, DPI, GREY, LIGHT_GREY, ORANGE, SMALL, WIDTH, tidy
from nnhp_torch.report.table import TableReport, in_markdown

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


class SearchFigures(SweepCallback):
    """`figure.png`: trials' settings and curves; `history.png`: the best so far; `importance.png`: what counted.

    Args:
        folder: the sweep's folder.
        importances: gives each setting's share in what decides a trial's value; empty with too few trials.
    """

    writes = True

    def __init__(self, folder: Path, importances: Callable[[], Mapping[str, float]]) -> None:
        self.folder = folder
        self.importances = importances

    def on_sweep_end(self, outcome: Outcome) -> None:
        if not outcome.results:
            return
        drawn: dict[str, Callable[[], Figure]] = {}
        if any(result.history for result in outcome.ordered):
            drawn = {"figure": lambda: overview(outcome), "history": lambda: history(outcome)}
            if shares := self.importances():
                completed = sum(result.status == "completed" for result in outcome.ordered)
                drawn["importance"] = lambda: importance(shares, outcome.sweep.monitor, completed)
        for name in ("figure", "history", "importance"):
            path = self.folder / f"{name}.png"
            if name in drawn:
                words = in_markdown(outcome.summary) if name == "figure" else ""
                publish(drawn[name], path, outcome.sweep.name, step=last_epoch(outcome), words=words)
            else:
                withdraw(path)


def overview(outcome: Outcome) -> Figure:
    """Return a line per completed trial through its settings to what it reached, and below every trial's curve."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, 8.2), dpi=DPI, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[1.15, 1])
    _parallel(above, outcome.summary)
    tidy(below)
    _curves(below, outcome)
    return figure


def _parallel(axes: Axes, summary: Summary) -> None:
    """Parallel coordinates as the page has them: an axis per setting, and a last one for the metric."""
    cells = [cell for cell in summary.ranking if math.isfinite(cell.mean(summary.sweep.monitor))]
    rows, rulers = coordinates(summary, cells)
    for cell, row in zip(cells[::-1], rows[::-1], strict=True):
        best = cell is summary.leader
        axes.plot(row, color=BLUE if best else LIGHT_GREY, linewidth=2.2 if best else 0.8, alpha=1 if best else 0.7)
    for place, (_, ticks) in enumerate(rulers):
        axes.axvline(place, color=GREY, linewidth=0.8)
        for height, text in ticks:
            axes.annotate(
                text, (place, height), (-4, 0), textcoords="offset points", ha="right", va="center", fontsize=7
            )
    axes.set_xticks(range(len(rulers)), [name for name, _ in rulers], fontsize=SMALL)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set(ylim=(-0.03, 1.03), xlim=(-0.5, len(rulers) - 0.8), yticks=[])
    axes.spines[:].set_visible(False)
    title = f"{summary.sweep.name.replace('_', ' ')}: from its settings to what each completed trial reached"
    axes.set_title(title, fontsize=12, loc="left", pad=16)


def _curves(axes: Axes, outcome: Outcome) -> None:
    """The monitored metric of every trial per epoch: completed, pruned, and the winner."""
    monitor, best = outcome.sweep.monitor, outcome.summary.leader
    kinds = {"pruned": 0, "completed": 0}
    for result in sorted(outcome.ordered, key=lambda result: result.status == "completed"):
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
    _limit(axes, [result.curve(monitor) for result in outcome.ordered], outcome.sweep.objective)
    axes.set(xlabel="epoch", ylabel=monitor)
    axes.set_title("every trial, epoch by epoch", fontsize=12, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    if axes.lines:  # none, if all have diverged
        axes.legend(loc="lower right", ncols=3, frameon=False)


def history(outcome: Outcome) -> Figure:
    """Return the value that each trial ended with, in the order in which they were chosen, and the best so far."""
    sweep = outcome.sweep
    figure, axes = _figure(7.5, 4.2)
    points: dict[str, list[tuple[int, float]]] = {"completed": [], "pruned": []}
    best: list[tuple[int, float]] = []
    for number, result in enumerate(outcome.ordered, 1):
        value = result.final(sweep.monitor)
        if result.status not in points or not math.isfinite(value):
            continue
        points[result.status].append((number, value))
        if result.status == "completed":
            best.append((number, best[-1][1] if best and not sweep.objective.better(value, best[-1][1]) else value))
    if points["pruned"]:
        axes.plot(
            *zip(*points["pruned"], strict=True), "x", color=LIGHT_GREY, markersize=5, label="pruned, as it was then"
        )
    if best:
        best.append((len(outcome.ordered), best[-1][1]))
        axes.plot(*zip(*points["completed"], strict=True), "o", color=BLUE, markersize=4.5, label="completed")
        axes.step(*zip(*best, strict=True), where="post", color=ORANGE, linewidth=1.8, label="the best so far")
    _limit(axes, [[value for _, value in of_kind] for of_kind in points.values()], sweep.objective)
    axes.set(xlabel="trial", ylabel=f"{sweep.monitor} at its end")
    axes.set_title(f"{sweep.name.replace('_', ' ')}: how it went", fontsize=12)
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    if axes.lines:
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def importance(shares: Mapping[str, float], monitor: str, completed: int) -> Figure:
    """Return a bar per setting, the most important one at the top."""
    figure, axes = _figure(7.0, 1.5 + 0.34 * len(shares))
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color=BLUE, height=0.65)
    axes.bar_label(bars, fmt="%.2f", padding=4, color=GREY, fontsize=9)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.12 * max([*shares.values(), 1e-9]))
    axes.set_xlabel(f"share in what decides {monitor} (PED-ANOVA)")
    axes.set_title(f"Which setting counted, by {completed} completed trials", fontsize=12)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    tidy(axes)
    return figure, axes


def _limit(axes: Axes, curves: Sequence[Sequence[float]], objective: Objective) -> None:
    """Frame the better three quarters of the values: near the top is where trials differ by little."""
    scores = sorted(objective.sign * value for curve in curves for value in curve if math.isfinite(value))
    if len(scores) < 4:
        return
    low, high = sorted(objective.sign * score for score in (scores[len(scores) // 4], scores[-1]))
    margin = max(0.08 * (high - low), 0.002)
    axes.set_ylim(low - margin, high + margin)
