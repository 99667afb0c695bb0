"""The sweeper: runs the trials that the ledger lacks, writes each result down, then tells the callbacks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.grid import Sweep, Trial, defaults
from nnhp_torch.core.ledger import ResultStore, Status, TrialResult
from nnhp_torch.core.objective import standing, unlogged
from nnhp_torch.core.origin import changed, maker


class Listener(Protocol):
    """What a launcher tells, trial by trial; it is called in the parent process only.

    Where `epoch_ended` answers with a reason, the trial is to end there as `pruned`.
    """

    def started(self, trial: Trial) -> None: ...
    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None: ...
    def ended(self, trial: Trial, result: TrialResult) -> None: ...
    def stopping(self) -> bool: ...


class Launch(Protocol):
    """Runs trials somewhere; returns when all have ended, or soon after `listener.stopping()` is true."""

    def __call__(self, trials: Iterator[Trial], listener: Listener) -> None: ...


class Chooser(Protocol):
    """Chooses trials while the sweep runs, as a search does; iterating over it chooses the next one."""

    def open(self, results: Mapping[str, TrialResult]) -> Sequence[Trial]:
        """The trials that earlier runs have chosen; `results` is the ledger, from now on this sweep's alone."""

    def remaining(self) -> int:
        """How many it may still choose."""

    def __iter__(self) -> Iterator[Trial]: ...

    def settle(self, trial: Trial, result: TrialResult) -> None:
        """Told of the result of each trial, also of one that the ledger had already."""


@dataclass(frozen=True)
class Outcome:
    """What a sweep has to show, in the order of its trials.

    Args:
        sweep: the sweep.
        trials: all that were asked for; results: key → result, for those that have one.
        ran: keys of the trials that this run started.
        interrupted: whether it was told to stop before all had ended.
        unlogged: what is wrong, where a trial has ended because nothing is logged under the monitor's name.
        unchosen: how many trials a search may still choose.
        remarks: what a reader must know of where the results come from, before the table.
        read_only: whether nothing can be written where the ledger is.
    """

    sweep: Sweep
    trials: Sequence[Trial]
    results: Mapping[str, TrialResult] = field(default_factory=dict)
    ran: Sequence[str] = ()
    interrupted: bool = False
    unlogged: str = ""
    unchosen: int = 0
    remarks: Sequence[str] = ()
    read_only: bool = False

    @property
    def left(self) -> int:
        """How many trials a further run would start."""
        return len(self.missing) + self.unchosen

    @property
    def missing(self) -> list[Trial]:
        """Trials that a further run would start, as far as they are known."""
        return [t for t in self.trials if not ((result := self.results.get(t.key)) and result.settled)]

    @property
    def ordered(self) -> list[TrialResult]:
        """The results there are, in the order of the trials."""
        return [result for trial in self.trials if (result := self.results.get(trial.key))]

    @property
    def successful(self) -> bool:
        """Whether every trial has completed, or was pruned on purpose."""
        statuses = [self.results[t.key].status if t.key in self.results else None for t in self.trials]
        return all(status in ("completed", "pruned") for status in statuses)


