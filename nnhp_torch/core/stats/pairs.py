"""Two methods, from runs that share their seeds: do they differ, do they do the same, and Holm's correction of many."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence


def paired_t_test(first: Sequence[float], second: Sequence[float], *, shared: float = 0.0) -> float:
    """Return the two-sided p-value of the hypothesis that two methods do equally well, from runs that share seeds.

    Differences that are all the same still vary by what the metric's steps round away, so that p is never 0.

    Args:
        shared: as in AgainstBest.judge.

    Raises:
        ValueError: fewer than two pairs, or lists of different lengths.
    """
    from scipy.special import stdtr  # Student's distribution

    mean, error = paired(first, second)
    error *= math.sqrt(1 + shared * len(first))
    return 1.0 if abs(mean) < 1e-12 else float(2 * stdtr(len(first) - 1, -abs(mean / error)))


def paired(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error of the differences."""
    differences = [a - b for a, b in zip(first, second, strict=True)]
    if len(differences) < 2:
        raise ValueError("a paired t-test needs at least two pairs")
    spread = max(statistics.stdev(differences), step_of([*first, *second]) / math.sqrt(6))
    return statistics.fmean(differences), spread / math.sqrt(len(differences))


def equivalent(first: Sequence[float], second: Sequence[float], within: float, *, shared: float = 0.0) -> float:
    """Return the p-value of the hypothesis that two methods differ by `within` or more: two one-sided paired t-tests.

    Source: D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987).

    Args:
        shared: as in AgainstBest.judge; of a mean over m runs that is no pair's, 1 / m.
    """
    from scipy.special import stdtr

    mean, error = paired(first, second)
    error *= math.sqrt(1 + shared * len(first))
    return float(stdtr(len(first) - 1, (abs(mean) - within) / error)) if error else float(abs(mean) >= within)


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


def step_of(values: Sequence[float]) -> float:
    """The smallest step between values: an accuracy over n images moves by 1 / n. 0 if all are the same."""
    ordered = sorted(values)
    return min((b - a for a, b in itertools.pairwise(ordered) if b - a > 1e-9), default=0.0)


def chance_of_deciding(
    gap: float,
    error: float,
    half_width: float,
    *,
    units: int,
    most: int,
    matters: float | None = None,
    others: int = 1,
) -> float:
    """The chance that a cell which is undecided now is told from the best, or as good as it, with more units.

    It is that of the mean difference to come, if the units to come vary as those before (Student's prediction).

    Args:
        gap: the difference seen. error: its standard error. half_width: half of its interval.
        units: how many there are. most: how many there will be.
        matters: the smallest difference that matters.
        others: by how many looks the level that gave `half_width` is still to be shared.
    """
    from scipy.special import stdtr, stdtrit  # Student's distribution and its inverse

    if most <= units or not error > 0:
        return 0.0
    # The same chance of a false claim is a smaller multiple of the error with more units.
    tail = max(float(stdtr(units - 1, -half_width / error)) / others, 1e-12)
    shrunk = -float(stdtrit(most - 1, tail)) * error * math.sqrt(units / most)
    return chance_of_moving(gap, error * math.sqrt(1 - units / most), shrunk, freedom=units - 1, matters=matters)


def chance_of_moving(
    gap: float, moves: float, half_width: float, *, freedom: int, matters: float | None = None
) -> float:
    """The chance that a gap moves until its interval excludes 0 or lies within what matters.

    Args:
        gap: now. moves: the standard deviation of what is still to come of it, known with `freedom` degrees of freedom.
        half_width: half of its interval then.
    """
    from scipy.special import stdtr

    def below(difference: float) -> float:
        return float(stdtr(freedom, (difference - gap) / moves)) if moves else float(gap < difference)

    room = (matters or 0.0) - half_width
    told = below(-half_width) + 1 - below(half_width)
    return min(1.0, told + (below(room) - below(-room) if room > 0 else 0.0))
