"""Is the winner real? Paired t-tests over the seeds, with Holm's correction."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from nnhp_torch.summary import Cell

LEVEL = 0.05


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that two methods do equally well, from runs that share their seeds.

    Differences that are all the same leave no doubt: p is 1 where they are zero, else 0.

    Raises:
        ValueError: fewer than two pairs, or lists of different lengths.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    if len(differences) < 2:
        raise ValueError("a paired t-test needs at least two pairs")
    mean, spread = statistics.fmean(differences), statistics.stdev(differences)
    if spread < 1e-12:
        return 1.0 if abs(mean) < 1e-12 else 0.0
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
    """Label of every other ranked cell → adjusted p-value of its difference from that one; empty with one seed."""
    if one.trials < 2:
        return {}
    others = [cell for cell in gathered if cell is not one and cell.ranked and math.isfinite(cell.mean(metric))]
    p_values = [paired_t_test(one.values_of(metric), cell.values_of(metric)) for cell in others]
    return dict(zip((cell.label for cell in others), holm(p_values), strict=True))


def doubts(best: Cell, gathered: Sequence[Cell], metric: str) -> str:
    """What the seeds allow to say of the winner, in a sentence."""
    if best.trials < 2:
        return "One seed: differences of a few tenths of a point are noise; --seeds 5 shows how much."
    p_values = compare_with(best, gathered, metric)
    test = f"paired t-test over {best.trials} seeds, Holm's correction, {LEVEL:.0%} level"
    alike = [label for label, p in p_values.items() if p >= LEVEL]
    if not p_values:
        return ""
    if not alike:
        return f"The winner differs from every other cell ({test})."
    if len(alike) == len(p_values):
        return f"This sweep distinguishes nothing: no cell differs from the winner ({test})."
    return f"Cannot be told from the winner: {'; '.join(alike)} ({test})."
