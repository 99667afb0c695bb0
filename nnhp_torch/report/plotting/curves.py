"""Curves over epochs: the middle of several, and room for the names at their ends."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import zip_longest


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


def epochs_to(curve: Sequence[float], level: float) -> int:
    """Epochs until a curve reaches a level; one more than there were if it never does.

    >>> epochs_to([0.5, 0.8, 0.9], 0.8), epochs_to([0.5, 0.8], 0.9)
    (2, 3)
    """
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= level), len(curve) + 1)


def apart(places: Sequence[float], least: float) -> list[float]:
    """Move places, which are in order, until each is at least so far from the next; none leaves 0 to 1 if they fit."""
    made = list(places)
    for i in range(1, len(made)):
        made[i] = max(made[i], made[i - 1] + least)
    if made:
        made[-1] = min(made[-1], 1.0)
    for i in range(len(made) - 2, -1, -1):
        made[i] = min(made[i], made[i + 1] - least)
    return made
