"""Is the best cell really the best? Every cell is held against the one with the highest mean, over shared units."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from nnhp_torch.core.interfaces import Judgement, Rows
from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.stats.pairs import step_of

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

DRAWS = 1999
MOST_DRAWS = 50_000  # at a level that is lowered again and again
FEWEST = 3  # units; two show too little of a spread for any test


class AgainstBest:
    """The usual Judge: paired t against the winner, held against the largest t of drawn sweeps of equal rows.

    The winner was picked by the same means that it is tested with, so each t is held against the largest t against
    the winner, whoever wins, of sweeps drawn with rows that are all alike (a parametric bootstrap). Rows found to be
    worse are left out and the rest is drawn anew (step-down).

    A few units tell little of a spread, so that each pair counts as no steadier than the pairs of its kind: the mean
    variance of those that an F-test does not tell from it. Where all rows vary alike that is the mean of all; a wild
    row is measured by the wild ones alone, and what lies between steady ones by those. Nor is it known how much the
    rows' spreads differ, and whether the wild ones are far behind: sweeps are drawn with the spreads seen, with each
    row's that of its kind, and so without those that are wilder than the winner's kind. The largest of three p counts.

    Intervals of rows that are not found worse are those of the last step, without the noise of rows that were left
    out. Of a row found worse no more is said than that it is worse; if all are, the first step's intervals stand.

    Sources: P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing (1993); J. P. Romano and M. Wolf, Exact
    and approximate stepdown methods for multiple hypothesis testing, JASA 100 (2005); for a floor under the spread
    V. G. Tusher, R. Tibshirani and G. Chu, Significance analysis of microarrays, PNAS 98 (2001); for the intervals
    K. Strassburger and F. Bretz, Compatible simultaneous lower confidence bounds for the Holm procedure, Statist. Med.
    27 (2008).

    Args:
        draws: sweeps drawn. seed: of the draws; always the same, so that the same values have the same p.
        paired: whether a unit is the same luck for all rows; else none depends on the order of a row's units.
    """

    alike: ClassVar[float] = 0.99  # how certain an F-test must be to tell two spreads apart

    def __init__(self, draws: int = DRAWS, seed: int = 0, *, paired: bool = True) -> None:
        self.draws, self.seed, self.paired = draws, seed, paired

    def judge(self, rows: Rows, level: float = LEVEL, *, left: Rows = (), shared: float = 0.0) -> Judgement:
        """Hold each row against the best.

        Args:
            rows: a row a cell, a column a unit, at least FEWEST of them; more is better.
            level: at which a row counts as found to be worse.
            left: rows with the first units alone, which are drawn but not judged: the best was picked from them too.
            shared: how many units' worth of test data a unit has for each of training data, where units share theirs.
        """
        import numpy as np

        values = np.asarray(rows, dtype=float)
        step = step_of([value for row in rows for value in row])
        wider = math.sqrt(1 + shared * values.shape[1])
        others = [float(_own(np.asarray(row)[None], self.paired)[0].var(ddof=1)) for row in left]
        gap, error = _behind(values, step, self.control(values), paired=self.paired)
        # The first step has all rows; `alike` are those not found to be worse.
        p, half_width, alike = np.ones(len(values)), np.full(len(values), math.inf), np.arange(len(values))
        first, least = half_width, 0.0
        while len(alike) > 1:
            adjusted, half = self._step(values[alike], step, level, others=others, wider=wider)
            p[alike], half_width[alike] = np.maximum(least, adjusted), half
            first = half_width.copy() if len(alike) == len(values) else first
            worse = p[alike] < level
            if not worse.any():
                break
            least, alike = p[alike][worse].max(), alike[~worse]
        worse = p < level
        if worse.sum() == len(values) - 1:
            half_width = first
        told = worse & ((worse.sum() < len(values) - 1) | (abs(gap) - half_width <= 0))  # only that is known of it
        low = np.where(told, np.where(gap > 0, 0.0, -math.inf), gap - half_width)
        high = np.where(told, np.where(gap > 0, math.inf, 0.0), gap + half_width)
        return Judgement(*(column.tolist() for column in (gap, error * wider, low, high, p, half_width)))

    def control(self, rows: Array) -> Array:
        """Return the index of the row that all are held against, in every sweep of a stack."""
        best: Array = rows.mean(axis=-1).argmax(axis=-1)
        return best

    def describe(self, rows: int) -> str:
        """What it does, in a few words."""
        return f"{self._pairs}, corrected for picking the best of {rows}"

    @property
    def _pairs(self) -> str:
        return "paired" if self.paired else "unpaired"

    def _step(
        self, rows: Array, step: float, level: float, *, others: Sequence[float], wider: float
    ) -> tuple[Array, Array]:
        """The adjusted p-value of each row if all are still there, and how far its interval reaches."""
        import numpy as np

        factor = _factor(rows.shape[1], self.alike)
        gap, error = _behind(rows, step, self.control(rows), factor, paired=self.paired)
        p, bound = np.zeros(len(rows)), 0.0
        draws = max(self.draws, min(MOST_DRAWS, math.ceil(2 / level)))  # with fewer than 1 / level no p is below it
        rank = max(1, math.ceil(level * (1 + draws) - 1e-9) - 1)  # by its size, of the largest t that is no claim
        for largest in map(np.sort, self._largest(rows, step, draws, others=others)):
            as_large = draws - np.searchsorted(largest, abs(gap) / error / wider * (1 - 1e-9))
            p = np.maximum(p, (1 + as_large) / (1 + draws))  # the one seen is one more draw
            bound = max(bound, largest[-rank])
        return np.where(abs(gap) > 1e-12, p, 1.0), bound * error * wider

    def _largest(self, rows: Array, step: float, draws: int, *, others: Sequence[float]) -> Iterator[Array]:
        """The largest t against the winner of each sweep that is drawn with rows alike, by what their spreads may be.

        Args:
            others: variances of further rows that are drawn.
        """
        import numpy as np

        # Bit for bit the same numbers with every NumPy: this generator is frozen.
        generator = np.random.RandomState(self.seed)
        noise = generator.standard_normal((draws, len(rows) + len(others), rows.shape[1]))
        seen = np.maximum(np.append(_own(rows, self.paired).var(axis=1, ddof=1), others), max(step**2 / 12, 1e-30))
        factor = _factor(rows.shape[1], self.alike)
        kind = _of_kind(seen, factor)
        calm = kind <= kind[self.control(rows)] * factor
        drawn = [noise * np.sqrt(variances)[:, None] for variances in (seen, kind)]
        for values in (*drawn, drawn[1][:, calm]) if 1 < calm.sum() < len(calm) else drawn:
            # What is drawn has no steps.
            gap, error = _behind(values, 0.0, self.control(values), factor, paired=self.paired)
            yield abs(gap / error).max(axis=-1)


def _own(rows: Array, paired: bool) -> Array:
    """What each row varies by, without its mean, and if they are paired without each unit's effect on all alike."""
    import numpy as np

    around = rows - rows.mean(axis=-1, keepdims=True)
    own: Array = around - np.median(around, axis=-2, keepdims=True) if paired and rows.shape[-2] > 1 else around
    return own


