"""Is the winner real? Every cell against the best one, over seeds that all cells share."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEVEL = 0.05
MOST_SEEDS = 1_000  # more than anybody would run


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that two methods do equally well, from runs that share their seeds.

    Differences that are all the same still vary by what the metric's steps round away, so that p is never 0.

    Raises:
        ValueError: fewer than two pairs, or lists of different lengths.
    """
    mean, error = _paired(first, second)
    if abs(mean) < 1e-12:
        return 1.0
    from scipy.special import stdtr  # Student's distribution

    return float(2 * stdtr(len(first) - 1, -abs(mean / error)))


def more_pairs(first: Sequence[float], second: Sequence[float], level: float = LEVEL) -> int | None:
    """About how many more pairs would make the t-test's p fall below a level; None if nobody would run so many."""
    from scipy.special import stdtrit

    mean, error = _paired(first, second)
    return more_seeds(abs(mean), error, float(stdtrit(len(first) - 1, 1 - level / 2)), seeds=len(first))


def _paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error of the differences."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    if len(differences) < 2:
        raise ValueError("a paired t-test needs at least two pairs")
    spread = max(statistics.stdev(differences), _step([*first, *second]) / math.sqrt(6))
    return statistics.fmean(differences), spread / math.sqrt(len(differences))


def more_seeds(gap: float, error: float, critical: float, *, seeds: int, matters: float | None = None) -> int | None:
    """About how many more seeds would decide if mean and spread stayed as they are; None if nobody would run so many.

    Args:
        gap: the difference seen. error: its standard error.
        critical: how many standard errors its interval reaches to either side. seeds: how many there are.
        matters: the smallest difference that matters: an interval within it decides as well as one without 0.
    """
    import numpy as np
    from scipy.special import stdtr, stdtrit  # Student's distribution and its inverse

    room = max(gap, (matters or 0.0) - gap)
    counts = np.arange(seeds + 1, MOST_SEEDS + 1)
    tail = stdtr(seeds - 1, -critical)  # the same chance is a smaller multiple of the error with more seeds
    enough = counts[-stdtrit(counts - 1, tail) * error * np.sqrt(seeds / counts) < room]
    return int(enough[0]) - seeds if len(enough) else None


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


DRAWS = 1999


@dataclass(frozen=True)
class AgainstBest:
    """How far each row is behind the one with the highest mean, and what of it may be luck.

    Args:
        p: adjusted p-value of each row's difference from the best (1 for the best itself).
        gap: that difference, 0 or more.
        error: its standard error.
        critical: how many standard errors the simultaneous interval of every difference reaches to either side.
    """

    p: list[float]
    gap: list[float]
    error: list[float]
    critical: float


def against_best(
    values: Sequence[Sequence[float]],
    level: float = LEVEL,
    draws: int = DRAWS,
    *,
    seed: int = 0,
    left: Sequence[Sequence[float]] = (),
) -> AgainstBest:
    """Holds each row against the row with the highest mean.

    The winner was picked by the same means that it is tested with, so each paired t against it is held against the
    largest t against the winner, whoever wins, of sweeps drawn in which all rows are alike. Drawn rows are normal, each
    with the standard deviation that it shows here (a parametric bootstrap); none is taken to be steadier than the
    median row, neither here nor there, nor than the metric's steps allow. With many cells and few seeds some look
    steady by luck: without that floor they alone decide. Rows found to differ are left out and the rest is drawn
    anew (step-down); the intervals are those of the first step, in which all rows are. Two seeds show too little of a
    row's spread; with two, values shuffled among the rows of a seed must say so too.

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
        level: at which a row counts as found to differ; the intervals hold all at once with 1 - level.
        draws: sweeps drawn; the least p is one in so many and one.
        seed: of the draws; always the same, so that the same values have the same p.
        left: rows with the first seeds alone, which are drawn but not judged: those here were picked from them too.
    """
    import numpy as np

    rows, step = np.asarray(values, dtype=float), _step([value for row in values for value in row])
    gap, error = _behind_best(_aligned(rows), step)
    others = [float(np.var(row - np.median(rows[:, : len(row)], axis=0), ddof=1)) for row in left]
    critical = float(np.sort(_largest(rows, step, draws, seed=seed, others=others))[-_rank(level, draws)])
    adjusted, alike, least = np.ones(len(rows)), np.arange(len(rows)), 0.0
    while len(alike) > 1:
        adjusted[alike] = np.maximum(least, _p_values(rows[alike], step, draws, seed=seed, others=others))
        differs = adjusted[alike] < level
        if not differs.any():
            break
        least = adjusted[alike][differs].max()
        alike = alike[~differs]
    return AgainstBest(adjusted.tolist(), gap.tolist(), error.tolist(), critical)


