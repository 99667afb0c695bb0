"""One cell of a sweep: the results of all its seeds, and in what order cells are ranked."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.names import distinct, label, text
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.spec.status import RANKED

NOT_RUN = "not run"
OPEN = {NOT_RUN, "interrupted"}  # troubles that a further run ends


@dataclass(frozen=True)
class Cell:
    """One cell of the grid with the results of all its seeds and replicates.

    Args:
        values: the swept values.
        results: what its trials have given so far, in the order of the seeds and replicates.
        trials: how many were asked for.
        defaults: of the configuration's fields, by which values of another type are told apart.
        replicates: the sweep's: field → values that repeat the cell.
        earlier: whether only earlier calls have asked for it; it counts as any other.

    Example:
        >>> cell = outcome.summary.cells[1]
        >>> cell.label, cell.text("val_accuracy")
        ('lr=0.01', '0.9700±0.0016')
    """

    values: Mapping[str, Any]
    results: Sequence[TrialResult]
    trials: int
    defaults: Mapping[str, Any] = field(default_factory=dict)
    replicates: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    earlier: bool = False

    @property
    def trials_per_seed(self) -> int:
        """How many trials a seed is: one for each value of the replicates."""
        return math.prod(map(len, self.replicates.values()))

    @property
    def repeated(self) -> str:
        """How many trials it has, in words: `5 seeds`, or `2 seeds × 3 values of fold`."""
        seeds = self.trials // self.trials_per_seed
        counts = [f"{len(values)} values of {name}" for name, values in self.replicates.items() if len(values) > 1]
        return " × ".join(["1 seed" if seeds == 1 else f"{seeds} seeds", *counts])

    @property
    def label(self) -> str:
        """The swept values as people read them."""
        return label(self.values, self.defaults)

    @property
    def texts(self) -> dict[str, str]:
        """Axis → its value as people read it."""
        return {axis: text(value, self.defaults.get(axis)) for axis, value in self.values.items()}

    def first(self, trials: int) -> Cell:
        """The cell as it was when it had so many trials."""
        return replace(self, results=self.results[:trials], trials=trials)

    def repeat(self, result: TrialResult) -> str:
        """The seed of one of its results and its values of the replicates, by which those of other cells are paired."""
        return distinct([result.config.get(name) for name in ("seed", *self.replicates)])

    @property
    def ended(self) -> set[str]:
        """The repeats that a further run would not change."""
        return {self.repeat(result) for result in self.results if result.status != "interrupted"}

    def only(self, repeats: Collection[str]) -> Cell:
        """The cell as if it had been asked for these repeats alone."""
        return replace(self, results=[r for r in self.results if self.repeat(r) in repeats], trials=len(repeats))

    @property
    def completed(self) -> list[TrialResult]:
        """Results that may be averaged."""
        return [result for result in self.results if result.status in RANKED]

    @property
    def ranked(self) -> bool:
        """Whether all its seeds have completed; else it is not ranked, because the mean of the lucky ones would lie."""
        return self.trials > 0 and len(self.completed) == self.trials

    def curves(self, metric: str) -> list[Sequence[float]]:
        """The metric after each epoch, per trial that has one, however it ended."""
        return [curve for result in self.results if (curve := result.curve(metric))]

    def values_of(self, metric: str) -> list[float]:
        """The metric with the final weights, per completed seed.

        Example:
            >>> outcome.summary.cells[1].values_of("val_accuracy")
            [0.968, 0.969, 0.97, 0.971, 0.972]
        """
        return [result.final(metric) for result in self.completed]

    def mean(self, metric: str) -> float:
        """The mean over the seeds; NaN if nothing has completed, or a seed has no such value.

        Example:
            >>> outcome.summary.cells[1].mean("val_accuracy")
            0.97
        """
        values = self.values_of(metric)
        return statistics.fmean(values) if values else math.nan

    def spread(self, metric: str) -> float:
        """Standard deviation over the seeds; NaN with fewer than two, or if one has no such value."""
        values = self.values_of(metric)
        return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else math.nan

    @property
    def mean_epochs(self) -> float:
        """Epochs that were trained, which early stopping makes fewer; NaN if nothing has completed."""
        return statistics.fmean(result.epochs for result in self.completed) if self.completed else math.nan

    def text(self, metric: str) -> str:
        """`0.9712`, or `0.9712±0.0011` over several seeds."""
        mean, spread = self.mean(metric), self.spread(metric)
        if math.isnan(mean):
            return ""
        return f"{mean:.4f}" if math.isnan(spread) else f"{mean:.4f}±{spread:.4f}"

    @property
    def troubles(self) -> dict[str, int]:
        """How many of its trials ended in another way than completed, and how many are missing."""
        count: dict[str, int] = {}
        for result in self.results:
            if result.status not in RANKED:
                count[result.status] = count.get(result.status, 0) + 1
        if len(self.results) < self.trials:
            count[NOT_RUN] = self.trials - len(self.results)
        return count

    @property
    def unfinished(self) -> bool:
        """Whether a further run would go on with some of its trials."""
        return bool(OPEN & set(self.troubles))

    @property
    def trouble(self) -> str:
        """The troubles in words: `diverged`, of several trials `2 diverged, 1 not run`; empty if there is none."""
        several = self.trials > 1
        return ", ".join(f"{n} {what}" if several else what for what, n in self.troubles.items())


def ranked(cells: Iterable[Cell], objective: Objective, *, left_behind: bool = True) -> list[Cell]:
    """The cells that can be ranked, from the best mean to the worst, equals in their order.

    Args:
        left_behind: whether those that left a race before its end were behind others then, and stand behind those that
            stayed; of a race against a baseline they are not.
    """
    found = [cell for cell in cells if cell.ranked and math.isfinite(cell.mean(objective.metric))]
    most = max((cell.trials for cell in found), default=0) if left_behind else 0
    return sorted(found, key=lambda cell: (cell.trials < most, -objective.sign * cell.mean(objective.metric)))
