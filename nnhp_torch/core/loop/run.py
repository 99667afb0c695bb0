"""The loop of a sweep: what its launcher tells goes into the ledger, then to whoever listens."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.interfaces import Launch, SweepCallback
from nnhp_torch.core.ledger.earlier import earlier_trials
from nnhp_torch.core.ledger.fewer_epochs import Shorter
from nnhp_torch.core.ledger.result import ASKED, TrialResult, mixed
from nnhp_torch.core.ledger.store import ResultStore, known_results, stale
from nnhp_torch.core.loop.chosen import Chosen
from nnhp_torch.core.loop.listeners import Listeners, each
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.imports import NEAREST
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.spec.objective import logged_name, unlogged
from nnhp_torch.core.spec.provenance import changed
from nnhp_torch.core.spec.read_files import READ
from nnhp_torch.core.spec.status import RANKED, WRONG
from nnhp_torch.core.spec.trial import Trial


class Loop:
    """One run of a sweep, under the ledger's lock: the Listener that its launcher tells, from any of its threads.

    Args: those of Sweeper and of Sweeper.run, which keeps the ledger's lock.
    """

    def __init__(
        self,
        store: ResultStore,
        sweep: SweepBase,
        trials: Sequence[Trial],
        callbacks: Iterable[SweepCallback],
        *,
        stop: Callable[[], bool],
        chosen: Chosen | None,
        fail_fast: bool,
        rerun: bool,
    ) -> None:
        self.lock = threading.RLock()
        self.store = store
        self.fail_fast = fail_fast
        self.rerun = rerun
        self.listeners = Listeners([c for c in callbacks if not (c.writes and store.read_only)], store.log)
        self.sweep = sweep
        self.stop = stop
        self.chosen = chosen
        self.known = self.store.results(sweep.provenance)
        opened = chosen.open(self._known) if chosen else ()
        self.trials = {trial.key: trial for trial in (*trials, *opened)}
        self.earlier = earlier_trials(sweep, list(trials), self.known)
        results = known_results(self.store, self.known, [*self.trials.values(), *self.earlier])
        former = stale(results)
        anew = former.keys() & self.trials.keys() if self.rerun else set()
        self.stale = {key: result for key, result in former.items() if key not in anew}
        self.results = {key: result for key, result in results.items() if key not in anew}
        self.shorter = Shorter(self.store.folder, self.known)
        self.seeds = len({trial.config.seed for trial in trials})
        self.running: dict[str, Trial] = {}
        self.heard: dict[str, dict[int, Mapping[str, float]]] = {}  # key → epoch → metrics, while the trial runs
        self.ran: list[str] = []
        self.begun = self.failed = False
        self.unlogged = ""  # what is wrong, once a trial has shown that nothing is logged under the monitor's name

    def execute(self, launch: Launch) -> Outcome:
        """Run what is missing. A start that fails is told to nobody: it has changed nothing."""
        self.before = before = self._outcome(results=dict(self.results))
        if self.store.read_only and before.left:
            raise LedgerError(f"{self.store.folder} cannot be written, and trials are missing: another --log_dir?")
        if not before.left:
            self._need_monitor()
        try:
            if before.left:
                further = self._choose(self.chosen) if self.chosen else ()
                trials = itertools.chain(before.missing, further)
                launch(_InTurn((trial and self.shorter(trial) for trial in trials), self.lock), self)
            self._begin()
        except BaseException:
            if self.begun:
                self._end()
            raise
        return self._end()

    def _begin(self) -> None:
        """Tell the beginning, once: with the first trial, or if there is none."""
        if not self.begun:
            self.begun = True
            self.listeners.sweep_started(self.before)

    def _end(self) -> Outcome:
        """Tell the end: whatever has ended the run, each trial is in the ledger and each callback has heard of it."""
        try:
            # Those that were stopped with the sweep go on from their last epoch when they run again.
            ends = [(t, TrialResult.of(t, "interrupted", "the sweep was stopped")) for t in self.running.values()]
            each(partial(self.ended, *end) for end in ends)
        finally:
            outcome = self._outcome(
                results=self.results,
                ran=self.ran,
                unlogged=self.unlogged,
                remarks=[*self._remarks(), *self.listeners.tell_again()],
                interrupted=self.stop(),
            )
            self.listeners.sweep_ended(outcome)
        return outcome

    def started(self, trial: Trial) -> None:
        with self.lock:
            self._begin()
            self.running[trial.key], self.heard[trial.key] = trial, {}
            self.ran.append(trial.key)
            self.listeners.trial_started(trial)

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        with self.lock:
            self.heard.setdefault(trial.key, {})[epoch] = metrics
            word = self.chosen.epoch_ended(trial, epoch, metrics) if self.chosen else None
            told = self.listeners.epoch_ended(trial, epoch, metrics)
            return word or told

    def ended(self, trial: Trial, result: TrialResult) -> None:
        with self.lock:
            self._write_down(trial, result)

    def _write_down(self, trial: Trial, result: TrialResult) -> None:
        """Tell a result to the ledger first, then to whoever listens."""
        told = self.heard.pop(trial.key, {})
        if not result.history:  # whoever trained it was stopped or killed before it could say
            result = replace(result, history=_history(told))
        if self.chosen:
            result = replace(result, versions={**result.versions, **self.chosen.chooser.versions})
        elif self.seeds:
            result = replace(result, hardware={**result.hardware, ASKED: self.seeds})
        self.store.append(result)
        self.running.pop(trial.key, None)
        self.results[trial.key] = result
        self.stale.pop(trial.key, None)
        self.stale |= stale({trial.key: result})  # who trained it may have imported what was edited since
        self.failed |= result.status in WRONG
        wrong = unlogged(self.sweep.monitor, result.history)
        if result.status == "failed" and wrong in result.reason and not self._has_monitor():
            self.unlogged = wrong  # every further trial would be trained for nothing
        if self.chosen:
            self.chosen.settle(trial, result)
        self.listeners.trial_ended(trial, result)

    def stopping(self) -> bool:
        with self.lock:
            return self.stop() or (self.fail_fast and self.failed) or bool(self.unlogged)

    def waiting(self, words: str) -> None:
        with self.lock:
            self.listeners.waiting(words)

    def _choose(self, chosen: Chosen) -> Iterator[Trial | None]:
        """Yield the chosen trials, skipping those in the ledger or already running; None while the chooser waits."""
        for batch in chosen:
            for trial in batch:
                self.trials.setdefault(trial.key, trial)
            for trial in batch:
                result = self.results.get(trial.key) or self._known(trial)
                if result is not None and result.settled:
                    self.results[trial.key] = result
                    chosen.settle(trial, result)
                elif trial.key not in self.running:
                    yield trial
            if not batch:
                yield None

    def _known(self, trial: Trial) -> TrialResult | None:
        """Return the result that the ledger has of a trial; a LedgerError if its record cannot be that trial's."""
        results = known_results(self.store, self.known, [trial])
        return None if self.rerun and stale(results) else results.get(trial.key)

    def _outcome(self, interrupted: bool = False, **rest: Any) -> Outcome:
        unchosen = self.chosen.chooser.remaining() if self.chosen else 0
        outcome = Outcome(
            self.sweep,
            list(self.trials.values()),
            unchosen=unchosen,
            read_only=self.store.read_only,
            known=self.known,
            earlier=self.earlier,
            stale=frozenset(self.stale),
            folder=self.store.folder,
            **rest,
        )
        return replace(outcome, interrupted=interrupted and bool(outcome.left))

    def _remarks(self) -> list[str]:
        """Which trials have started over; which results are another build's, or of a former source."""
        remarks = [*self.shorter.remarks(), *(self.chosen.chooser.remarks() if self.chosen else ())]
        baseline, base = self.sweep.baseline or {}, self.sweep.base
        if len(baseline) > 1 and (same := [axis for axis in baseline if getattr(base, axis) == baseline[axis]]):
            remarks.append(f"The baseline is {label(baseline)}; {', '.join(same)} as in the base.")
        if others := len(self.store.others & set(self.trials)):
            remarks.append(f"Left out: {others} of these trials had results by another build or configuration class.")
        for module, count in changed(result.build for result in self.stale.values()).items():
            anew = "--fresh" if self.sweep.sampled else "--stale rerun"
            remarks.append(
                f"Stale: the source of {module} has changed since {count} of these results were made. "
                f"{anew} runs them anew, --stale use takes them as they are."
            )
        made = (result.build.get("sources", {}).values() for result in self.results.values())
        if any(sum(not digest.startswith(READ) for digest in sources) >= NEAREST for sources in made):
            remarks.append(
                f"Of the files that trials import the nearest {NEAREST} are watched: no edit of others is seen."
            )
        if found := mixed(result for result in self.results.values() if result.settled):
            remarks.append(found)
        return remarks

    def _need_monitor(self) -> None:
        """Refuse a monitor that no completed trial has logged in its epochs: a new trial would fail for it as well."""
        completed = [result for result in self.results.values() if result.status in RANKED]
        if completed and not self._has_monitor():
            names = {name for result in completed for name in result.history}
            wrong = unlogged(self.sweep.monitor, names)
            raise LedgerError(f"{self.store.path}: {wrong}. Give one of them as the sweep's monitor.")

    def _has_monitor(self) -> bool:
        return any(logged_name(self.sweep.monitor, result.history) for result in self.results.values())


class _InTurn(Iterator[Trial | None]):
    """Trials that several threads may take, each of them once; none can take from a generator that another is in."""

    def __init__(self, trials: Iterator[Trial | None], lock: threading.RLock) -> None:
        self.trials = trials
        self.lock = lock

    def __next__(self) -> Trial | None:
        with self.lock:
            return next(self.trials)


def _history(told: Mapping[int, Mapping[str, float]]) -> dict[str, list[float]]:
    """Return the history of a trial, as far as its epochs were told."""
    epochs = range(1, max(told, default=0) + 1)
    names = {name: None for metrics in told.values() for name in metrics}
    return {name: [told.get(epoch, {}).get(name, math.nan) for epoch in epochs] for name in names}
