"""What further units may bring to a cell that is undecided."""

from __future__ import annotations

import math

CHANCE = 0.25  # of a decision by the last look, below which a cell gets no more seeds
MOST = 20  # seeds of a cell in a race that is not told how many it may have
A_LOOK = 4  # what each look before divides the level by if seeds are added call by call: all looks have at most 6.7%


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
