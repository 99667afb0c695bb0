"""At which level a sweep claims, and after how many seeds a race is looked at."""

from __future__ import annotations

import math

LEVEL = 0.05  # of all of a sweep's claims together: one sweep in twenty claims something false
FIRST = 3  # seeds that every cell of a race gets: with two, too little is known of a spread
GROWTH = 1.45  # about so many times as many seeds from one look to the next
CHANCE = 0.25  # of a decision by the last look, below which a cell gets no more seeds
MOST = 20  # seeds of a cell in a race that is not told how many it may have
A_LOOK = 4  # what each look before divides the level by if seeds are added call by call: all looks have at most 6.7%


def looks(most: int) -> list[int]:
    """Return after how many seeds a race is looked at that gives a cell at most so many.

    Few looks, because each has its share of the level, and each waits for the last trial of a round.

    >>> looks(20)
    [3, 4, 6, 9, 14, 20]
    """
    steps = max(1, round(math.log(most / FIRST) / math.log(GROWTH)))
    return sorted({round(FIRST * (most / FIRST) ** (step / steps)) for step in range(steps + 1)})
