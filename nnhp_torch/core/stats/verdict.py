"""A verdict on every cell, held against the best or a baseline, and what more seeds may bring."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from nnhp_torch.core.interfaces import Judge, Judgement
from nnhp_torch.core.ledger.result import ASKED
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.interim import A_LOOK, CHANCE, MOST, looks
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.stats.against_baseline import AgainstBaseline
from nnhp_torch.core.stats.against_best import FEWEST, AgainstBest
from nnhp_torch.core.stats.cell import Cell, ranked
from nnhp_torch.core.stats.units import Units

Kind = Literal["best", "baseline", "better", "worse", "as good", "undecided", "unranked"]
FREE = 5  # looks before, from which on one more costs nothing: its level is below a hundredth of a percent
CONTROL = ("best", "baseline")  # what the others are held against
# What --require asks for → the verdicts; one of them is enough.
REQUIRED = {"better": ("better",), "as-good": ("better", "as good")}


@dataclass(frozen=True)
class Verdict:
    """The verdict that the seeds allow on one cell.

    Args:
        cell: which one.
        kind: `best` has the best mean (the first of equals), or `baseline` is what was asked for; `worse` or `better`
            differs from it by more than chance; `as good` is the same, or differs by less than what matters;
            `undecided` may be either; `unranked` has not completed.
        seeds: how many trials it was judged by: its seeds, times the values of the replicates.
        gap: how far its mean is behind that one's (below 0: ahead), in the metric's own unit.
        low, high: simultaneous 95% interval of that; one end is 0, the other infinite, of a cell of which no more is
            known than that it is worse or better; NaN with fewer than three units.
        p: adjusted for all comparisons, and for looks at the results so far; NaN with fewer than three units.
        behind: in how many of its trials it is behind that one's of the same seed.
        same: whether all its curves are that one's to the last digit; of runs made elsewhere ends alone do not tell.
        chance: of an undecided cell, that it is decided by the last look of a race, this one or one to come.
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
    chance: float = 0.0

    @property
    def bounded(self) -> bool:
        """Whether its interval has two ends."""
        return math.isfinite(self.high - self.low)


def judge_of(sweep: SweepBase) -> Judge:
    """Return who judges a sweep."""
    usual = AgainstBest if sweep.baseline is None else AgainstBaseline
    return sweep.judge or sweep.proposal or usual(paired=sweep.paired)


def verdicts(cells: Sequence[Cell], sweep: SweepBase) -> list[Verdict]:
    """A verdict on each cell, in the order of the cells.

    Those that are called better, worse or as good are right at once, but for one sweep in twenty: the intervals of all
    cells' differences from the best, or the baseline, hold together, and exclude 0 for those that are told apart. What
    lies within `smallest_effect` either way is as good, also if it is told apart. In a race each cell is judged at
    every look that it was there at, on the seeds that all had then, and keeps the last of these verdicts. A sweep that
    was looked at before with fewer seeds has a quarter of the level for each of these looks.

    Args:
        cells: as `outcome.summary` has them, which has their verdicts too.
        sweep: names the metric, its direction and the smallest difference that matters.

    Example:
        >>> [(verdict.cell.label, verdict.kind) for verdict in outcome.summary.verdicts]
        [('lr=0.1', 'worse'), ('lr=0.01', 'best'), ('lr=0.001', 'undecided')]
    """
    found: dict[int, Verdict] = {}  # place → verdict at the last look that the cell was there at
    for there in _looks(cells, sweep):
        left = [v.cell for place, v in found.items() if v.kind == "undecided" and place not in there]
        found |= _judged(there, sweep, left)
    kept = {place: verdict for place, verdict in found.items() if cells[place].ranked}
    return [replace(kept.get(place) or Verdict(cell, "unranked"), cell=cell) for place, cell in enumerate(cells)]


def _looks(cells: Sequence[Cell], sweep: SweepBase) -> Iterator[dict[int, Cell]]:
    """The cells by their places; of a race at each look those that were still there, as they were then."""
    if sweep.max_seeds is None:
        yield dict(enumerate(cells))
        return
    for seeds in sweep.looks:
        there = {
            place: cell.first(seeds * cell.trials_per_seed)
            for place, cell in enumerate(cells)
            if cell.trials >= seeds * cell.trials_per_seed
        }
        if there:
            yield there


