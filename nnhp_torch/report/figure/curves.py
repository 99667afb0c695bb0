"""Curves over epochs, compared: the median of several, and whether one is the beginning of another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nnhp_torch.core.stats.summary import Cell
from nnhp_torch.report.axis import Array


def median_curve(curves: Sequence[Array]) -> Array:
    """The median over the seeds after each epoch, as far as half of them go."""
    table = np.full((len(curves), max(map(len, curves), default=0)), math.nan)  # (seeds, epochs)
    for row, curve in zip(table, curves, strict=True):
        row[: len(curve)] = curve
    going = np.isfinite(table).sum(axis=0)
    until = int(np.argmax(2 * going < len(curves))) if (2 * going < len(curves)).any() else table.shape[1]
    return np.asarray(np.nanmedian(table[:, :until], axis=0)) if until else np.zeros(0)


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