class SweepCallback:
    """Hooks into a sweep, in the idiom of Lightning's Callback; each does nothing by default.

    Results are in the ledger before a hook hears of them: a callback that raises loses nothing.

    Attributes:
        writes: whether it writes into the sweep's folder; it is left out if nothing can be written there.
    """

    writes = False

    def on_sweep_start(self, outcome: Outcome) -> None:
        """Before the first trial; `outcome` holds what earlier runs have left."""

    def on_trial_start(self, trial: Trial) -> None:
        """A trial has begun."""

    def on_epoch_end(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """A trial has finished an epoch (from 1), validation included; a reason ends it here, as `pruned`."""

    def on_trial_end(self, trial: Trial, result: TrialResult) -> None:
        """A trial has ended, in whatever way."""

    def on_sweep_end(self, outcome: Outcome) -> None:
        """After the last trial, also of a sweep that was interrupted or that an exception ends."""


class Sweeper:
    """Runs a sweep's missing trials and keeps its ledger.

    Args:
        launch: where trials run.
        store: the ledger.
        callbacks: told of what happens, in this order.
        fail_fast: whether the first failed or diverged trial ends the sweep.
    """

    def __init__(
        self,
        launch: Launch,
        store: ResultStore,
        callbacks: Iterable[SweepCallback] = (),
        fail_fast: bool = False,
    ) -> None:
        self.launch = launch
        self.store = store
        self.callbacks = list(callbacks)
        self.fail_fast = fail_fast
        self._running: dict[str, Trial] = {}
        self._stop: Callable[[], bool] = lambda: False

    def run(
        self,
        sweep: Sweep,
        trials: Sequence[Trial],
        stop: Callable[[], bool] = lambda: False,
        chooser: Chooser | None = None,
    ) -> Outcome:
        """Runs what is missing and returns everything there is.

        Args:
            trials: usually `sweep.trials()`; results of other trials in the ledger are left alone.
            stop: asked now and then; once true, no further trial starts and running ones become `interrupted`.
            chooser: asked for a further trial whenever there is room for one, once none of `trials` is missing.

        Raises:
            LedgerError: the ledger is damaged or another process is using it.
        """
        with self.store.lock():
            known = self.store.results(maker(sweep.build, sweep.base))
            if self.store.read_only:
                self.callbacks = [callback for callback in self.callbacks if not callback.writes]
            self._trials = {trial.key: trial for trial in trials}
            self._chooser = chooser
            unchosen = chooser.remaining if chooser else lambda: 0
            if chooser:
                self._trials |= {trial.key: trial for trial in chooser.open(known)}
            self._results = known_results(self.store, known, self._trials.values())
            outcome = Outcome(sweep, list(self._trials.values()), dict(self._results), unchosen=unchosen())
            if self.store.read_only and outcome.left:
                raise LedgerError(f"{self.store.folder} cannot be written, and trials are missing: another --log_dir?")
            self._ran: list[str] = []
            self._stop = stop
            self._failed = False
            self._unlogged = ""
            self._monitor = sweep.monitor
            try:
                self._tell("on_sweep_start", outcome)
                if outcome.left:
                    further = self._choose(chooser, known) if chooser else ()
                    self.launch(itertools.chain(outcome.missing, further), self)
            finally:
                try:
                    _each(partial(self.ended, trial, interrupted(trial)) for trial in list(self._running.values()))
                finally:
                    outcome = Outcome(sweep, list(self._trials.values()), self._results, self._ran, unchosen=unchosen())
                    cut_short = bool(outcome.left) and stop()
                    outcome = replace(outcome, interrupted=cut_short, unlogged=self._unlogged)
                    outcome = replace(outcome, remarks=self._remarks(), read_only=self.store.read_only)
                    _each(partial(callback.on_sweep_end, outcome) for callback in self.callbacks)
        return outcome

    def _remarks(self) -> list[str]:
        """Which results another build has made, and of which the source has changed since."""
        remarks = []
        if others := len(self.store.others & set(self._trials)):
            remarks.append(f"Left out: {others} of these trials had results by another build or configuration class.")
        earlier = [result for key, result in self._results.items() if key not in self._ran and result.settled]
        for module, count in changed(result.build.get("sources", {}) for result in earlier).items():
            remarks.append(
                f"The source of {module} has changed since {count} of these results were made: --fresh runs them anew."
            )
        return remarks

    def _choose(self, chooser: Chooser, known: Mapping[str, TrialResult]) -> Iterator[Trial]:
        """What a chooser chooses, without what is known or running already: that is never trained twice."""
        for trial in chooser:
            self._trials.setdefault(trial.key, trial)
            result = self._results.get(trial.key) or known_results(self.store, known, [trial]).get(trial.key)
            if result is not None and result.settled:
                self._results[trial.key] = result
                chooser.settle(trial, result)
            elif trial.key not in self._running:
                yield trial

    def started(self, trial: Trial) -> None:
        """A launcher has begun a trial."""
        self._running[trial.key] = trial
        self._ran.append(trial.key)
        self._tell("on_trial_start", trial)

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """A trial has finished an epoch; where a callback has a reason to end it there, the answer is that."""
        reasons = [callback.on_epoch_end(trial, epoch, metrics) for callback in self.callbacks]
        return next(filter(None, reasons), None)

    def ended(self, trial: Trial, result: TrialResult) -> None:
        """A trial has ended: the ledger first, then whoever listens."""
        self.store.append(result)
        self._running.pop(trial.key, None)
        self._results[trial.key] = result
        self._failed |= result.status in ("failed", "diverged")
        wrong = unlogged(self._monitor, result.history)
        if result.status == "failed" and wrong in result.reason and not self._has_monitor(self._results.values()):
            self._unlogged = wrong  # every further trial would be trained for nothing
        if self._chooser:
            self._chooser.settle(trial, result)
        self._tell("on_trial_end", trial, result)

    def stopping(self) -> bool:
        """Whether no further trial should start."""
        return self._stop() or (self.fail_fast and self._failed) or bool(self._unlogged)

    def _has_monitor(self, results: Iterable[TrialResult]) -> bool:
        return any(standing(self._monitor, result.history) for result in results)

    def _tell(self, hook: str, *args: Any) -> None:
        for callback in self.callbacks:
            getattr(callback, hook)(*args)


def _each(actions: Iterable[Callable[[], None]]) -> None:
    """Does all of them, even where one raises (a progress bar must leave the terminal), then raises the first error."""
    errors = []
    for action in actions:
        try:
            action()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def known_results(
    store: ResultStore, known: Mapping[str, TrialResult], trials: Iterable[Trial]
) -> dict[str, TrialResult]:
    """Those results that are these trials'. What they are called is the trials' to say, never the ledger's.

    Raises:
        LedgerError: a record does not agree with the trial of its key.
    """
    results = {}
    for trial in trials:
        if (result := known.get(trial.key)) is None:
            continue
        if why := disagreement(trial, result):
            raise store.refuse(trial.key, why)
        results[trial.key] = replace(result, name=trial.name, cell=dict(trial.cell))
    return results


def disagreement(trial: Trial, result: TrialResult) -> str:
    """Why a record cannot be the trial's of its key; empty if it can.

    Its name and its cell may be others: they depend on the sweep's axes and base, as the key does not.
    """
    if result.sweep != trial.sweep:
        return f"it is of the sweep {result.sweep!r}, not of {trial.sweep!r}"
    settings = json.loads(json.dumps(vars(trial.config)))
    usual = json.loads(json.dumps(defaults(trial.config)))
    for name, value in settings.items():  # what a configuration has gained since then stood at its default
        if result.config.get(name, usual[name]) != value:
            return f"its config has another {name} than the trial of its key (has a default changed?)"
    for name, value in result.cell.items():
        if name not in result.config or result.config[name] != value:
            return f"its cell has another {name} than its config"
    return ""


def made_by(trial: Trial) -> dict[str, Any]:
    """What a record says of its maker before the source is known; empty if the trial does not say it."""
    return {"name": trial.build, "config": trial.identity["config"], "sources": {}} if trial.build else {}


def unfinished(trial: Trial, status: Status, reason: str) -> TrialResult:
    """The record of a trial whose process could not write one itself."""
    return TrialResult(
        trial.key,
        trial.sweep,
        trial.name,
        vars(trial.config),
        dict(trial.cell),
        status,
        reason,
        build=made_by(trial),
    )


def interrupted(trial: Trial) -> TrialResult:
    """The record of a trial that was stopped with the sweep; it goes on from its last epoch when run again."""
    return unfinished(trial, "interrupted", "the sweep was stopped")
