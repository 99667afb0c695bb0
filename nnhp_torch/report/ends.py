"""Where each cell of a sweep ends, and its colour: what the strip of the page and that of the figure both draw."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.style import CELLS, WIDE
from nnhp_torch.report.words.headline import standing


@dataclass(frozen=True)
class End:
    """Where a cell ends.

    Args:
        name: the cell's, short. colour: its name, a class of the page: c0, r3, best, other.
        values: of its trials that have completed: the repeat that each is of, and its final value.
        interval: where its mean may be, compared with the best's or the baseline's; None if nobody knows.
        said: its mean and the verdict, in words.
    """

    cell: Cell
    name: str
    colour: str
    values: Sequence[tuple[str, float]]
    interval: tuple[float, float] | None
    said: str

    @property
    def mean(self) -> float:
        """The mean of its values; NaN without any."""
        finite = [value for _, value in self.values if math.isfinite(value)]
        return statistics.fmean(finite) if finite else math.nan


def ends(summary: Summary, cells: Sequence[Cell]) -> tuple[Axis, list[End]]:
    """Return the cells' own axis, and where each of them ends."""
    monitor, sign, best = summary.sweep.monitor, summary.sweep.objective.sign, summary.control
    axis = Axis.of_values(summary.sweep.objective, (value for cell in cells for value in cell.values_of(monitor)))
    mean = best.mean(monitor) if best is not None else math.nan
    made = []
    for cell, name, colour in zip(cells, names(summary, cells), colours(summary, cells), strict=True):
        values = [(cell.repeat(result), result.final(monitor)) for result in cell.completed]
        interval = None
        if best is not None and cell is not best and (verdict := summary.verdict(cell)).bounded:
            interval = (mean - sign * verdict.low, mean - sign * verdict.high)
        made.append(End(cell, name, colour, values, interval, standing(summary, cell, axis)))
    return axis, made


def names(summary: Summary, cells: Sequence[Cell]) -> list[str]:
    """Return a short name for each cell: its values, or its rank if it has too many."""
    if len(summary.sweep.axes) <= WIDE:
        return [values_of(cell) for cell in cells]
    rank = {id(cell): place for place, cell in enumerate(summary.ranking, 1)}
    return [f"#{rank[id(cell)]}" for cell in cells]


def values_of(cell: Cell) -> str:
    """A cell's values, one behind the other; what is on, off or none is called by its name.

    >>> values_of(Cell({"lr": 0.1, "batch_norm": False}, [], 1))
    '0.1, no batch norm'
    """
    names = {axis: axis.replace("_", " ") for axis in cell.values}
    switched = {True: "{}", False: "no {}"}
    return ", ".join(
        f"{axis}=none"
        if value is None
        else switched[value].format(names[axis])
        if isinstance(value, bool)
        else cell.texts[axis]
        for axis, value in cell.values.items()
    )


def named_values(cell: Cell) -> str:
    """A cell's values where no heading says of what: of several settings a number has its name.

    >>> named_values(Cell({"lr": 0.5, "gradient_clip": None}, [], 1))
    'lr=0.5, gradient_clip=none'
    """
    if len(cell.values) == 1 and None not in cell.values.values():
        return values_of(cell)
    plain = {axis: isinstance(value, (str, bool)) for axis, value in cell.values.items()}
    each = (replace(cell, values={axis: value}) for axis, value in cell.values.items())
    return ", ".join(values_of(one) if plain[axis] else one.label for axis, one in zip(plain, each, strict=True))


def colours(summary: Summary, cells: Sequence[Cell]) -> list[str]:
    """Return the name of each cell's colour: one each if they are few, else the winner's alone; grey if of earlier."""
    if len(cells) <= len(CELLS):
        found = _ramp(summary, cells) or [f"c{place}" for place in range(len(cells))]
        return ["other" if cell.earlier else name for cell, name in zip(cells, found, strict=True)]
    return ["best" if cell is summary.leader else "other" for cell in cells]


def _ramp(summary: Summary, cells: Sequence[Cell]) -> list[str]:
    """For each cell its colour from dark to light, if one axis has numbers of at least three sizes."""
    values = [value for cell in cells for value in cell.values.values()]
    if len(summary.sweep.axes) > 1 or len(values) < 3 or not all(type(value) in (int, float) for value in values):
        return []
    order = sorted(values)
    return [f"r{round(order.index(value) * (len(CELLS) - 1) / (len(values) - 1))}" for value in values]


def against(summary: Summary, base: Cell, shown: Sequence[Cell], axis: Axis) -> list[str]:
    """Say of each cell how it stands if another one is the baseline."""
    other = replace(summary, sweep=replace(summary.sweep, baseline=base.values))
    of = {distinct(cell.values): cell for cell in other.cells}
    return [standing(other, of[distinct(cell.values)], axis) for cell in shown]
