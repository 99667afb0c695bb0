"""The axis that a metric or a setting is drawn on, in figure and page alike: an accuracy as its error in percent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import text
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.spec.protocols import Guessing
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.plotting.style import WORDS

DECADE = 10.0
# What has a number within a decade of a logarithmic axis, from the densest to the sparsest.
DENSE = (tuple(tenth / 10 for tenth in range(10, 100)), (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0))
FEW = 8  # cells that are all on the last axis; of more the better three quarters, and the others at its end
STEPS = ((1.0, 2.0, 5.0), (1.0,))


@dataclass(frozen=True)
class Axis:
    """An axis, and what stands where on it.

    Args:
        name: what it shows.
        low, high: its ends, as they are shown.
        log: whether each decade takes as much room as the next.
        error: whether an accuracy is shown as 100 (1 - accuracy), the percentage of wrong answers.
        guessing: what is reached without having learned, as it is shown; None if nobody says, or it is beyond the ends.
    """

    name: str
    low: float
    high: float
    log: bool = False
    error: bool = False
    guessing: float | None = None

    @classmethod
    def of_curves(cls, sweep: SweepBase, cells: Sequence[Cell]) -> Axis:
        """Errors from guessing to 1%, or further if one is smaller, so that every sweep has the same axis.

        Any other metric has its own: it holds every final value, but not the first tenth of the training if that is
        far from the rest.
        """
        objective = sweep.objective
        curves = [curve for cell in cells for curve in cell.curves(objective.metric)]
        finals = [value for cell in cells for value in cell.values_of(objective.metric)]
        known = sweep.base.guessing.get(objective.name) if isinstance(sweep.base, Guessing) else None
        if _is_error(objective, (value for values in (*curves, finals) for value in values)):
            low = 0.95 * min(1.0, 10.0 ** math.floor(math.log10(_least_error(finals)) + 1e-9))
            return cls(_name(objective), low, 105.0, True, True, None if known is None else 100 * (1 - known))
        low, high = frame(curves, finals, objective) or (0.0, 1.0)
        least, most = objective.bounds([low, high])
        if low > 0 and high >= DECADE * low:
            margin = (high / low) ** 0.04
            return cls(objective.metric, low / margin, high * margin, log=True, guessing=known)
        margin = max(0.06 * (high - low), 1e-12)
        return cls(objective.metric, max(low - margin, least), min(high + margin, most), guessing=known)

    @classmethod
    def of_values(cls, objective: Objective, values: Iterable[float]) -> Axis:
        """The axis of final values, which has their own range."""
        finite = [value for value in values if math.isfinite(value)]
        error = _is_error(objective, finite)
        shown = [_error(value) for value in finite] if error else finite
        low, high = min(shown, default=1.0), max(shown, default=DECADE)
        name = _name(objective) if error else f"{WORDS[objective.split]} {objective.name.replace('_', ' ')}".strip()
        least = min((value for value in shown if value > 0 or not error), default=low)
        if least > 0 and high / least >= DECADE:
            low = (_least_error(finite) if error else low) / 1.15
            beyond = next((tick for tick in decades(high, DECADE * high, FEW)), high)  # lest the last tick be far below
            return cls(name, low, max(1.15 * high, beyond), True, error)
        margin = 0.08 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(name, max(low - margin, 0.0) if error else low - margin, high + margin, False, error)

    @classmethod
    def of_pair(cls, objective: Objective, curves: Sequence[Sequence[float]]) -> Axis:
        """The axis of training beside validation: linear, so that the room between them is their distance."""
        low, high = frame(curves, (), objective) or (0.0, 1.0)
        if _is_error(objective, (value for curve in curves for value in curve)):
            late = [_error(value) for curve in curves for value in curve[len(curve) // 2 :] if math.isfinite(value)]
            return cls("error", 0.0, max(min(_error(low), 2.5 * max(late, default=1.0)), 0.1), error=True)
        margin = max(0.06 * (high - low), 1e-12)
        return cls(objective.name, low - margin, high + margin)

    def shown(self, value: float) -> float:
        """A value as the axis has it; no error at all stands at the end of a logarithmic one."""
        if not self.error:
            return value
        return max(_error(value), self.low) if self.log else _error(value)

    def text(self, value: float, digits: int = 2) -> str:
        """A value as people read it beside the axis; an error with so many digits, none of them below a hundredth."""
        if not self.error:
            return f"{value:.4g}"
        shown = _error(value)
        return f"{shown:.{max(0, digits - 2)}f}%" if shown >= 9.95 else f"{shown:#.{digits}g}%"

    def place(self, value: float) -> float:
        """Where a value stands, from 0 at the lower end to 1; one outside is at the end; NaN if it is not finite."""
        return self._place(self.shown(value))

    def has(self, value: float) -> bool:
        """Return whether a value lies between the ends."""
        return self.low <= self.shown(value) <= self.high

    def _place(self, shown: float) -> float:
        if not math.isfinite(shown):
            return math.nan
        if self.log:
            return min(1.0, math.log(max(shown, self.low) / self.low) / math.log(self.high / self.low))
        return min(1.0, max(0.0, (shown - self.low) / (self.high - self.low)))

    @property
    def guess(self) -> float | None:
        """Where what guessing reaches stands; None if nobody says, or if it is beyond the ends."""
        known = self.guessing is not None and self.low <= self.guessing <= self.high
        return self._place(self.guessing) if known and self.guessing is not None else None

    def written(self, shown: float, _: Any = None) -> str:
        """A number of the axis."""
        return f"{shown:.6g}{'%' if self.error else ''}"

    def ticks(self, most: int = 7) -> list[tuple[float, str]]:
        """Where round numbers stand, as many as there may be or fewer, and what is written there."""
        numbers = (decades if self.log else _steps)(self.low, self.high, most)
        return [(self._place(number), self.written(number)) for number in numbers]


def frame(
    curves: Iterable[Sequence[float]], finals: Iterable[float], objective: Objective
) -> tuple[float, float] | None:
    """The range that holds every final value; the first tenth of training, far from the rest, may lie outside."""
    sign = objective.sign
    ends = [sign * value for value in finals if math.isfinite(value)]
    late = [sign * value for curve in curves for value in curve[len(curve) // 10 :] if math.isfinite(value)]
    scores = sorted([*late, *ends])
    if not scores:
        return None
    least = min([scores[round(0.02 * (len(scores) - 1))], *ends])
    low, high = sorted((sign * least, sign * scores[-1]))
    return low, high


def decades(low: float, high: float, most: int, *, dense: bool = False) -> list[float]:
    """Numbers of every decade, the densest that are not too many; else those of every n-th decade.

    Args:
        dense: whether there may be others than 1, 2 and 5.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in (*(DENSE if dense else ()), *STEPS):
        found = [step * DECADE**power for power in powers for step in steps]
        found = [value for value in found if low <= value * 1.0001 and value <= high * 1.0001]
        if len(found) <= most:
            break
    return found[:: math.ceil(len(found) / most) or 1]


