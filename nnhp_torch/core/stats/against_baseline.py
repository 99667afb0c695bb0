"""Is a cell better or worse than the baseline? Every cell is held against one that no data have picked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nnhp_torch.core.stats.against_best import AgainstBest, _own

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


class AgainstBaseline(AgainstBest):
    """Hold each row against the first, a control that no data have picked.

    Where nothing tells the rows' spreads apart it is Dunnett's comparison on blocks: one spread for all, but that of a
    control which is wilder. Else the t are those of AgainstBest, with both signs, held against the largest of drawn
    sweeps with rows that are all as good as the control. What is told apart, in either direction, is left out and the
    rest is compared anew (step-down; Holm 1979). Spreads of few units are known badly, so that a part of the level is
    spent alone: by simulation 5% is kept then.

    Sources: those of AgainstBest; C. W. Dunnett, JASA 50 (1955); C. W. Dunnett and A. C. Tamhane, Statist. Med. 10
    (1991); M. S. Bartlett, Proc. R. Soc. A 160 (1937).
    """

    alike: ClassVar[float] = 0.985  # no luck of a winner makes up for spreads that are pooled in error
    equal: ClassVar[float] = 0.4  # p of Bartlett's test above which all count as having one spread
    known: ClassVar[int] = 5  # units from which on half of that p is enough: they show more of what is unequal
    pooled: ClassVar[float] = 0.8  # the part of the level that is spent on one spread
    apart: ClassVar[float] = 0.5  # and otherwise

    def control(self, rows: Array) -> Array:
        import numpy as np

        return np.zeros(rows.shape[:-2], dtype=int)

    def describe(self, rows: int) -> str:
        many = f", corrected for {rows - 1} comparisons" if rows > 2 else ""
        return f"{self._pairs}, against the baseline (Dunnett, or drawn sweeps if spreads are unlike){many}"

    def _step(
        self, rows: Array, step: float, level: float, *, others: Sequence[float], wider: float
    ) -> tuple[Array, Array]:
        import numpy as np
        from scipy.special import stdtr, stdtrit  # Student's distribution and its inverse

        drawn = np.random.RandomState(self.seed).standard_normal((self.draws, *rows.shape))
        equal = self.equal if rows.shape[1] < self.known else self.equal / 2
        if (_unlike(drawn, 0.0, self.paired) > _unlike(rows, step, self.paired) - 1e-9).mean() <= equal:
            p, reach = super()._step(rows, step, self.apart * level, others=others, wider=wider)
            return np.minimum(1, p / self.apart), reach
        (cells, units), many = rows.shape, len(rows) - 1 + len(others)
        around, free = rows - rows.mean(axis=1, keepdims=True), cells - self.paired  # the seeds' effects take a row
        squares = ((around - around.mean(axis=0) * self.paired) ** 2).sum(axis=1) / (units - 1)
        spread = squares.sum() / free
        variance = max(spread + max(spread, squares[0] * cells / free), step**2 / 6, 1e-30)
        gap, error = rows[0].mean() - rows.mean(axis=1), np.sqrt(variance / units) * wider
        freedom, part = free * (units - 1), self.pooled / (2 * many)
        p = np.where(abs(gap) > 1e-12, np.minimum(1, stdtr(freedom, -abs(gap) / error) / part), 1.0)
        return p, np.full(cells, -stdtrit(freedom, part * level) * error)


def _unlike(rows: Array, step: float, paired: bool) -> Array:
    """Bartlett's statistic of how unlike the rows' own spreads are, of every sweep of a stack."""
    import numpy as np

    variances = np.maximum(_own(rows, paired).var(axis=-1, ddof=1), max(step**2 / 12, 1e-30))
    found: Array = np.log(variances.mean(axis=-1)) - np.log(variances).mean(axis=-1)
    return found
