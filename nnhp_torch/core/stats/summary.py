"""Results gathered by cell, and what may honestly be said about them."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nnhp_torch.core.ledger.result import TrialResult, logged
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.names import distinct, label, text
from nnhp_torch.core.spec.objective import Split
from nnhp_torch.core.spec.plan import Plan
from nnhp_torch.core.spec.status import RANKED
from nnhp_torch.core.spec.trial import Trial, defaults
from nnhp_torch.core.stats.interim import looks


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
        >>> cell = cells(outcome)[1]
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
    def a_seed(self) -> int:
        """How many trials a seed is: one for each value of the replicates."""
        return math.prod(map(len, self.replicates.values()))

    @property
    def repeated(self) -> str:
        """How many trials it has, in words: `5 seeds`, or `2 seeds × 3 values of fold`."""
        seeds = self.trials // self.a_seed
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

    @property
    def completed(self) -> list[TrialResult]:
        """Results that may be averaged."""
        return [result for result in self.results if result.status in RANKED]

    @property
    def ranked(self) -> bool:
        """A cell takes part in the ranking once all its seeds have completed: the mean of the lucky ones would lie."""
        return self.trials > 0 and len(self.completed) == self.trials

    def values_of(self, metric: str) -> list[float]:
        """The metric with the final weights, per completed seed.

        Example:
            >>> cells(outcome)[1].values_of("val_accuracy")
            [0.968, 0.969, 0.97, 0.971, 0.972]
        """
        return [result.final(metric) for result in self.completed]

    def mean(self, metric: str) -> float:
        """The mean over the seeds; NaN if nothing has completed, or a seed has no such value.

        Example:
            >>> cells(outcome)[1].mean("val_accuracy")
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
            count["not run"] = self.trials - len(self.results)
        return count

    @property
    def trouble(self) -> str:
        """The troubles in words: `diverged`, of several trials `2 diverged, 1 not run`; empty if there is none."""
        several = self.trials > 1
        return ", ".join(f"{n} {what}" if several else what for what, n in self.troubles.items())


def cells(outcome: Outcome) -> list[Cell]:
    """The cells that the trials are of, in the order of their first trials; behind them those of earlier calls.

    Of a race without the trials since its last look, as long as some of them are missing: they would compare nothing.
    """
    gathered: dict[str, tuple[Mapping[str, Any], list[Trial]]] = {}
    for trial in outcome.shown:
        gathered.setdefault(distinct(trial.cell), (trial.cell, []))[1].append(trial)
    usual = defaults(outcome.sweep.base)
    earlier = {trial.key for trial in outcome.earlier}
    found = [
        Cell(
            values,
            [result for t in trials if (result := outcome.results.get(t.key))],
            len(trials),
            usual,
            outcome.replicates,
            trials[0].key in earlier,
        )
        for values, trials in gathered.values()
    ]
    return _at_last_look(found, looks(outcome.sweep.max_seeds)) if found and outcome.sweep.max_seeds else found


def _at_last_look(gathered: list[Cell], looked: Sequence[int]) -> list[Cell]:
    """The cells of a race when it was last looked at; as they are before the first look."""
    a_seed, asked = gathered[0].a_seed, max(cell.trials for cell in gathered)
    last = max((seeds * a_seed for seeds in looked if seeds * a_seed < asked), default=0)
    unfinished = any(cell.trials > last and {"not run", "interrupted"} & set(cell.troubles) for cell in gathered)
    return [cell.first(last) if last and unfinished and cell.trials > last else cell for cell in gathered]


def repeated(gathered: Sequence[Cell]) -> str:
    """How many trials the cells have at most, in words; empty if that is one, or there is no cell."""
    most = max(gathered, key=lambda cell: cell.trials, default=None)
    if most is None or most.trials < 2:
        return ""
    return most.repeated if all(cell.trials == most.trials for cell in gathered) else f"up to {most.repeated}"


def shared(sweep: Plan, gathered: Sequence[Cell]) -> dict[str, str]:
    """Setting → its value as people read it, of those that are the same in all cells and in use: not off by default."""
    usual = defaults(sweep.base)
    varied = {*sweep.axes, "seed", *(name for cell in gathered[:1] for name in cell.replicates)}
    configs = [result.config for cell in gathered for result in cell.results[:1]]
    fixed = {
        name: value
        for name, value in vars(sweep.base).items()
        if name not in varied and all(json.dumps(config.get(name, value)) == json.dumps(value) for config in configs)
    }
    off = {name for name, value in fixed.items() if value == usual.get(name) and value in (0, None, "", "none")}
    return {name: text(value, usual.get(name)) for name, value in fixed.items() if name not in off}


def winner(sweep: Plan, gathered: Sequence[Cell]) -> Cell | None:
    """The ranked cell with the best mean of the monitored metric; the first of equals; None if none is ranked.

    Of a race it is one of those that stayed to the end.
    """
    first = next(iter(ranking(sweep, gathered)), None)
    return first if first is not None and _ranked(sweep, first) else None


def ranking(sweep: Plan, gathered: Sequence[Cell]) -> list[Cell]:
    """The ranked cells from the best to the worst, equals in their order, and behind them the others.

    Those that left a race before its end were behind others then: they stand behind those that stayed.
    """
    sign = sweep.objective.sign
    ranked = [cell for cell in gathered if _ranked(sweep, cell)]
    most = max((cell.trials for cell in ranked), default=0)
    ranked.sort(key=lambda cell: (cell.trials < most, -sign * cell.mean(sweep.monitor)))
    return [*ranked, *(cell for cell in gathered if not _ranked(sweep, cell))]


def twin(sweep: Plan, split: Split, gathered: Sequence[Cell]) -> str:
    """The name of the monitored metric over other data, as far as a result has it; else empty."""
    return sweep.objective.twin(split, logged(result for cell in gathered for result in cell.results))


def of_training(sweep: Plan, gathered: Sequence[Cell]) -> str:
    """The monitored metric over the training data: as it was scored at the end, if every completed trial has that.

    Else as it was logged while it trained, over changing weights; empty if it was not.
    """
    trained = twin(sweep, "trained", gathered)
    if trained and all(math.isfinite(value) for cell in gathered for value in cell.values_of(trained)):
        return trained
    return twin(sweep, "train", gathered)


def _ranked(sweep: Plan, cell: Cell) -> bool:
    return cell.ranked and math.isfinite(cell.mean(sweep.monitor))
