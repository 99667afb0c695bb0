"""The winner's luck: what it is worth without having been picked, and whether one seed would have picked it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.against_best import DRAWS
from nnhp_torch.core.stats.units import Units
from nnhp_torch.core.stats.verdict import Verdict, units_of

GRID = 40  # standard deviations between cells that are weighed


@dataclass(frozen=True)
class Luck:
    """What is known of the winner beside its mean, which is too high because it was picked by it.

    Args:
        value: its mean without its luck, in the metric's own unit.
        best: the chance that it is the best. close: that it is, or is within the smallest difference that matters.
        picked: how many seeds alone would have picked it. seeds: how many there are.
    """

    value: float
    best: float
    close: float
    picked: int
    seeds: int


def luck(found: Sequence[Verdict], sweep: SweepBase) -> Luck | None:
    """The luck of the best of a sweep of several seeds; None if too few have been tried.

    Cells that are not found to be worse are taken as drawn from a normal distribution, as their units are from each
    cell's; each mean is pulled towards that of all by as much as chance may have moved it (the hierarchical model of
    D. B. Rubin, J. Educ. Stat. 6 (1981), with a half-Cauchy prior of the standard deviation between cells, A. Gelman,
    Bayesian Anal. 1 (2006)).
    """
    best = next((verdict for verdict in found if verdict.kind == "best"), None)
    rivals = [
        v.cell for v in found if v.kind in ("as good", "undecided") and best and v.cell.trials == best.cell.trials
    ]
    if best is None or not units_of([best.cell], sweep, best.cell).enough:
        return None
    sign, matters = sweep.objective.sign, sweep.smallest_difference or 0.0
    value, chance, close = best.cell.mean(sweep.monitor), 1.0, 1.0
    if rivals:
        value, chance, close = unlucky(Units.of([best.cell, *rivals], sweep.monitor, sign), matters)
        value *= sign
    every = units_of([v.cell for v in found], sweep, best.cell).values.mean(axis=2)
    return Luck(value, chance, close, int((every[0] > every[1:].max(axis=0, initial=-math.inf)).sum()), every.shape[1])


def unlucky(units: Units, matters: float) -> tuple[float, float, float]:
    """The first row's mean without its luck, and the chances that it is the best and that it is about as good."""
    import numpy as np

    rows = units.rows
    means, own = rows.mean(axis=1), rows.var(axis=1, ddof=1)
    # A few units tell little of a spread; those of other cells tell more, unless they are far wilder.
    own = (own + np.minimum(np.median(own), 4 * own)) / 2
    errors = own * (1 / units.count + units.shared) + 1e-30
    between = np.linspace(0, np.ptp(means) + 3 * math.sqrt(float(errors.max())), GRID)[:, None] ** 2
    weights = 1 / (between + errors)
    centre = (weights * means).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    likely = np.log(weights).sum(axis=1) - np.log(weights.sum(axis=1)) - (weights * (means - centre) ** 2).sum(axis=1)
    likely -= 2 * np.log1p(between[:, 0] / np.median(errors))
    chances = np.exp((likely - likely.max()) / 2)
    chances /= chances.sum()
    kept = between * weights
    shrunk = kept * means + (1 - kept) * centre
    generator = np.random.RandomState(0)
    chosen = generator.choice(GRID, size=DRAWS, p=chances)
    centres = generator.standard_normal((DRAWS, 1)) / np.sqrt(weights.sum(axis=1))[chosen, None]
    drawn = shrunk[chosen] + (1 - kept[chosen]) * centres
    drawn += generator.standard_normal(drawn.shape) * np.sqrt(kept * errors)[chosen]
    ahead = drawn[:, 0] - drawn[:, 1:].max(axis=1)
    return float(chances @ shrunk[:, 0]), float((ahead >= 0).mean()), float((ahead >= -matters).mean())
