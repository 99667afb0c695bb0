"""Is the winner real? Every cell against the best one, over seeds that all cells share."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.objective import Objective
from nnhp_torch.core.summary import Cell

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.05


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that two methods do equally well, from runs that share their seeds.

    Differences that are all the same still vary by what the metric's steps round away, so that p is never 0.

    Raises:
        ValueError: fewer than two pairs, or lists of different lengths.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    if len(differences) < 2:
        raise ValueError("a paired t-test needs at least two pairs")
    mean = statistics.fmean(differences)
    spread = max(statistics.stdev(differences), _step([*first, *second]) / math.sqrt(6))
    if abs(mean) < 1e-12:
        return 1.0
    from scipy.special import stdtr  # Student's distribution

    t = mean / (spread / math.sqrt(len(differences)))
    return float(2 * stdtr(len(differences) - 1, -abs(t)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: each may be held against the level as if it stood alone.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none may fall below the one before it.
    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979).
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def compare_with(one: Cell, gathered: Sequence[Cell], metric: str) -> dict[str, float]:
    """Label of every other ranked cell → adjusted p-value of its difference from that one; empty with one seed.

    That one must not have been picked by what it scored: compare_with_best is for the winner.
    """
    if one.trials < 2:
        return {}
    others = _others(one, gathered, metric)
    p_values = [paired_t_test(one.values_of(metric), cell.values_of(metric)) for cell in others]
    return dict(zip((cell.label for cell in others), holm(p_values), strict=True))


def compare_with_best(best: Cell, gathered: Sequence[Cell], objective: Objective) -> dict[str, float]:
    """Label of every other ranked cell → adjusted p-value of its difference from the winner; empty with one seed."""
    others = _others(best, gathered, objective.metric)
    if best.trials < 2 or not others:
        return {}
    values = [[objective.sign * value for value in cell.values_of(objective.metric)] for cell in (best, *others)]
    return dict(zip((cell.label for cell in others), p_values_against_best(values)[1:], strict=True))


def _others(one: Cell, gathered: Sequence[Cell], metric: str) -> list[Cell]:
    return [cell for cell in gathered if cell is not one and cell.ranked and math.isfinite(cell.mean(metric))]


DRAWS = 1999


def p_values_against_best(values: Sequence[Sequence[float]], draws: int = DRAWS, seed: int = 0) -> list[float]:
    """Adjusted p-value of each row's difference from the row with the highest mean (1 for that row itself).

    The winner was picked by the same means that it is tested with, so each paired t against it is held against the
    largest t against the winner, whoever wins, of sweeps drawn in which all rows are alike. Drawn rows are normal, each
    with the standard deviation that it shows here (a parametric bootstrap); none is taken to be steadier than the
    median row, neither here nor there, nor than the metric's steps allow. With many cells and few seeds some look
    steady by luck: without that floor they alone decide. Rows found to differ are left out and the rest is drawn
    anew (step-down). Two seeds show too little of a row's spread; with two, values shuffled among the rows of a seed
    must say so too.

    Chosen by simulation (`python tests/false_claims.py`) of equal cells that are normal, skewed, tied, or of very
    different spread. At the 5% level Holm's correction of the comparisons with the winner claims a difference up to
    one time in six; shuffling alone (exact if the rows are exchangeable) up to one in two if one row is far
    noisier, and with few cells and seeds it can claim nothing; both together keep the level, and of one row in 16
    that is three standard deviations better find with five seeds less than half of what this one finds.

    Sources: P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing (1993); J. P. Romano and M. Wolf, Exact
    and approximate stepdown methods for multiple hypothesis testing, JASA 100 (2005); for the floor V. G. Tusher,
    R. Tibshirani and G. Chu, Significance analysis of microarrays, PNAS 98 (2001).

    Args:
        values: a row a cell, a column a seed; at least two of each; more is better.
        draws: sweeps drawn; the least p is one in so many and one.
        seed: of the draws; always the same, so that the same values have the same p.
    """
    import numpy as np

    rows, step = np.asarray(values, dtype=float), _step([value for row in values for value in row])
    adjusted, left, least = np.ones(len(rows)), np.arange(len(rows)), 0.0
    while len(left) > 1:
        adjusted[left] = np.maximum(least, _p_values(rows[left], step, draws, seed))
        differs = adjusted[left] < LEVEL
        if not differs.any():
            break
        least = adjusted[left][differs].max()
        left = left[~differs]
    return [float(p) for p in adjusted]


def _p_values(rows: np.ndarray[Any, Any], step: float, draws: int, seed: int) -> np.ndarray[Any, Any]:
    import numpy as np

    # Bit for bit the same numbers with every NumPy: this generator is frozen.
    generator = np.random.RandomState(seed)
    shape = draws, *rows.shape
    rows = _aligned(rows)
    seen = _t_against_best(rows, step)
    variances = rows.var(axis=1, ddof=1)
    spreads = np.sqrt(np.maximum(np.maximum(variances, np.median(variances)), step**2 / 12))
    drawn = _aligned(generator.standard_normal(shape) * spreads[:, None])
    p_values = _share(seen, _t_against_best(drawn, step=0.0))  # what is drawn has no steps
    if rows.shape[1] == 2:
        places = generator.random_sample(shape).argsort(axis=1)
        p_values = np.maximum(p_values, _share(seen, _t_against_best(np.take_along_axis(rows[None], places, 1), step)))
    return p_values


def _aligned(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Without what a seed does to all rows alike."""
    import numpy as np

    aligned: np.ndarray[Any, Any] = rows - np.median(rows, axis=-2, keepdims=True)
    return aligned


