"""A race: further seeds go to those cells alone that they may decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nnhp_torch.core.interfaces import Chooser
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.interim import CHANCE
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.proposals import HOPE
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict import Verdict


class Race(Chooser):
    """Chooses the seeds of a sweep's cells while it runs.

    All cells get the first three seeds. Who gets more is decided at fixed looks, from whole rounds: not the cells that
    are worse, nor those that the seeds to come will hardly decide. What is chosen is therefore a function of the
    results alone, and a race that was killed goes on as if it had not been.

    Args:
        sweep: with `max_seeds`.
        trials: all that may be chosen: those of `max_seeds` seeds, in the order of `Sweep.trials`.
    """

    def __init__(self, sweep: SweepBase, trials: Sequence[Trial]) -> None:
        self.sweep = sweep
        self.rounds: dict[int, list[Trial]] = {}  # seed → its trials
        for trial in trials:
            self.rounds.setdefault(trial.config.seed, []).append(trial)
        self.looks = sweep.looks
        self.looked = 0  # how many looks have had their trials chosen
        self.staying = {distinct(trial.cell) for trial in trials}
        self.chosen: dict[str, Trial] = {}  # by its values
        self.results: dict[str, TrialResult] = {}  # likewise

    def remaining(self) -> int:
        """How many may still be chosen: all, if every cell that is in the race stays there."""
        seeds = list(self.rounds)[self._seeds :]
        return sum(distinct(trial.cell) in self.staying for seed in seeds for trial in self.rounds[seed])

    def __iter__(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the cells of a look together, with each of its seeds; none while results of the last are missing."""
        while self.staying:
            if self.chosen.keys() - self.results:
                yield []
            elif any(result.status == "interrupted" for result in self.results.values()):
                return  # the look is for the run that ends them
            elif batch := self._next():
                yield [trial.values for trial in batch]

    def settle(self, values: Mapping[str, Any], result: TrialResult) -> None:
        """Keep a result for the next look."""
        self.results[distinct(values)] = result

    @property
    def _seeds(self) -> int:
        """How many seeds have been given to the cells in the race."""
        return self.looks[self.looked - 1] if self.looked else 0

    def _next(self) -> list[Trial]:
        """Looks at the rounds so far and chooses the trials until the next look; none if the race is over."""
        if self.looked:
            results = {trial.key: self.results[values] for values, trial in self.chosen.items()}
            found = Summary(self.sweep, list(self.chosen.values()), results).verdicts
            self.staying = {distinct(cell.values) for cell in staying(found, HOPE if self.sweep.proposal else CHANCE)}
        seeds = list(self.rounds)[self._seeds : self.looks[self.looked]] if self.staying else []
        batch = [trial for seed in seeds for trial in self.rounds[seed] if distinct(trial.cell) in self.staying]
        self.looked += bool(batch)
        self.chosen |= {distinct(trial.values): trial for trial in batch}
        self.staying = {distinct(trial.cell) for trial in batch}
        return batch


def staying(found: Sequence[Verdict], hope: float = CHANCE) -> list[Cell]:
    """The cells that further seeds are for, by their verdicts at a look; none once nothing more will be decided.

    Those as good as the best stay as long as others are undecided, because another one may turn out to be the best; a
    baseline is what it is.

    Args:
        hope: the chance of a decision below which a cell gets no more seeds.
    """
    last = max(verdict.seeds for verdict in found)
    there = [verdict for verdict in found if verdict.seeds == last]
    open_ = [verdict for verdict in there if verdict.kind == "undecided" and verdict.chance >= hope]
    waits = ("baseline",) if any(verdict.kind == "baseline" for verdict in there) else ("best", "as good")
    return [verdict.cell for verdict in there if verdict.kind in waits or verdict in open_] if open_ else []
