"""Who takes part in a sweep beside the sweeper: who runs its trials, chooses its cells, judges them, listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.spec.trial import Trial

if TYPE_CHECKING:
    from nnhp_torch.core.outcome import Outcome


class Listener(Protocol):
    """The sweep, as a launcher sees it: told of each trial, by any thread of the driver's process.

    Example:
        >>> def launch(trials, listener):  # trains nothing
        ...     for trial in trials:
        ...         listener.started(trial)
        ...         listener.ended(trial, TrialResult.of(trial, "failed", "nobody trains here"))
    """

    def started(self, trial: Trial) -> None:
        """Take note of a trial that begins; called once for each, before anything else is said of it."""

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Answer each epoch (from 1): a reason ends the trial there, as `pruned`. The trial waits for the answer."""

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """Write a result down; called once for each trial that has started, with whatever it came to."""

    def stopping(self) -> bool:
        """Return whether no further trial should start; asked at least every second or so."""

    def waiting(self, words: str) -> None:
        """Show what trials wait for, if they do elsewhere, as in a cluster's queue, until other words come."""
        return  # whoever trains trials one by one has no use for it


class Launch(Protocol):
    """Runs trials somewhere: `main(SWEEP, launch=…)` makes one by calling it with the sweep's build and its Runtime.

    What a process does that trains them is in nnhp_torch/run/launch/process.py; plugins.md shows a launcher whole, in
    which Workers, from workers.py beside it, give each trial a process of its own.

    Example:
        >>> main(SWEEP, launch=lambda build, runtime: Cluster(build, runtime, nodes=4))  # doctest: +SKIP
    """

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        """Take trials as there is room for them; return when all have ended, or soon after `listener.stopping()`.

        None among the trials: there is none until one that runs has ended, for the next depends on its result. A trial
        says itself how many CPU threads it has (`trial.threads`). A process that is lost is the launcher's to report,
        as `TrialResult.of(trial, "failed", "why")`; trials that still run when it returns become `interrupted`.

        Raises:
            PreparationError: the data cannot be had. WrongUsage: no trial can be made of these settings here.
            ClusterLost: the place where trials run has gone.
            OSError: the disk is full.
        """


# build (or its name) and the Runtime → a launcher
MakeLaunch = Callable[[str | Callable[..., Any], Any], Launch]


class Chooser:
    """Chooses cells while the sweep runs, as a search and a race do: `main(SWEEP, chooser=…)` calls it with the sweep.

    It is asked anew in each run of the command, and told at once what the ledger has: if its choices depend on results
    alone, it goes on where it was stopped. plugins.md shows one whole.

    Attributes:
        versions: of what its choices depend on; each result has them.

    Example:
        >>> class Two(Chooser):
        ...     def __iter__(self):
        ...         yield [{"lr": 0.1}, {"lr": 0.01}]
        >>> main(SWEEP, chooser=lambda sweep: Two())  # doctest: +SKIP
    """

    versions: Mapping[str, str] = MappingProxyType({})

    def __iter__(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the cells that may run at once, each as its values; asked on as there is room for trials.

        A cell has a value for each axis; beside these it may have a seed and values of replicates, if they are not
        to be the base's. An empty list: what comes next depends on results that are still missing.
        """
        raise NotImplementedError

    def remaining(self) -> int:
        """Return how many it may still choose, at most; of one that names all at once, none are left."""
        return 0

    def epoch_ended(self, values: Mapping[str, Any], epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Return a reason to end a cell's trial at this epoch (from 1), as `pruned`; None to let it go on."""
        return None

    def settle(self, values: Mapping[str, Any], result: TrialResult) -> None:
        """Take the result of a cell, also of one that the ledger had already; one that is not `settled` runs again."""

    def remarks(self) -> Sequence[str]:
        """Return what a reader must know of how cells were chosen; asked at the end."""
        return ()


MakeChooser = Callable[[Any], Chooser]  # the sweep, with what the command line changes in it → a chooser


Rows = Sequence[Sequence[float]]  # one a cell, with a value a unit


class Judge(Protocol):
    """Decides which rows differ from the first: `main(SWEEP, judge=…)`, or `judge=` of a sweep. plugins.md shows one.

    Example:
        >>> main(SWEEP, judge=SignTest())  # doctest: +SKIP
    """

    def judge(self, rows: Rows, level: float = LEVEL, *, left: Rows = (), shared: float = 0.0) -> Judgement:
        """Return how far each row is behind the first, with intervals and p-values that hold for all rows at once.

        Called with three units or more. The first row is the baseline's, or has the highest mean.

        Args:
            rows: a row a cell, a column a unit (a seed, or a fold); more is better.
            level: at which a row counts as told apart; a race divides 5% among its looks.
            left: rows that left a race undecided, with the units that they had: they count as compared too.
            shared: how much of test data a unit has for each of training data, if units share theirs (folds); else 0.
        """

    def describe(self, rows: int) -> str:
        """Return what it does with so many rows, in a few words: reports show it."""


@dataclass(frozen=True)
class Judgement:
    """How far each row is behind the one that all are held against, and what of it may be luck.

    Args:
        gap: the difference of the means, below 0 of a row that is ahead.
        error: its standard error, from the pair's own differences.
        low, high: interval of the true difference; all intervals and claims hold at once with 1 - level.
        p: adjusted p-value of the difference (1 for the one itself).
        half_width: half of the width that the interval has if the row is not told apart.

    Example:
        >>> Judgement.of(gap=[0.0, 0.02], low=[0.0, 0.01], high=[0.0, 0.04], p=[1.0, 0.003]).half_width
        [0.0, 0.015]
    """

    gap: list[float]
    error: list[float]
    low: list[float]
    high: list[float]
    p: list[float]
    half_width: list[float]

    @classmethod
    def of(cls, gap: Sequence[float], low: Sequence[float], high: Sequence[float], p: Sequence[float]) -> Judgement:
        """Of a method that has no standard errors: nobody knows then whether more seeds would decide."""
        half_width = [(end - begin) / 2 for begin, end in zip(low, high, strict=True)]
        return cls(list(gap), [0.0] * len(half_width), list(low), list(high), list(p), half_width)


class SweepCallback:
    """Hooks into a sweep, in the idiom of Lightning's Callback; each does nothing by default.

    Results are in the ledger before a hook hears of them, and a callback that raises costs the sweep nothing: it is
    named above the table, with what it has missed. A trial's end that it has missed is told once more at the end.

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
        """Called before the first trial; `outcome` holds the results of earlier runs.

        If no trial could start, as for want of a GPU, a sweep has neither a beginning nor an end.
        """

    def on_trial_start(self, trial: Trial) -> None:
        """Called when a trial has begun."""

    def on_epoch_end(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Called after each epoch (from 1) and its validation; a returned reason ends the trial here, as `pruned`.

        A trial that goes on after a stop tells its epochs once more, from the first one. Of these answers only the one
        to the last counts, because a stop may have come before it was heard. Then follow those that it trains, also
        those that it had trained after its last checkpoint.

        Example:
            >>> class Impatient(SweepCallback):
            ...     def on_epoch_end(self, trial, epoch, metrics):
            ...         if epoch == 3 and metrics["val_accuracy"] < 0.5:
            ...             return "below 0.5 after three epochs"
        """

    def on_wait(self, words: str) -> None:
        """Called with what trials wait for elsewhere, such as `SLURM: 2 running, 10 waiting (Resources)`."""

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        """Called when a trial has ended, in whatever way."""

    def on_sweep_end(self, outcome: Outcome) -> None:
        """Called after the last trial, also if the sweep was interrupted or an exception ends it."""