def _t_against_best(rows: np.ndarray[Any, Any], step: float) -> np.ndarray[Any, Any]:
    """Paired t of each row against the one with the highest mean, for every sweep of a stack."""
    import numpy as np

    best = rows.mean(axis=-1).argmax(axis=-1)[..., None, None]
    differences = np.take_along_axis(rows, best, -2) - rows
    typical = 2 * np.median(rows.var(axis=-1, ddof=1), axis=-1, keepdims=True)
    variances = np.maximum(np.maximum(differences.var(axis=-1, ddof=1), typical), step**2 / 6)
    means = differences.mean(axis=-1)
    return np.where(means > 1e-12, means / np.sqrt(np.maximum(variances, 1e-30) / rows.shape[-1]), 0.0)


def _share(seen: np.ndarray[Any, Any], drawn: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """How often the largest of a drawn sweep is at least each of those seen, which count as one more draw."""
    import numpy as np

    largest = np.sort(drawn.max(axis=-1))
    return (1 + len(largest) - np.searchsorted(largest, seen * (1 - 1e-9))) / (1 + len(largest))


def _step(values: Sequence[float]) -> float:
    """The smallest step between values: an accuracy over n images moves by 1 / n. 0 where all are the same."""
    ordered = sorted(values)
    return min((b - a for a, b in itertools.pairwise(ordered) if b - a > 1e-9), default=0.0)


def in_points(difference: float, metric: str) -> str:
    """A difference as people say it: `+1.2 points` of an accuracy, else in the metric's own unit."""
    return f"{100 * difference:+.1f} points" if "acc" in metric.lower() else f"{difference:+.4g}"


def doubts(best: Cell, gathered: Sequence[Cell], objective: Objective) -> str:
    """What the seeds allow to say of the winner: the answer, then the number, then the test."""
    if best.trials < 2:
        return "One seed: differences of a few tenths of a point are noise; --seeds 5 shows how much."
    p_values = compare_with_best(best, gathered, objective)
    if not p_values:
        return ""
    metric = objective.metric
    leads = {cell.label: best.mean(metric) - cell.mean(metric) for cell in gathered if cell.label in p_values}
    alike = [label for label, p in p_values.items() if p >= LEVEL]
    test = f"({best.repeated}, paired, corrected for picking the best of {len(p_values) + 1}, {LEVEL:.0%} level)"
    if not alike:
        return f"The winner differs from every other cell, from the next by {in_points(_least(leads), metric)}.\n{test}"
    if len(alike) == len(p_values):
        largest = in_points(max(leads.values(), key=abs), metric)
        return f"No cell can be told from the winner: {best.repeated} are too few for {largest} or less.\n{test}"
    others = f"Of {len(p_values)} others {len(p_values) - len(alike)} differ from it. {test}"
    return f"Cannot be told from the winner: {'; '.join(alike)}.\n{others}"


def _least(leads: dict[str, float]) -> float:
    return min(leads.values(), key=abs)
