"""Settings as axes: where each value stands between 0 and 1, for the parallel coordinates of page and figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnhp_torch.core.spec.names import text
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.axis import DECADE, Axis

FEW = 8  # cells that are all on the last axis; of more the better three quarters, and the others at its end


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
    if others := [value for value in different if value not in numbers]:  # `none` among numbers stands below them
        floor = 0.12 * len(others)
        ticks = [(floor + (1 - floor) * place, number) for place, number in ticks]
        ticks += [(0.12 * i, text(value, usual)) for i, value in enumerate(others)]
        below = {value: 0.12 * i for i, value in enumerate(others)}
        return [below[v] if v in below else floor + (1 - floor) * axis.place(v) for v in values], ticks
    return [axis.place(value) for value in values], ticks