def _rank(level: float, draws: int) -> int:
    """The place, from the largest, of the drawn value that a t must exceed for its p to be below the level."""
    return max(1, math.ceil(level * (1 + draws) - 1e-9) - 1)


def _p_values(rows: Array, step: float, draws: int, *, seed: int, others: Sequence[float]) -> Array:
    import numpy as np

    seen = _t_against_best(_aligned(rows), step)
    p_values = _share(seen, _largest(rows, step, draws, seed=seed, others=others))
    if rows.shape[1] == 2:
        places = np.random.RandomState(seed).random_sample((draws, *rows.shape)).argsort(axis=1)
        shuffled = np.take_along_axis(_aligned(rows)[None], places, 1)
        p_values = np.maximum(p_values, _share(seen, _t_against_best(shuffled, step).max(axis=-1)))
    return p_values


def _largest(rows: Array, step: float, draws: int, *, seed: int, others: Sequence[float]) -> Array:
    """The largest t against the winner of each sweep that is drawn with rows alike but for their spread.

    Args:
        others: variances of further rows that are drawn.
    """
    import numpy as np

    # Bit for bit the same numbers with every NumPy: this generator is frozen.
    generator = np.random.RandomState(seed)
    variances = np.append(_aligned(rows).var(axis=1, ddof=1), others)
    spreads = np.sqrt(np.maximum(np.maximum(variances, np.median(variances)), step**2 / 12))
    drawn = generator.standard_normal((draws, len(spreads), rows.shape[1])) * spreads[:, None]
    largest: Array = _t_against_best(_aligned(drawn), step=0.0).max(axis=-1)  # what is drawn has no steps
    return largest


def _aligned(rows: Array) -> Array:
    """Take out each seed's effect on all rows alike."""
    import numpy as np

    aligned: Array = rows - np.median(rows, axis=-2, keepdims=True)
    return aligned


def _t_against_best(rows: Array, step: float) -> Array:
    """Paired t of each row against the one with the highest mean, for every sweep of a stack."""
    import numpy as np

    gap, error = _behind_best(rows, step)
    return np.where(gap > 1e-12, gap / error, 0.0)


def _behind_best(rows: Array, step: float) -> tuple[Array, Array]:
    """How far each row's mean is behind the highest, and the standard error of that, for every sweep of a stack."""
    import numpy as np

    best = rows.mean(axis=-1).argmax(axis=-1)[..., None, None]
    differences = np.take_along_axis(rows, best, -2) - rows
    typical = 2 * np.median(rows.var(axis=-1, ddof=1), axis=-1, keepdims=True)
    variances = np.maximum(np.maximum(differences.var(axis=-1, ddof=1), typical), step**2 / 6)
    return differences.mean(axis=-1), np.sqrt(np.maximum(variances, 1e-30) / rows.shape[-1])


def _share(seen: Array, largest: Array) -> Array:
    """How often the largest of a drawn sweep is at least each of those seen, which count as one more draw."""
    import numpy as np

    return (1 + len(largest) - np.searchsorted(np.sort(largest), seen * (1 - 1e-9))) / (1 + len(largest))


def _step(values: Sequence[float]) -> float:
    """The smallest step between values: an accuracy over n images moves by 1 / n. 0 if all are the same."""
    ordered = sorted(values)
    return min((b - a for a, b in itertools.pairwise(ordered) if b - a > 1e-9), default=0.0)
