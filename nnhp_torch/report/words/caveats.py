"""What to ask of a grid before its winner is believed, as Google's Deep Learning Tuning Playbook puts it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from nnhp_torch.core.spec.names import text
from nnhp_torch.core.spec.status import WRONG
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.plotting.curves import median_curve
from nnhp_torch.report.words.phrases import amount, count

FEW = 3  # values of an axis from which on it has an inside
NUMBER = (int, float)


@dataclass(frozen=True)
class Caveat:
    """A question, its answer, and what that leaves open; empty if nothing."""

    question: str
    answer: str
    leaves: str = ""


def caveats(summary: Summary) -> list[Caveat]:
    """Return the caveats of a sweep, once some cell has completed."""
    best = summary.leader
    if best is None or summary.sweep.sampled:
        return []
    return [*_edge(summary, best), *_improving(summary), _infeasible(summary)]


def _edge(summary: Summary, best: Cell) -> list[Caveat]:
    """Whether the best value is the least or the greatest that was tried; of none and 0 there is no less."""
    found = []
    for name in summary.sweep.axes:
        numbers = sorted({value for cell in summary.cells if type(value := cell.values[name]) in NUMBER})
        value = best.values[name]
        if len(numbers) < FEW or value not in (numbers[0], numbers[-1]) or (value == 0 and value == numbers[0]):
            continue
        found.append(f"{name}={text(value)} is the {'least' if value == numbers[0] else 'greatest'} that was tried")
    question = "Is the best at the grid's edge?"
    if not any(type(value) in NUMBER for cell in summary.cells for value in cell.values.values()):
        return []
    if not found:
        return [Caveat(question, "No")]
    return [Caveat(question, f"Yes, {' and '.join(found)}", "better values may lie beyond the grid's edge")]


def _improving(summary: Summary) -> list[Caveat]:
    """How many cells gain more than what matters over the last tenth of their epochs."""
    gains = [gain for cell in summary.cells if cell.ranked and math.isfinite(gain := _late_gain(cell, summary))]
    least = summary.sweep.smallest_difference
    if not gains or least is None:
        return []
    still = sum(gain > least for gain in gains)
    answer = f"{still} of {count(len(gains), 'cell')} by more than {amount(least, summary.sweep.objective)}"
    leaves = "a longer training may change the order" if still else ""
    return [Caveat("Is it still improving in the last tenth of the epochs?", answer if still else "No", leaves)]


def _late_gain(cell: Cell, summary: Summary) -> float:
    """The gain of a cell's median over the last tenth of its epochs; each end is the mean of a twentieth of them."""
    curve = [value for value in median_curve(cell.curves(summary.sweep.monitor)) if math.isfinite(value)]
    few = len(curve) // 20
    if not few:
        return math.nan
    return summary.sweep.objective.sign * (
        statistics.fmean(curve[-few:]) - statistics.fmean(curve[-3 * few : -2 * few])
    )


def _infeasible(summary: Summary) -> Caveat:
    results = [result for cell in summary.cells for result in cell.results]
    lost = sum(result.status in WRONG for result in results)
    question = "How many trials were infeasible (diverged or failed)?"
    return Caveat(question, f"{lost} of {len(results)}" if lost else "None")
