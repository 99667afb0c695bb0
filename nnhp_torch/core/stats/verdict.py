"""A verdict on every cell: worse than the best, as good, or undecided, and how many more seeds would decide."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nnhp_torch.core.spec.plan import Plan
from nnhp_torch.core.stats.interim import chance_of_deciding, looks
from nnhp_torch.core.stats.significance import LEVEL, AgainstBest, against_best, more_seeds
from nnhp_torch.core.stats.summary import Cell, ranking, winner

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
        p: adjusted for picking the best of all, and for the looks of a race; NaN with one seed.
        behind: in how many of the seeds it is behind the best.
        same: whether all its curves are the best's to the last digit.
        more: of an undecided cell, about how many more seeds would decide; None if nobody can say.
        chance: of an undecided cell in a race, that it is decided by its last look.
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
    chance: float = 0.0


def verdicts(sweep: Plan, gathered: Sequence[Cell]) -> list[Verdict]:
    """A verdict on each cell, in the order of the cells.

    Those that are called worse or as good are right at once, but for one sweep in twenty: the intervals of all cells'
    differences from the best hold together (against_best), and exclude 0 for those that are worse. What lies within
    `sweep.matters` of the best either way is as good, also if it is told from it. In a race each cell is judged at
    every look that it was there at, on the seeds that all had then, and keeps the last of these verdicts.

    Args:
        sweep: names the metric, its direction and the smallest difference that matters.
        gathered: its cells, as `cells(outcome)` gives them.

    Example:
        >>> [(verdict.cell.label, verdict.kind) for verdict in verdicts(SWEEP, cells(outcome))]
        [('lr=0.1', 'worse'), ('lr=0.01', 'best'), ('lr=0.001', 'undecided')]
    """
    found: dict[int, Verdict] = {}  # place → verdict at the last look that the cell was there at
    for there in _looks(sweep, gathered):
        left = [v.cell for place, v in found.items() if v.kind == "undecided" and place not in there]
        found |= _judged(sweep, there, left)
    ranked = {place: verdict for place, verdict in found.items() if gathered[place].ranked}
    return [replace(ranked.get(place) or Verdict(cell, "unranked"), cell=cell) for place, cell in enumerate(gathered)]


def _looks(sweep: Plan, gathered: Sequence[Cell]) -> Iterator[dict[int, Cell]]:
    """The cells by their places; of a race at each look those that were still there, as they were then."""
    if sweep.max_seeds is None:
        yield dict(enumerate(gathered))
        return
    for seeds in looks(sweep.max_seeds):
        there = {
            place: cell.first(seeds * cell.a_seed)
            for place, cell in enumerate(gathered)
            if cell.trials >= seeds * cell.a_seed
        }
        if there:
            yield there


def _judged(sweep: Plan, there: Mapping[int, Cell], left: Sequence[Cell]) -> dict[int, Verdict]:
    """The verdicts at one look on the cells that are ranked, by their places.

    Each look has the same share of the level: together they are at most wrong as often as it says, however they hang
    together (Bonferroni).

    Args:
        left: cells that left the race undecided. Those that are there were picked from them too.
    """
    objective = sweep.objective
    best = winner(sweep, list(there.values()))
    if best is None:
        return {}
    ranked = [best, *(cell for cell in ranking(sweep, list(there.values())) if cell.ranked and cell is not best)]

    def values(cell: Cell) -> list[float]:
        return [objective.sign * value for value in cell.values_of(objective.metric)]

    rows = [values(cell) for cell in ranked]
    if len(rows[0]) > 1 and len(rows) > 1:
        share = 1 if sweep.max_seeds is None else len(looks(sweep.max_seeds))
        found = against_best(rows, LEVEL / share, left=[values(cell) for cell in left])
        found = replace(found, p=[min(1.0, share * p) for p in found.p])
    else:
        gaps = [sum(rows[0]) - sum(row) for row in rows]
        found = AgainstBest([math.nan] * len(gaps), gaps, [math.nan] * len(gaps), math.nan)
    judged = {
        id(cell): _verdict(
            sweep, ranked, place, behind=sum(b > v for b, v in zip(rows[0], row, strict=True)), found=found
        )
        for place, (cell, row) in enumerate(zip(ranked, rows, strict=True))
    }
    return {place: judged[id(cell)] for place, cell in there.items() if id(cell) in judged}


def _verdict(sweep: Plan, ranked: Sequence[Cell], place: int, *, behind: int, found: AgainstBest) -> Verdict:
    """Judge the cell in a place; the first is the best."""
    cell, gap, p = ranked[place], found.gap[place], found.p[place]
    seeds = cell.trials
    if place == 0:
        return Verdict(cell, "best", seeds=seeds, gap=0.0, low=0.0, high=0.0, p=1.0, same=True)
    reach = found.critical * found.error[place]
    # The test has the last word about 0: later steps find what the intervals of the first may not.
    low = max(gap - reach, 0.0) if p < LEVEL else min(gap - reach, 0.0)
    same = [result.history for result in cell.completed] == [result.history for result in ranked[0].completed]
    matters = sweep.smallest_difference
    kind: Kind = "worse" if p < LEVEL else "undecided"
    if same or (matters is not None and gap + reach <= matters):
        kind = "as good"
    more, chance = None, 0.0
    if kind == "undecided" and seeds > 1:
        error, most = found.error[place], cell.a_seed * (sweep.max_seeds or 0)
        more = more_seeds(gap, error, found.critical, seeds=seeds, matters=matters)
        chance = chance_of_deciding(gap, error, found.critical, trials=seeds, most=most, matters=matters)
    interval = {"gap": gap, "low": low, "high": gap + reach, "p": p}
    return Verdict(cell, kind, seeds=seeds, behind=behind, same=same, more=more, chance=chance, **interval)
