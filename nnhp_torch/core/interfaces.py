"""Who takes part in a sweep beside the sweeper: who runs its trials, who chooses them, who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.trial import Trial


class Listener(Protocol):
    """The one whom a launcher tells of each trial; it is called in the parent process only.

    Where `epoch_ended` answers with a reason, the trial is to end there as `pruned`.
    """

    def started(self, trial: Trial) -> None: ...
    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None: ...
    def ended(self, trial: Trial, result: TrialResult) -> None: ...
    def stopping(self) -> bool: ...


class Launch(Protocol):
    """Runs trials somewhere; returns when all have ended, or soon after `listener.stopping()` is true.

    None among the trials: there is none until one that is running has ended.
    """

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None: ...


class Chooser(Protocol):
    """Chooses trials while the sweep runs, as a search or a race does; iterating over it chooses the next ones.

    It yields those that are chosen at once; an empty list, if it waits for the results of some that are running.
    """

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions that its choices depend on; each result has them."""

    def open(self, known: Callable[[Trial], TrialResult | None]) -> Sequence[Trial]:
        """The trials that earlier runs have chosen; `known` gives the result that the ledger has of one."""

    def remaining(self) -> int:
        """How many it may still choose, at most."""

    def __iter__(self) -> Iterator[Sequence[Trial]]: ...

    def settle(self, trial: Trial, result: TrialResult) -> None:
        """Take the result of a trial, also of one that the ledger had already."""

    def remarks(self) -> Sequence[str]:
        """Say what a reader must know of how they were chosen; asked at the end."""


class SweepCallback:
    """Hooks into a sweep, in the idiom of Lightning's Callback; each does nothing by default.

    Results are in the ledger before a hook hears of them: a callback that raises loses nothing.

    Attributes:
        writes: whether it writes into the sweep's folder; it is left out if nothing can be written there.

    Example:
        >>> class Tell(SweepCallback):
        ...     def on_trial_end(self, trial, result):
        ...         print(trial.label, result.status)
        >>> nnhp_torch.main(SWEEP, callbacks=[Tell()])  # doctest: +SKIP
    """

    writes = False

    def on_sweep_start(self, outcome: Outcome) -> None:
        """Called before the first trial; `outcome` holds the results of earlier runs."""

    def on_trial_start(self, trial: Trial) -> None:
        """Called when a trial has begun."""

    def on_epoch_end(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Called after each epoch (from 1) and its validation; a returned reason ends the trial here, as `pruned`.

        Example:
            >>> class Impatient(SweepCallback):
            ...     def on_epoch_end(self, trial, epoch, metrics):
            ...         if epoch == 3 and metrics["val_accuracy"] < 0.5:
            ...             return "below 0.5 after three epochs"
        """

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        """Called when a trial has ended, in whatever way."""

    def on_sweep_end(self, outcome: Outcome) -> None:
        """Called after the last trial, also if the sweep was interrupted or an exception ends it."""
