"""One of many proposals that are tried in sequence: its share of the 5%, when it is looked at, and who judges it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnhp_torch.core.spec.looks import LEVEL, looks
from nnhp_torch.core.stats.pairs import holm, paired
from nnhp_torch.core.stats.significance import Judgement

RESERVE = 50  # after so many proposals half of the 5% is spent
HOPE = 0.15  # the chance of being kept below which it is given up
MOST = 25  # seeds of a proposal that is not told how many it may have
KNOWN = 3  # seeds of the baseline from which on its spread counts as known
FEWEST = 6  # seeds with which one may be kept: at such levels fewer never do


def level_of(kept: Sequence[bool]) -> float:
    """The level of the next proposal, when it is known which of the earlier ones were kept.

    Online Fallback (J. Tian and A. Ramdas, Stat. Methods Med. Res. 30 (2021)): the n-th has a fixed share of the 5%,
    and that of the one before if it was kept. At most 5% of all sequences keep anything useless, however many
    proposals there will be and however they depend on each other. The shares sum to 1, and fall slowly.

    >>> round(level_of([]), 6), round(level_of([False] * 19), 6), round(level_of([False] * 18 + [True]), 6)
    (0.00098, 0.000518, 0.00105)
    """
    number = len(kept) + 1
    own = LEVEL * RESERVE / ((RESERVE + number - 1) * (RESERVE + number))
    return own + (level_of(kept[:-1]) if kept and kept[-1] else 0.0)


def left_after(number: int) -> float:
    """What is left of the 5% for those that follow."""
    return LEVEL * RESERVE / (RESERVE + number)


@dataclass(frozen=True)
class Proposal:
    """A sweep that counts as one proposal of a ledger; a Judge of it, too.

    Each cell is held against the baseline by a one-sided paired t-test, because only a better one is kept, with Holm's
    correction for several cells. A useless proposal is given up early, for which no level has to be paid.

    Args:
        ledger: its name. number: from 1. level: the share of the 5% that it has.
        spread: by how much one seed moves a value, as the sweep's ledger knew it when the proposal was entered.
        key: by which it is known again.
    """

    ledger: str
    number: int
    level: float
    spread: float | None = None
    key: str = ""

    def looks(self, most: int) -> list[int]:
        """After how many seeds it is looked at."""
        return [1, 2, *looks(most)]

    def share(self, seeds: int, most: int) -> float:
        """Among how many looks its level is divided, of a look with so many seeds; infinite if that decides nothing."""
        return sum(look >= FEWEST for look in looks(most)) if seeds >= FEWEST else math.inf

    def judge(
        self,
        rows: Sequence[Sequence[float]],
        level: float = LEVEL,
        *,
        left: Sequence[Sequence[float]] = (),
        shared: float = 0.0,
    ) -> Judgement:
        """Hold each row against the first."""
        from scipy.special import stdtr, stdtrit

        freedom, others = len(rows[0]) - 1, len(rows) - 1 + len(left)
        pairs = [paired(rows[0], row) for row in rows[1:]]
        gap = [0.0, *(mean for mean, _ in pairs)]
        error = [0.0, *(spread * math.sqrt(1 + shared * len(rows[0])) for _, spread in pairs)]
        alone = [float(stdtr(freedom, -abs(mean) / spread)) for mean, spread in zip(gap[1:], error[1:], strict=True)]
        half_width = [-float(stdtrit(freedom, max(level / others, 1e-300))) * spread for spread in error]
        low, high = ([g + sign * r for g, r in zip(gap, half_width, strict=True)] for sign in (-1, 1))
        return Judgement(gap, error, low, high, [1.0, *holm([*alone, *[1.0] * len(left)])[: len(alone)]], half_width)

    def describe(self, rows: int) -> str:
        """What it does, in a few words."""
        return f"paired, one-sided, proposal {self.number} of {self.ledger}"

    def chance(self, gap: float, error: float, *, units: int, most: int) -> float:
        """The chance that a cell is found better with the seeds to come, as the mean so far predicts it."""
        from scipy.special import ndtr, stdtrit

        own = error * math.sqrt(units) if units > 1 else 0.0
        spread = max(own, math.sqrt(2) * (self.spread or 0.0))
        if units >= most or not spread:
            return float(gap < 0 and units < most)
        bound = -float(stdtrit(most - 1, self.level / self.share(most, most))) / math.sqrt(most)
        return float(ndtr((-gap / spread - bound) / math.sqrt(1 / units - 1 / most)))