def _steps(low: float, high: float, most: int) -> list[float]:
    """Multiples of the least step that leaves as many as there may be."""
    unit = DECADE ** math.floor(math.log10((high - low) / most))
    step = next(unit * s for s in (1, 2, 5, 10) if (high - low) / (unit * s) <= most)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _is_error(objective: Objective, values: Iterable[float]) -> bool:
    return objective.is_accuracy and objective.bounds(values) == (0, 1)


def _error(accuracy: float) -> float:
    return 100 * (1 - accuracy)


def _least_error(accuracies: Sequence[float]) -> float:
    """The least error on a logarithmic axis: where there is none at all, a tenth of the least of the others."""
    least = min((_error(value) for value in accuracies if value < 1), default=1.0)
    return least / DECADE if 1.0 in accuracies else least


def _name(objective: Objective) -> str:
    return f"{WORDS[objective.split]} error".strip()


def coordinates(
    summary: Summary, cells: Sequence[Cell]
) -> tuple[list[tuple[float, ...]], list[tuple[str, list[tuple[float, str]]]]]:
    """Return for each cell where it stands on each axis, and the axes: the settings, then what is reached."""
    monitor, axes, columns = summary.sweep.monitor, [], []
    for name in summary.sweep.axes:
        places, ticks = along([cell.values[name] for cell in cells], summary, name)
        columns.append(places)
        axes.append((name, ticks))
    better = [cell for cell in summary.ranking if cell in cells][: max(FEW, 3 * len(cells) // 4)]
    axis = Axis.of_values(summary.sweep.objective, (cell.mean(monitor) for cell in better))
    columns.append([axis.place(cell.mean(monitor)) for cell in cells])
    axes.append((axis.name, axis.ticks(6)))
    return list(zip(*columns, strict=True)), axes


def along(values: Sequence[Any], summary: Summary, name: str) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values of a setting stand, from 0 to 1, and the ticks: numbers by their size, others evenly."""
    different = list(dict.fromkeys(values))
    numbers = [value for value in different if isinstance(value, (int, float)) and not isinstance(value, bool)]
    usual = getattr(summary.sweep.base, name, None)
    if len(numbers) < 3:
        order = sorted(different, key=lambda value: (value not in numbers, value if value in numbers else str(value)))
        places = {value: (i + 0.5) / len(order) for i, value in enumerate(order)}
        return [places[value] for value in values], [(places[value], text(value, usual)) for value in order]
    low, high = min(numbers), max(numbers)
    axis = Axis(name, low, high, low > 0 and high / low >= DECADE)
    ticks = axis.ticks(6)
    if all(isinstance(value, int) for value in numbers):
        ticks = [(place, number) for place, number in ticks if "." not in number]
    others = [value for value in different if value not in numbers]  # `none` among numbers stands below them
    below = {value: 0.12 * i for i, value in enumerate(others)}
    floor = 0.12 * len(others)
    ticks = [(floor + (1 - floor) * place, number) for place, number in ticks]
    ticks += [(at, text(value, usual)) for value, at in below.items()]
    return [below[v] if v in below else floor + (1 - floor) * axis.place(v) for v in values], ticks
