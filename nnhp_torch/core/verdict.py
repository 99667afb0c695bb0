"""A verdict on every cell: worse than the best, as good, or undecided, and how many more seeds would decide."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nnhp_torch.core.plan import Plan
from nnhp_torch.core.significance import LEVEL, AgainstBest, against_best, more_seeds
from nnhp_torch.core.summary import Cell, ranking, winner

Kind = Literal["best", "worse", "as good", "undecided", "unranked"]


@dataclass(frozen=True)
class Verdict:
    """The verdict that the seeds allow on one cell.

    Args:
        cell: which one.
        kind: `best` has the best mean (the first of equals); `worse` differs from it by more than chance; `as good`
            is the same, or differs by less than what matters; `undecided` may be either; `unranked` has not completed.
        seeds: how many trials it was judged by: its seeds, times the values of the replicates.
        gap: how far its mean is behind the best's, 0 or more, in the metric's own unit.
        low, high: simultaneous 95% interval of that (below 0: ahead of the best); NaN with one seed.
        p: adjusted for picking the best of all; NaN with one seed.
        behind: in how many of the seeds it is behind the best.
        same: whether all its curves are the best's to the last digit.
        more: of an undecided cell, about how many more seeds would decide; None if nobody can say.
    """

    cell: Cell
    kind: Kind
    seeds: int = 0
    gap: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    behind: int = 0
    same: bool = False
    more: int | None = None


def verdicts(sweep: Plan, gathered: Sequence[Cell]) -> list[Verdict]:
    """A verdict on each cell, in the order of the cells.

    Those that are called worse or as good are right at once, but for one sweep in twenty: the intervals of all cells'
    differences from the best hold together (against_best), and exclude 0 for those that are worse. What lies within
    `sweep.matters` of the best either way is as good, also if it is told from it.

    Args:
        sweep: names the metric, its direction and the smallest difference that matters.
        gathered: its cells, as `cells(outcome)` gives them.

    Example:
        >>> [(verdict.cell.label, verdict.kind) for verdict in verdicts(SWEEP, cells(outcome))]
        [('lr=0.1', 'worse'), ('lr=0.01', 'best'), ('lr=0.001', 'undecided')]
    """
    best = winner(sweep, gathered)
    if best is None:
        return [Verdict(cell, "unranked") for cell in gathered]
    ranked = [best, *(cell for cell in ranking(sweep, gathered) if cell.ranked and cell is not best)]
    known = dict(zip((cell.label for cell in ranked), _judged(sweep, ranked), strict=True))
    return [known.get(cell.label) or Verdict(cell, "unranked") for cell in gathered]


def _judged(sweep: Plan, ranked: Sequence[Cell]) -> list[Verdict]:
    """Judge cells whose first is the best."""
    objective = sweep.objective
    values = [[objective.sign * value for value in cell.values_of(objective.metric)] for cell in ranked]
    seeds = len(values[0])
    if seeds > 1 and len(ranked) > 1:
        found = against_best(values)
    else:
        gaps = [sum(values[0]) - sum(row) for row in values]
        found = AgainstBest([math.nan] * len(gaps), gaps, [math.nan] * len(gaps), math.nan)
    return [
        _verdict(sweep, ranked, place, sum(b > v for b, v in zip(values[0], row, strict=True)), found)
        for place, row in enumerate(values)
    ]


def _verdict(sweep: Plan, ranked: Sequence[Cell], place: int, behind: int, found: AgainstBest) -> Verdict:
    """Judge the cell in a place; the first is the best."""
    cell, gap, p = ranked[place], found.gap[place], found.p[place]
    seeds = cell.trials
    if place == 0:
        return Verdict(cell, "best", seeds, 0.0, 0.0, 0.0, 1.0, same=True)
    reach = found.critical * found.error[place]
    # The test has the last word about 0: later steps find what the intervals of the first may not.
    low = max(gap - reach, 0.0) if p < LEVEL else min(gap - reach, 0.0)
    same = [result.history for result in cell.completed] == [result.history for result in ranked[0].completed]
    matters = sweep.smallest_difference
    kind: Kind = "worse" if p < LEVEL else "undecided"
    if same or (matters is not None and gap + reach <= matters):
        kind = "as good"
    more = None
    if kind == "undecided" and seeds > 1:
        more = more_seeds(gap, found.error[place], found.critical, seeds, matters)
    return Verdict(cell, kind, seeds, gap, low, gap + reach, p, behind, same, more)
