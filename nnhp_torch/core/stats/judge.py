"""Who decides what may be said of cells: against the best, against a baseline, or a method of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from nnhp_torch.core.spec.looks import LEVEL
from nnhp_torch.core.stats.significance import AgainstBest, Judgement

if TYPE_CHECKING:
    import numpy as np

    from nnhp_torch.core.spec.base import SweepBase

    Array = np.ndarray[Any, Any]


class Judge(Protocol):
    """Decides which rows differ from the first: `main(SWEEP, judge=…)`, or `judge=` of a sweep. plugins.md shows one.

    Example:
        >>> main(SWEEP, judge=SignTest())  # doctest: +SKIP
        >>> AgainstBaseline().describe(2)
        'paired, against the baseline'
    """

    def judge(
        self,
        rows: Sequence[Sequence[float]],
        level: float = LEVEL,
        *,
        left: Sequence[Sequence[float]] = (),
        shared: float = 0.0,
    ) -> Judgement:
        """Return how far each row is behind the first, with intervals and p-values that hold for all rows at once.

        Called with three units or more. The first row is the baseline's, or has the highest mean.

        Args:
            rows: a row a cell, a column a unit (a seed, or a fold); more is better.
            level: at which a row counts as told apart; a race divides 5% among its looks.
            left: rows that left a race undecided, with the units that they had: they count as compared too.
            shared: how much of test data a unit has for each of training data, if units share theirs (folds); else 0.
        """

    def describe(self, rows: int) -> str:
        """Return what it does with so many rows, in a few words: reports show it."""


class AgainstBaseline(AgainstBest):
    """Hold each row against the first, a control that no data have picked.

    The t are those of AgainstBest, with both signs, held against the largest of drawn sweeps in which all rows are as
    good as the control: Dunnett's comparison on blocks, robust to unequal spreads, with a step-down. What is told
    apart, in either direction, is left out and the rest is drawn anew.

    Sources: those of AgainstBest; C. W. Dunnett, JASA 50 (1955); C. W. Dunnett and A. C. Tamhane, Statist. Med. 10
    (1991).
    """

    alike: ClassVar[float] = 0.985  # no luck of a winner makes up for spreads that are pooled in error

    def control(self, rows: Array) -> Array:
        import numpy as np

        return np.zeros(rows.shape[:-2], dtype=int)

    def describe(self, rows: int) -> str:
        many = f", corrected for {rows - 1} comparisons" if rows > 2 else ""
        return f"paired, against the baseline{many}"


def judge_of(sweep: SweepBase) -> Judge:
    """Return who judges a sweep."""
    return sweep.judge or sweep.proposal or (AgainstBest() if sweep.baseline is None else AgainstBaseline())
