"""Curves over epochs, compared: the middle of several, and whether one is the beginning of another."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import zip_longest

from nnhp_torch.core.stats.cell import Cell


def epochs(curves: Sequence[Sequence[float]]) -> list[list[float]]:
    """For each epoch the runs' finite values, as far as half of the runs go: the few left would leave that of all.

    An epoch that none has validated has no value.
    """
    ends = sorted(max((n for n, value in enumerate(curve, 1) if math.isfinite(value)), default=0) for curve in curves)
    until = ends[len(ends) // 2] if ends else 0
    return [[*filter(math.isfinite, column)] for column in zip_longest(*curves, fillvalue=math.nan)][:until]


def median_curve(curves: Sequence[Sequence[float]]) -> list[float]:
    """The median of several runs after each epoch, as far as half of them go."""
    return [statistics.median(values) if values else math.nan for values in epochs(curves)]


def continued(cell: Cell, others: Sequence[Cell], metric: str) -> bool:
    """Whether each run of a cell is the beginning of another cell's with that seed: it was only ended otherwise."""
    mine = [list(result.curve(metric)) for result in cell.results]
    drawn_before = True
    for other in others:
        if other is cell:
            drawn_before = False
            continue
        theirs = [list(result.curve(metric)) for result in other.results]
        if len(theirs) != len(mine) or not any(map(len, mine)):
            continue
        longer = sum(map(len, theirs)) - sum(map(len, mine))
        pairs = list(zip(mine, theirs, strict=True))
        if (longer > 0 or (longer == 0 and drawn_before and mine != theirs)) and all(_begins(*pair) for pair in pairs):
            return True
    return False


def _begins(curve: Sequence[float], other: Sequence[float]) -> bool:
    """Whether a curve is the beginning of another; its last value may be that of weights which it went back to."""
    count = len(curve)
    return count <= len(other) and (curve == other[:count] or (count > 2 and curve[:-1] == other[: count - 1]))
