"""The axis that a sweep's metric is drawn on: an accuracy as the error in percent, the same axis in every sweep."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.report.style import GREY, SMALL, WORDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from nnhp_torch.core.spec.plan import Plan
    from nnhp_torch.core.stats.summary import Cell

Array = npt.NDArray[np.float64]

# What has a number within a decade of a logarithmic axis: the densest of which there are ten at most.
STEPS = (
    tuple(tenth / 10 for tenth in range(10, 100)),
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
    (1.0, 2.0, 5.0),
    (1.0,),
)


@dataclass(frozen=True)
class Scale:
    """How a metric's values become places on an axis.

    Args:
        label: of the axis.
        low, high: its ends, in what is shown.
        log: whether it is logarithmic.
        error: whether an accuracy is shown as 100 (1 - accuracy), the percentage of wrong answers.
        guessing: what is reached without having learned, as it is shown; None if nobody says.
    """

    label: str
    low: float
    high: float
    log: bool
    error: bool = False
    guessing: float | None = None

    @classmethod
    def of(cls, sweep: Plan, gathered: Sequence[Cell]) -> Scale:
        """Errors from guessing to 1%, or further if one is smaller; any other metric on a scale of its own."""
        objective = sweep.objective
        curves = [curve for cell in gathered for r in cell.results if (curve := r.curve(objective.metric))]
        finals = [value for cell in gathered for value in cell.values_of(objective.metric)]
        known = getattr(sweep.base, "guessing", {}).get(objective.name)
        if objective.is_accuracy and objective.bounds([v for c in [*curves, finals] for v in c]) == (0, 1):
            least = min((1 - value for value in finals if value < 1), default=0.01)
            lowest = 100 * min(0.01, 10 ** math.floor(math.log10(least) + 1e-9) / (10 if 1.0 in finals else 1))
            label = f"{WORDS[objective.split]} error".strip()
            return cls(
                label, 0.95 * lowest, 105.0, log=True, error=True, guessing=None if known is None else 100 * (1 - known)
            )
        low, high = frame(curves, finals, objective) or (0.0, 1.0)
        log = low > 0 and high >= 10 * low
        margin = (high / low) ** 0.04 if log else max(0.06 * (high - low), 1e-12)
        least, most = objective.bounds([low, high])
        low, high = (low / margin, high * margin) if log else (max(low - margin, least), min(high + margin, most))
        return cls(objective.metric, low, high, log, guessing=known)

    def shown(self, values: Iterable[float]) -> Array:
        """Values as the axis has them; no error at all stands at its end."""
        given = np.asarray(list(values), dtype=float)
        return np.maximum(100 * (1 - given), self.low / 0.95) if self.error else given

    def text(self, shown: float) -> str:
        """A value of the axis as people read it."""
        if not self.error:
            return f"{shown:.4g}"
        return f"{shown:.0f}%" if shown >= 9.95 else f"{shown:#.2g}%"

    def tick(self, shown: float, _: object = None) -> str:
        """A number of the axis."""
        return f"{shown:.4g}{'%' if self.error else ''}"

    def dress(self, axes: Axes, *, x: bool = False) -> None:
        """Gives axes this scale, its numbers, and a dotted line at what guessing reaches; along y, or along x."""
        line, axis = (axes.axvline, axes.xaxis) if x else (axes.axhline, axes.yaxis)
        if self.log:
            (axes.set_xscale if x else axes.set_yscale)("log")
        self.number(axis, self.low, self.high)
        (axes.set_xlim if x else axes.set_ylim)(self.low, self.high)
        if self.guessing is not None and self.low <= self.guessing <= self.high:
            line(self.guessing, color=GREY, linestyle=":", linewidth=1)

    def number(self, axis: Axis, low: float, high: float) -> None:
        """Writes the numbers between two ends beside an axis."""
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        if not self.log:
            return
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for steps in STEPS:
            numbers = [step * 10.0**decade for decade in decades for step in steps]
            if len(numbers := [number for number in numbers if low <= number <= high]) <= 10:
                break
        axis.set_major_locator(FixedLocator(numbers))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(self.tick))

    def name_guessing(self, axes: Axes) -> None:
        """Says at the right end of axes what their dotted line is."""
        if self.guessing is not None and self.low <= self.guessing <= self.high:
            place = axes.get_yaxis_transform()
            axes.text(1.01, self.guessing, "guessing", transform=place, va="center", fontsize=SMALL, color=GREY)


def frame(curves: Sequence[npt.ArrayLike], finals: Sequence[float], objective: Objective) -> tuple[float, float] | None:
    """The range that holds every final value; the first tenth of training, far from the rest, may lie outside."""
    late = [values[len(values) // 10 :] for curve in curves if len(values := np.asarray(curve, dtype=float))]
    values = np.concatenate([*late, np.asarray(finals, dtype=float)])
    scores = objective.sign * values[np.isfinite(values)]
    if not len(scores):
        return None
    least = min([np.quantile(scores, 0.02), *(objective.sign * value for value in finals if math.isfinite(value))])
    low, high = sorted((float(objective.sign * least), float(objective.sign * scores.max())))
    return low, high
