"""Which checkpoints outlive their trials: a SweepCallback that removes the others."""

from __future__ import annotations

import itertools
from pathlib import Path

from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.ledger.checkpoints import BEST, LAST, checkpoint_folder, remove, usable
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import distinct
from nnhp_torch.core.spec.status import RANKED
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.runtime import Keep


class CheckpointTidying(SweepCallback):
    """Removes the checkpoints of settled trials but those asked for; failed and interrupted trials keep theirs.

    Args:
        folder: the sweep's folder.
        keep: `winner`: in the end only the last checkpoint of the winning cell's best seed; `best`, `last`: that
            one of every trial; `all`: every one.
    """

    writes = True

    def __init__(self, folder: Path, keep: Keep = "winner") -> None:
        self.folder = folder
        self.keep = keep

    def on_sweep_start(self, outcome: Outcome) -> None:
        self.sweep = outcome.sweep
        self.leaders: dict[str, list[tuple[Trial, TrialResult]]] = {}  # a cell's best, those of equals too
        for trial in outcome.trials:
            if trial.key in outcome.results:
                self._consider(trial, outcome.results[trial.key])

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        self._consider(trial, result)

    def on_sweep_end(self, outcome: Outcome) -> None:
        if self.keep == "winner" and not outcome.left:
            best = winning_trial(outcome)
            for trial, _ in itertools.chain(*self.leaders.values()):
                if best is None or trial.key != best.key:
                    self._remove(trial)

    def _consider(self, trial: Trial, result: TrialResult) -> None:
        if not result.settled:
            return
        if self.keep == "best":
            if (checkpoint_folder(self.folder, trial.name) / BEST).exists():  # or it began when none was asked for
                self._remove(trial, LAST)
        elif self.keep == "last":
            self._remove(trial, BEST)
        elif self.keep == "winner":
            # Until the whole sweep has ended any cell may win: the best seed of each keeps its last checkpoint.
            # Of equals the first in order is kept in the end, whichever has ended first.
            leaders = [found for found in self.leaders.get(distinct(trial.cell), []) if found[0].key != trial.key]
            if result.status not in RANKED or any(_better(best, result, self.sweep) for _, best in leaders):
                self._remove(trial)
                return
            self._remove(trial, BEST)
            for leader, best in leaders:
                if _better(result, best, self.sweep):
                    self._remove(leader)
            equals = [found for found in leaders if not _better(result, found[1], self.sweep)]
            self.leaders[distinct(trial.cell)] = [*equals, (trial, result)]

    def _remove(self, trial: Trial, *names: str) -> None:
        remove(self.folder, checkpoint_folder(self.folder, trial.name), trial.identity, names=names or (LAST, BEST))


def winning_trial(outcome: Outcome) -> Trial | None:
    """Return the leading cell's best seed; None if no cell leads."""
    best = outcome.summary.leader
    if best is None:
        return None
    leader = best.completed[0]
    for result in best.completed[1:]:
        leader = result if _better(result, leader, outcome.sweep) else leader
    return next(trial for trial in (*outcome.trials, *outcome.earlier) if trial.key == leader.key)


def winner_checkpoint(outcome: Outcome, folder: Path) -> Path | None:
    """The last checkpoint of the winning trial; None if there is no winner, or if what lies there is not its own."""
    trial = winning_trial(outcome)
    if trial is None:
        return None
    found = usable(checkpoint_folder(folder, trial.name), trial.identity)
    return None if found is None else found / LAST


def _better(result: TrialResult, other: TrialResult, sweep: SweepBase) -> bool:
    """Return whether a result beats another; of equals the one that came first."""
    return sweep.objective.better(result.final(sweep.monitor), other.final(sweep.monitor))
