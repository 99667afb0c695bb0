"""How steady a training is: over its seeds, from one epoch to the next, and by how much one seed alone moves."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.cell import Cell

FAR = 5  # spreads below the median at which a seed has failed; by chance alone in fewer than 1% of sweeps
JUMP = 10  # spreads of a steady cell that a curve falls in one epoch when its training jumps
POOR, NOTHING = 0.6, 0.01  # a share of right answers that guessing may reach, and a gain in it that is none


@dataclass(frozen=True)
class Jumps:
    """A training that jumps: mean and standard deviation say little of it.

    Args:
        cell: which one.
        median, low, high: of its trials' final values.
        failed: how many of its trials end far behind the others.
        fall: how far the metric falls from one epoch to the next at worst, in the second half of the training; the
            median over its trials.
    """

    cell: Cell
    median: float
    low: float
    high: float
    failed: int
    fall: float


def jumping(cells: Sequence[Cell], objective: Objective) -> list[Jumps]:
    """The cells with a training that jumps: a seed fails, or the curve falls far from one epoch to the next.

    Both are measured by the spread of the sweep's steadier cells: the lower quartile, over what that is where all vary
    alike (a chi-square's), because of few seeds the smallest spreads are far too small.
    """
    from scipy.special import chdtri  # the upper tail's inverse

    ranked = [cell for cell in cells if cell.ranked and cell.trials > 1]
    spreads = sorted(
        spread / math.sqrt(chdtri(cell.trials - 1, 0.75) / (cell.trials - 1))
        for cell in ranked
        if math.isfinite(spread := cell.spread(objective.metric))
    )
    if not spreads:
        return []
    steady = spreads[len(spreads) // 4]
    found = [_jumps(cell, objective, steady) for cell in ranked if math.isfinite(cell.mean(objective.metric))]
    return [jumps for jumps in found if jumps.failed or jumps.fall > JUMP * steady > 0]


def _jumps(cell: Cell, objective: Objective, steady: float) -> Jumps:
    values = cell.values_of(objective.metric)
    median = statistics.median(values)
    around = 1.4826 * statistics.median(abs(value - median) for value in values)  # a normal's standard deviation
    bound = FAR * max(around, steady)
    failed = sum(objective.sign * (median - value) > bound for value in values)
    falls = [_fall(result, objective) for result in cell.completed]
    return Jumps(cell, median, min(values), max(values), failed, statistics.median(falls))


def _fall(result: TrialResult, objective: Objective) -> float:
    """The largest loss from one epoch to the next, in the second half of the training."""
    scores = [objective.sign * value for value in result.curve(objective.metric)]
    late = itertools.pairwise(scores[len(scores) // 2 :])
    return max([0.0, *(before - after for before, after in late if math.isfinite(before - after))])


def one_seed_moves(gathered: Sequence[Cell], known: Iterable[TrialResult], metric: str) -> float:
    """The standard deviation over seeds at these settings, as the ledger knows it; NaN if it has one seed of each.

    Args:
        gathered: the cells in question. known: all that the ledger has.
    """
    of_settings: dict[str, list[float]] = {_settings(result): [] for cell in gathered for result in cell.completed}
    for result in known:
        value, settings = result.final(metric), _settings(result)
        if result.status == "completed" and math.isfinite(value) and settings in of_settings:
            of_settings[settings].append(value)
    spreads = [statistics.stdev(values) for values in of_settings.values() if len(values) > 1]
    return statistics.median(spreads) if spreads else math.nan


def _settings(result: TrialResult) -> str:
    """All that it is configured by, except the seed."""
    return distinct(dict(sorted((name, value) for name, value in result.config.items() if name != "seed")))


def learned_nothing(cell: Cell, objective: Objective) -> bool:
    """Whether an accuracy that is poor ends, in every trial, no better than it was after the first epoch."""
    curves = [result.curve(objective.metric) for result in cell.completed]
    return objective.is_accuracy and all(
        len(curve) > 1 and curve[-1] < POOR and curve[-1] <= curve[0] + NOTHING for curve in curves
    )
