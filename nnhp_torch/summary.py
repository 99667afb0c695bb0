"""Results gathered by cell, and what may honestly be said about them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnhp_torch.grid import Sweep, label
from nnhp_torch.results import TrialResult
from nnhp_torch.sweeper import Outcome


@dataclass(frozen=True)
class Cell:
    """One cell of the grid with the results of all its seeds.

    Args:
        values: the swept values.
        results: what its trials have given so far, in the order of the seeds.
        trials: how many were asked for.
    """

    values: Mapping[str, Any]
    results: Sequence[TrialResult]
    trials: int

    @property
    def label(self) -> str:
        """The swept values as people read them."""
        return label(self.values)

    @property
    def completed(self) -> list[TrialResult]:
        """Results that may be averaged."""
        return [result for result in self.results if result.status == "completed"]

    @property
    def ranked(self) -> bool:
        """A cell takes part in the ranking once all its seeds have completed: the mean of the lucky ones would lie."""
        return self.trials > 0 and len(self.completed) == self.trials

    def values_of(self, metric: str) -> list[float]:
        """The metric with the final weights, per completed seed."""
        return [result.final(metric) for result in self.completed]

    def mean(self, metric: str) -> float:
        """NaN where nothing has completed."""
        values = self.values_of(metric)
        return statistics.fmean(values) if values else math.nan

    def spread(self, metric: str) -> float:
        """Standard deviation over the seeds; NaN with fewer than two."""
        values = self.values_of(metric)
        return statistics.stdev(values) if len(values) > 1 else math.nan

    @property
    def mean_epochs(self) -> float:
        """Epochs that were trained, which early stopping makes fewer; NaN where nothing has completed."""
        return statistics.fmean(result.epochs for result in self.completed) if self.completed else math.nan

    def text(self, metric: str) -> str:
        """`0.9712`, or `0.9712±0.0011` over several seeds."""
        mean, spread = self.mean(metric), self.spread(metric)
        if math.isnan(mean):
            return ""
        return f"{mean:.4f}" if math.isnan(spread) else f"{mean:.4f}±{spread:.4f}"

    @property
    def troubles(self) -> dict[str, int]:
        """How many of its trials ended as diverged, failed or interrupted, and how many are missing."""
        count: dict[str, int] = {}
        for result in self.results:
            if result.status != "completed":
                count[result.status] = count.get(result.status, 0) + 1
        if len(self.results) < self.trials:
            count["not run"] = self.trials - len(self.results)
        return count


def cells(outcome: Outcome) -> list[Cell]:
    """The cells of a sweep in grid order."""
    gathered = []
    for values in outcome.sweep.cells():
        trials = [trial for trial in outcome.trials if dict(trial.cell) == values]
        results = [outcome.results[trial.key] for trial in trials if trial.key in outcome.results]
        gathered.append(Cell(values, results, len(trials)))
    return gathered


def winner(sweep: Sweep, gathered: Sequence[Cell]) -> Cell | None:
    """The ranked cell with the best mean of the monitored metric; the first of equals; None where none is ranked."""
    ranked = [cell for cell in gathered if cell.ranked and math.isfinite(cell.mean(sweep.monitor))]
    sign = 1 if sweep.mode == "max" else -1
    return max(ranked, key=lambda cell: sign * cell.mean(sweep.monitor), default=None)
