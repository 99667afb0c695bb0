"""When a race is looked at, and what a further look may bring."""

from __future__ import annotations

import math

FIRST = 3  # seeds that every cell of a race gets: with two, too little is known of a spread
GROWTH = 1.45  # about so many times as many seeds from one look to the next


def looks(most: int) -> list[int]:
    """After how many seeds a race is looked at that gives a cell at most so many.

    Few looks, because each has its share of the level, and each waits for the last trial of a round.

    >>> looks(20)
    [3, 4, 6, 9, 14, 20]
    """
    steps = max(1, round(math.log(most / FIRST) / math.log(GROWTH)))
    return sorted({round(FIRST * (most / FIRST) ** (step / steps)) for step in range(steps + 1)})


def chance_of_deciding(
    gap: float, error: float, critical: float, *, trials: int, most: int, matters: float | None = None
) -> float:
    """The chance that a cell which is undecided now is told from the best, or as good as it, at the last look.

    It is that of the mean difference to come, if the trials to come vary as those before (Student's prediction).

    Args:
        gap: the difference seen. error: its standard error.
        critical: how many standard errors its interval reaches to either side.
        trials: how many pairs there are. most: how many there are at the last look.
        matters: the smallest difference that matters.
    """
    from scipy.special import stdtr, stdtrit  # Student's distribution and its inverse

    if most <= trials:
        return 0.0
    spread = error * math.sqrt(trials)
    reach = -stdtrit(most - 1, stdtr(trials - 1, -critical)) * spread / math.sqrt(most)
    moves = spread * math.sqrt(1 / trials - 1 / most)

    def below(difference: float) -> float:
        return float(stdtr(trials - 1, (difference - gap) / moves))

    told = below(-reach) + 1 - below(reach)
    room = (matters or 0.0) - reach
    return told + (below(room) - below(-room) if room > 0 else 0.0)
