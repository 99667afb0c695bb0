"""Where a metric's values stand on an axis: accuracies as errors in percent, what spans a decade on a logarithm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.report.style import WORDS

if TYPE_CHECKING:
    from nnhp_torch.core.spec.plan import Plan
    from nnhp_torch.core.stats.summary import Cell

DECADE = 10.0
STEPS = (1, 2, 5, 10)  # between an axis's numbers, times a power of ten
LEAST_ERROR = 0.1  # percent, below which an axis of errors has no place


@dataclass(frozen=True)
class Axis:
    """An axis.

    Args:
        low, high: its ends, as they are shown.
        log: whether each decade takes as much room as the next.
        error: whether an accuracy is shown as its error in percent.
        name: what it shows.
        guessing: what is reached without having learned, as it is shown; None if nobody says.
    """

    low: float
    high: float
    log: bool
    error: bool
    name: str
    guessing: float | None = None

    def place(self, value: float) -> float:
        """The place of a value, from 0 at the lower end to 1; one outside is at the end; NaN if it is not finite."""
        return self._place(100 * (1 - value) if self.error else value)

    def _place(self, shown: float) -> float:
        if not math.isfinite(shown):
            return math.nan
        if self.log:
            shown = max(shown, self.low)
            return min(1.0, math.log(shown / self.low) / math.log(self.high / self.low))
        return min(1.0, max(0.0, (shown - self.low) / (self.high - self.low)))

    @property
    def guess(self) -> float | None:
        """Where what guessing reaches stands, from 0 to 1; None if it is not known, or not on the axis."""
        known = self.guessing is not None and self.low <= self.guessing <= self.high
        return self._place(self.guessing) if known and self.guessing is not None else None

    def ticks(self, most: int = 7) -> list[tuple[float, str]]:
        """The numbers on the axis: where each stands and what is written there.

        Args:
            most: how many there may be.
        """
        found = _decades(self.low, self.high, most) if self.log else _steps(self.low, self.high, most)
        return [(self._place(value), f"{value:.6g}{'%' if self.error else ''}") for value in found]


def axis_of(objective: Objective, values: Iterable[float]) -> Axis:
    """The axis of final values, which has their range."""
    finite = [value for value in values if math.isfinite(value)]
    error = objective.is_accuracy and objective.bounds(finite) == (0, 1)
    name = f"{WORDS[objective.split]} {'error' if error else objective.name.replace('_', ' ')}".strip()
    shown = [max(100 * (1 - value), LEAST_ERROR) if error else value for value in finite] or [1.0, 10.0]
    low, high = min(shown), max(shown)
    if low > 0 and high / low >= DECADE:
        return Axis(low / 1.15, high * 1.15, True, error, name)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
    least = LEAST_ERROR / 2 if error else -math.inf
    return Axis(max(low - margin, least), high + margin, False, error, name)


def axis_of_curves(sweep: Plan, gathered: Sequence[Cell]) -> Axis:
    """The axis of the figure: of an accuracy the same in every sweep, with what guessing reaches if that is known."""
    from nnhp_torch.report.axis import Scale  # and NumPy with it, which --help need not wait for

    scale = Scale.of(sweep, gathered)
    return Axis(scale.low, scale.high, scale.log, scale.error, scale.label, scale.guessing)


def _decades(low: float, high: float, most: int) -> Sequence[float]:
    """Choose ticks: 1, 2 and 5 of every decade, its 1 alone, or that of every n-th decade, as many as there may be."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for firsts in (STEPS[:-1], (1,)):
        found = [step * DECADE**power for power in range(first, last + 1) for step in firsts]
        found = [value for value in found if low <= value * 1.0001 and value <= high * 1.0001]
        if len(found) <= most:
            break
    return found[:: math.ceil(len(found) / most)]


def _steps(low: float, high: float, most: int) -> Sequence[float]:
    """Multiples of the least step that leaves as many as there may be."""
    unit = DECADE ** math.floor(math.log10((high - low) / most))
    step = next(unit * s for s in STEPS if (high - low) / (unit * s) <= most)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
