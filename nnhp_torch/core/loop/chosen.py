"""The trials of the cells that a chooser names while the sweep runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from nnhp_torch.core.interfaces import Chooser
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial

Make = Callable[[int, Mapping[str, Any]], Trial]  # the how-manieth it is (from 0), the chosen values → the trial


class Chosen:
    """Makes the trials of chosen cells, and tells the chooser of each by the cell that it has named."""

    def __init__(self, chooser: Chooser, make: Make) -> None:
        self.chooser = chooser
        self.make = make
        self.count = 0
        self._batches: Iterator[Sequence[Mapping[str, Any]]] = iter(())
        self._cells: dict[str, list[Mapping[str, Any]]] = {}  # key → the cells, equal ones, that wait for its result

    def open(self, known: Callable[[Trial], TrialResult | None]) -> list[Trial]:
        """Return the trials that earlier runs have chosen, and the next ones.

        The chooser is asked anew and told what the ledger has, so that it comes to where it was.

        Args:
            known: gives the result that the ledger has of a trial.
        """
        self._batches = iter(self.chooser)
        opened: list[Trial] = []
        for batch in self:
            opened += batch
            results = [(trial, known(trial)) for trial in batch]
            settled = [(trial, result) for trial, result in results if result is not None and result.settled]
            for trial, result in settled:
                self.settle(trial, result)
            if len(settled) < len(batch) or not batch:
                break
        return opened

    def __iter__(self) -> Iterator[Sequence[Trial]]:
        """Yield the trials that may run at once; an empty list if the next depend on results that are missing."""
        for batch in self._batches:
            trials = []
            for values in batch:
                trials.append(trial := self.make(self.count, values))
                self._cells.setdefault(trial.key, []).append(values)
                self.count += 1
            yield trials

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Return the chooser's reason to end a trial at an epoch, if it has one."""
        cells = self._cells.get(trial.key)
        return self.chooser.epoch_ended(cells[0], epoch, metrics) if cells else None

    def settle(self, trial: Trial, result: TrialResult) -> None:
        """Tell the chooser of a result, for each time that it has chosen the cell."""
        cells = self._cells.pop(trial.key, []) if result.settled else self._cells.get(trial.key, [])
        for values in cells:
            self.chooser.settle(values, result)