def units_of(cells: Sequence[Cell], sweep: SweepBase, first: Cell) -> Units:
    """The units of the cells that have as many trials as one of them, it first, then the others as they rank."""
    others = [c for c in ranked(cells, sweep.objective) if c is not first and c.trials == first.trials]
    return Units.of([first, *others], sweep.monitor, sweep.objective.sign)


def _in_order(cells: Iterable[Cell], sweep: SweepBase) -> list[Cell]:
    """The cells that are ranked, first the one that the others are held against; none if that is not ranked."""
    order = ranked(cells, sweep.objective)
    if sweep.baseline is not None:
        control = [cell for cell in order if distinct(cell.values) == distinct(sweep.baseline)]
        order = [*control, *(cell for cell in order if cell is not control[0])] if control else []
    return order


def _judged(there: Mapping[int, Cell], sweep: SweepBase, left: Sequence[Cell]) -> dict[int, Verdict]:
    """The verdicts at one look on the cells that are ranked, by their places.

    Each look has the same share of the level: together they are at most wrong as often as it says, however they hang
    together (Bonferroni).

    Args:
        left: cells that left the race undecided. Those that are there were picked from them too.
    """
    order = _in_order(there.values(), sweep)
    if not order:
        return {}
    units = Units.of(order, sweep.monitor, sweep.objective.sign)
    rows, share = units.rows.tolist(), _share(sweep, order)
    if units.enough and len(rows) > 1 and math.isfinite(share):
        before = [Units.of([cell], sweep.monitor, sweep.objective.sign).rows[0].tolist() for cell in left]
        found = judge_of(sweep).judge(rows, sweep.level / share, left=before, shared=units.shared)
        found = replace(found, p=[min(1.0, share * p) for p in found.p])
    else:
        unknown, behind = [math.nan] * len(rows), units.rows[0] - units.rows
        errors = behind.std(axis=1, ddof=1) / math.sqrt(units.count) if units.count > 1 else 0 * behind[:, 0]
        found = Judgement(behind.mean(axis=1).tolist(), errors.tolist(), unknown, unknown, unknown, unknown)
    judged = {id(cell): _verdict(sweep, order, place, units=units, found=found) for place, cell in enumerate(order)}
    return {place: judged[id(cell)] for place, cell in there.items() if id(cell) in judged}


def _share(sweep: SweepBase, order: Sequence[Cell]) -> float:
    """Among how many looks the level is divided, of one at these cells; infinite if that one decides nothing."""
    if sweep.max_seeds is None:
        return float(A_LOOK ** min(FREE, len(looked(order))))
    seeds = order[0].trials // order[0].trials_per_seed
    return len(sweep.looks) if sweep.proposal is None else sweep.proposal.share(seeds, sweep.max_seeds)


