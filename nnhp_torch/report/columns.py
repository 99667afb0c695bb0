"""The columns of a table of cells, as the terminal, the page and Markdown show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict import CONTROL, Verdict
from nnhp_torch.report.words.phrases import interval

BEHIND = ("points behind", "behind", "points ahead", "ahead")
LESS = ("seconds", "s/trial", "best (epoch)", "best")  # columns that tell least


def columns(summary: Summary, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Name → what stands in that column for each of some cells; the last, without a name, is what is said of it."""
    sweep, several = summary.sweep, summary.several
    named = {axis: [cell.texts[axis] for cell in cells] for axis in sweep.axes}
    named["seeds"] = [str(cell.trials // cell.trials_per_seed) if sweep.max_seeds else "" for cell in cells]
    for name in summary.metrics:
        named[name] = [cell.text(name) for cell in cells]
    named["last weights"] = [_last_weights(cell, sweep.monitor) for cell in cells]
    named["best" if several else "best (epoch)"] = [_best_epoch(cell, summary) for cell in cells]
    named["s/trial" if several else "seconds"] = [_seconds(cell) for cell in cells]
    of_cell = {id(verdict.cell): verdict for verdict in summary.verdicts}
    shown = [of_cell[id(cell)] for cell in cells]
    ahead = sweep.baseline is not None
    named[f"{'points ' * sweep.objective.is_accuracy}{'ahead' if ahead else 'behind'}"] = [
        "" if v.seeds < 2 or v.kind in CONTROL else interval(v, sweep.objective, ahead=ahead) for v in shown
    ]
    named[""] = [_standing(verdict, summary) for verdict in shown]
    return {name: values for name, values in named.items() if any(values)}


def _standing(verdict: Verdict, summary: Summary) -> str:
    """The words behind a row: the winner, a verdict, or what has gone wrong."""
    troubles = ", ".join(f"{n} {what}" for what, n in verdict.cell.troubles.items())
    said = troubles or ("" if math.isnan(verdict.p) or summary.why_no_winner else verdict.kind)
    if verdict.kind == "best" and verdict.cell is summary.winner:
        said = "← winner"
    stale = any(result.key in summary.stale for result in verdict.cell.results)
    return ", ".join(filter(None, (said, "stale" * stale, "earlier" * verdict.cell.earlier)))


def _last_weights(cell: Cell, monitor: str) -> str:
    """What the last weights score on average, if trials have gone back to others."""
    ends = [curve[-1] for result in cell.completed if (curve := result.curve(monitor))]
    return f"{fmean(ends):.4f}" if ends and any(result.restored for result in cell.completed) else ""


def _best_epoch(cell: Cell, summary: Summary) -> str:
    """The best epoch's value, and which epoch it was if cells have one trial; the mean of the best over several."""
    bests = [summary.sweep.objective.best(result.curve(summary.sweep.monitor)) for result in cell.completed]
    if not bests or not all(epoch for _, epoch in bests):
        return ""
    mean = sum(value for value, _ in bests) / len(bests)
    return f"{mean:.4f}" if summary.several else f"{mean:.4f} ({bests[0][1]})"


def _seconds(cell: Cell) -> str:
    """The mean seconds that a trial takes; empty if nobody knows."""
    seconds = [result.seconds for result in cell.completed if result.seconds]
    return f"{fmean(seconds):.1f}" if seconds else ""


def head(column: str, sweep: SweepBase) -> str:
    """Name a column as the table's head does; what ranks the cells has an arrow that says which way is better."""
    return f"{short(column)} {better(sweep)}" if column == sweep.monitor else short(column)


def better(sweep: SweepBase) -> str:
    """Point to where better values of the monitor are."""
    return "↑" if sweep.objective.sign > 0 else "↓"


def short(metric: str) -> str:
    """A metric as the table's head shows it."""
    return metric.replace("accuracy", "acc")
