"""The columns of a table of cells, as the terminal, the page and Markdown show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from nnhp_torch.core.stats.summary import Cell, of_training, twin
from nnhp_torch.core.stats.verdict import Verdict
from nnhp_torch.report.words import interval, why_no_winner

if TYPE_CHECKING:
    from nnhp_torch.core.spec.plan import Plan

BEHIND = "points behind"
LESS = ("seconds", "s/trial", "best (epoch)", "best")  # columns that tell least


def columns(sweep: Plan, gathered: list[Cell], found: Sequence[Verdict]) -> dict[str, list[str]]:
    """Name → what stands in that column for each cell; the last one, without a name, is what is to be said of it.

    Args:
        gathered: the cells that are shown.
        found: the verdicts on all cells, shown or not.
    """
    test, train = twin(sweep, "test", gathered), of_training(sweep, gathered)
    several = any(cell.trials > 1 for cell in gathered)
    named = {axis: [cell.texts[axis] for cell in gathered] for axis in sweep.axes}
    named["seeds"] = [str(cell.trials // cell.a_seed) if sweep.max_seeds else "" for cell in gathered]
    for name in filter(None, (sweep.monitor, test, train, *sweep.shows)):
        named[name] = [cell.text(name) for cell in gathered]
    named["best" if several else "best (epoch)"] = [_best_epoch(cell, sweep, several) for cell in gathered]
    named["s/trial" if several else "seconds"] = [_seconds(cell) for cell in gathered]
    of_cell = {verdict.cell.label: verdict for verdict in found}
    shown = [of_cell[cell.label] for cell in gathered]
    crowned = not why_no_winner(sweep, found)
    named[BEHIND if sweep.objective.is_accuracy else "behind"] = [
        "" if v.seeds < 2 or v.kind == "best" else interval(v, sweep.objective) for v in shown
    ]
    named[""] = [_standing(verdict, crowned) for verdict in shown]
    return {name: values for name, values in named.items() if any(values)}


def _standing(verdict: Verdict, crowned: bool) -> str:
    """The words behind a row: the winner, a verdict, or what has gone wrong.

    Args:
        crowned: whether the best is called the winner.
    """
    troubles = ", ".join(f"{n} {what}" for what, n in verdict.cell.troubles.items())
    said = troubles or ("" if math.isnan(verdict.p) or not crowned else verdict.kind)
    if verdict.kind == "best" and crowned:
        said = "← winner"
    return ", ".join(filter(None, (said, "earlier" if verdict.cell.earlier else "")))


def _best_epoch(cell: Cell, sweep: Plan, several: bool) -> str:
    """The best epoch's value, and which epoch it was if cells have one trial; the mean of the best over several."""
    bests = [result.best(sweep.monitor, sweep.objective.mode) for result in cell.completed]
    if not bests or not all(epoch for _, epoch in bests):
        return ""
    mean = sum(value for value, _ in bests) / len(bests)
    return f"{mean:.4f}" if several else f"{mean:.4f} ({bests[0][1]})"


def _seconds(cell: Cell) -> str:
    """The mean seconds that a trial takes."""
    return f"{fmean(result.seconds for result in cell.completed):.1f}" if cell.completed else ""


def head(column: str, sweep: Plan) -> str:
    """Name a column as the table's head does; what ranks the cells has an arrow that says which way is better."""
    return f"{short(column)} {better(sweep)}" if column == sweep.monitor else short(column)


def better(sweep: Plan) -> str:
    """Point to where better values of the monitor are."""
    return "↑" if sweep.objective.sign > 0 else "↓"


def short(metric: str) -> str:
    """A metric as the table's head shows it."""
    return metric.replace("accuracy", "acc")