def looked(cells: Sequence[Cell]) -> list[int]:
    """With how many seeds earlier calls have looked at these cells: each result knows how many its call asked for."""
    counts = set()
    for cell in cells:
        asked = [n if isinstance(n := result.hardware.get(ASKED), int) else 0 for result in cell.results]
        for seeds in range(FEWEST, len(asked) // cell.trials_per_seed):
            counts |= {seeds} & {max(asked[: seeds * cell.trials_per_seed])}
    return sorted(counts)


def _verdict(sweep: SweepBase, ranked: Sequence[Cell], place: int, *, units: Units, found: Judgement) -> Verdict:
    """Judge the cell in a place; the first is what all are held against."""
    cell, gap, p, half_width = ranked[place], found.gap[place], found.p[place], found.half_width[place]
    if place == 0:
        kind: Kind = "best" if sweep.baseline is None else "baseline"
        return Verdict(cell, kind, seeds=cell.trials, gap=0.0, low=0.0, high=0.0, p=1.0, same=True)
    same = _curves(cell) == _curves(ranked[0])
    matters = sweep.smallest_difference
    kind = "undecided" if not p < sweep.level else "worse" if gap > 0 else "better"
    low, high = found.low[place], found.high[place]
    if same and sweep.elsewhere and not cell.completed[0].history:  # equal ends: nothing has varied that would tell
        same, low, high = False, -math.inf, math.inf
    elif same or (matters is not None and abs(gap) + half_width <= matters):
        kind, low, high = "as good", gap - half_width, gap + half_width
    if sweep.objective.is_accuracy and math.isfinite(high - low):  # seen from the first, it is from 0 to 1
        mean = ranked[0].mean(sweep.monitor)
        low, high = max(low, mean - 1), min(high, mean)
    chance, seeds = 0.0, cell.trials // cell.trials_per_seed
    if kind == "undecided" and sweep.proposal and sweep.max_seeds:
        chance = sweep.proposal.chance(gap, found.error[place], units=seeds, most=sweep.max_seeds)
    elif kind == "undecided" and units.enough:
        most, others = (sweep.max_seeds, 1) if sweep.max_seeds else (most_seeds(seeds), len(looks(most_seeds(seeds))))
        chance = units.chance(place, found, most=most, matters=matters, others=others)
    behind = int((units.values[0] > units.values[place]).sum()) if sweep.paired else 0
    interval = {"gap": gap, "low": low, "high": high, "p": p}
    return Verdict(cell, kind, seeds=cell.trials, behind=behind, same=same, chance=chance, **interval)


def _curves(cell: Cell) -> list[tuple[object, object]]:
    """All that the trials have measured; some of other makers have no curve, but its end alone."""
    return [(result.history, result.restored) for result in cell.completed]


def most_seeds(seeds: int) -> int:
    """How many seeds `--seeds auto` is advised to go up to where a cell has so many."""
    return MOST if seeds < MOST else 2 * seeds


def more_seeds(verdict: Verdict, sweep: SweepBase) -> str | None:
    """The options that give a cell the seeds that may decide on it; None if it is decided, or seeds would not do."""
    if verdict.kind != "undecided" or sweep.sampled or sweep.elsewhere or sweep.proposal:
        return None
    cell = verdict.cell
    if math.isnan(verdict.p):
        return "--seeds 5"
    if sweep.max_seeds is not None:
        return f"--seeds auto --max_seeds {2 * sweep.max_seeds}"
    if verdict.chance < CHANCE:
        return None
    most = most_seeds(verdict.seeds // cell.trials_per_seed)
    return "--seeds auto" if most == MOST else f"--seeds auto --max_seeds {most}"


@dataclass(frozen=True)
class VerdictRow:
    """What may be said of one cell, in plain values; None is what nobody knows.

    Args:
        cell: the swept values.
        trials: how many it was judged by.
        mean: of the monitored metric.
        verdict: as in Verdict.
        estimate: by how much it is better than what it is compared with (below 0: worse), in the metric's own unit,
            whichever direction is better.
        low, high: 95% interval of that, for all cells at once (of a proposal, at its level); None is an unknown end.
        p: adjusted for all comparisons and looks.
        chance: of an undecided cell, that more seeds decide.
        more: the options with which the next run may decide; "" is the same command once more, None that none would.

    Example:
        >>> row = outcome.verdicts[0]
        >>> row.cell, row.verdict, round(row.estimate, 3)
        ({'lr': 0.1}, 'worse', -0.038)
    """

    cell: dict[str, Any]
    trials: int
    mean: float | None
    verdict: Kind
    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    chance: float | None
    more: str | None

    @classmethod
    def of(cls, verdict: Verdict, sweep: SweepBase) -> VerdictRow:
        """Return a verdict in plain values, seen from the other side: by how much its cell is better, not behind."""
        cell, more = verdict.cell, more_seeds(verdict, sweep)
        known = verdict.kind == "undecided" and (sweep.proposal is not None or not math.isnan(verdict.p))
        return cls(
            cell=dict(cell.values),
            trials=verdict.seeds or len(cell.completed),
            mean=_known(cell.mean(sweep.monitor)),
            verdict=verdict.kind,
            estimate=_known(0.0 - verdict.gap),
            low=_known(0.0 - verdict.high),
            high=_known(0.0 - verdict.low),
            p=_known(verdict.p),
            chance=verdict.chance if known else None,
            more="" if more is None and cell.unfinished else more,
        )


def holds(rows: Sequence[VerdictRow], required: str | None) -> bool:
    """Whether some cell has what is required; True if nothing is."""
    return required is None or any(row.verdict in REQUIRED[required] for row in rows)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