def _behind(
    rows: Array, step: float, control: Array, factor: float = 0.0, *, paired: bool = True
) -> tuple[Array, Array]:
    """How far each row's mean is behind the control's, and the standard error of that, for every sweep of a stack.

    Args:
        factor: within which the variances of pairs count as alike; 0: each pair has its own.
    """
    import numpy as np

    control = control[..., None]
    differences = np.take_along_axis(rows, control[..., None], -2) - rows
    variances = (differences if paired else rows).var(axis=-1, ddof=1)
    if not paired:
        variances = variances + np.take_along_axis(variances, control, -1)
    variances = np.maximum(variances, max(step**2 / 6, 1e-30))
    if factor:
        apart = variances.copy()
        np.put_along_axis(apart, control, 1e-60, axis=-1)  # it makes no pair with itself
        variances = np.maximum(variances, _of_kind(apart, factor))
    return differences.mean(axis=-1), np.sqrt(variances / rows.shape[-1])


def _factor(units: int, alike: float) -> float:
    """By what factor two variances of so many units may differ before an F-test so certain tells them apart."""
    from scipy.special import fdtri  # the F distribution's inverse

    return float(fdtri(units - 1, units - 1, alike))


def _of_kind(variances: Array, factor: float) -> Array:
    """For each variance the mean of those within a factor of it, in every list of a stack."""
    import numpy as np

    lists = variances.reshape(-1, variances.shape[-1])
    ordered, number = np.sort(lists, axis=1), np.arange(len(lists))[:, None]
    # One search for all lists: the logarithms of each lie 1000 above those of the one before.
    logs, near = np.log(ordered) + 1000 * number, math.log(factor) + 1e-9
    first, last = (
        np.searchsorted(logs.ravel(), (np.log(lists) + 1000 * number + distance).ravel()).reshape(lists.shape)
        - lists.shape[1] * number
        for distance in (-near, near)
    )
    sums = np.zeros((len(lists), lists.shape[1] + 1))
    np.cumsum(ordered, axis=1, out=sums[:, 1:])
    means: Array = (sums[number, last] - sums[number, first]) / (last - first)
    return means.reshape(variances.shape)
