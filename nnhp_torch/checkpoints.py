"""Which checkpoints outlive their trials: a SweepCallback that removes the others."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from nnhp_torch.grid import Sweep, Trial
from nnhp_torch.results import TrialResult
from nnhp_torch.runtime import Keep
from nnhp_torch.summary import cells, winner
from nnhp_torch.sweeper import Outcome, SweepCallback


class CheckpointPruning(SweepCallback):
    """Removes the checkpoints of settled trials but those asked for; failed and interrupted trials keep theirs.

    Args:
        folder: the sweep's folder.
        keep: `winner`: in the end only the last checkpoint of the winning cell's best seed; `best`, `last`: that
            one of every trial; `all`: every one.
    """

    def __init__(self, folder: Path, keep: Keep = "winner") -> None:
        self.folder = folder
        self.keep = keep

    def on_sweep_start(self, outcome: Outcome) -> None:
        self.sweep = outcome.sweep
        self.leaders: dict[str, TrialResult] = {}
        for trial in outcome.trials:
            if trial.key in outcome.results:
                self._consider(trial, outcome.results[trial.key])

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        self._consider(trial, result)

    def on_sweep_end(self, outcome: Outcome) -> None:
        if self.keep == "winner" and not outcome.left:
            path = winner_checkpoint(outcome, self.folder)
            for result in self.leaders.values():
                if path is None or result.name != path.parent.parent.name:
                    self._remove(result)

    def _consider(self, trial: Trial, result: TrialResult) -> None:
        if not result.settled:
            return
        if self.keep in ("best", "last"):
            other = {"best": "last", "last": "best"}[self.keep]
            self._folder(result).joinpath(f"{other}.ckpt").unlink(missing_ok=True)
        elif self.keep == "winner":
            # Until the whole sweep has ended any cell may win: the best seed of each keeps its last checkpoint.
            leader = self.leaders.get(trial.label)
            if result.status != "completed" or (leader is not None and not _better(result, leader, self.sweep)):
                self._remove(result)
                return
            if leader is not None and leader.name != result.name:
                self._remove(leader)
            self._folder(result).joinpath("best.ckpt").unlink(missing_ok=True)
            self.leaders[trial.label] = result

    def _folder(self, result: TrialResult) -> Path:
        return self.folder / result.name / "checkpoints"

    def _remove(self, result: TrialResult) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder(result))


def winner_checkpoint(outcome: Outcome, folder: Path) -> Path | None:
    """The last checkpoint of the winning cell's best seed; None where there is no winner."""
    best = winner(outcome.sweep, cells(outcome))
    if best is None:
        return None
    results = best.completed
    leader = results[0]
    for result in results[1:]:
        leader = result if _better(result, leader, outcome.sweep) else leader
    return folder / leader.name / "checkpoints" / "last.ckpt"


def _better(result: TrialResult, other: TrialResult, sweep: Sweep) -> bool:
    """Whether a result beats another; of equals the one that came first."""
    return sweep.objective.better(result.final(sweep.monitor), other.final(sweep.monitor))
