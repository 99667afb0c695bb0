"""The sweeper: runs the trials that the ledger lacks, writes each result down, then tells the callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nnhp_torch.core.interfaces import Chooser, Launch, SweepCallback
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.loop.chosen import Chosen, Make
from nnhp_torch.core.loop.run import Loop
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.trial import Trial


@dataclass(eq=False)
class Sweeper:
    """Runs a sweep's missing trials and keeps its ledger.

    Args:
        launch: where trials run.
        store: the ledger.
        callbacks: told of what happens, in this order.
        fail_fast: whether the first failed or diverged trial ends the sweep.
        rerun: whether stale results, those of a source that has changed since, are made anew.

    Example:
        >>> outcome = Sweeper(launch, ResultStore("lightning_logs/rates")).run(SWEEP, SWEEP.trials())
        >>> outcome.successful
        True
    """

    launch: Launch
    store: ResultStore
    callbacks: Sequence[SweepCallback] = ()
    fail_fast: bool = field(default=False, kw_only=True)
    rerun: bool = field(default=False, kw_only=True)

    def run(
        self,
        sweep: SweepBase,
        trials: Sequence[Trial],
        stop: Callable[[], bool] = lambda: False,
        *,
        chooser: Chooser | None = None,
        make: Make | None = None,
    ) -> Outcome:
        """Run what is missing; return everything there is.

        Args:
            trials: usually `sweep.trials()`; results of other trials in the ledger are left alone.
            stop: asked now and then; once true, no further trial starts and running ones become `interrupted`.
            chooser: asked for further cells whenever there is room for a trial, once none of `trials` is missing.
            make: the number of a chosen cell, its values → its trial; default: `sweep.trial`.

        Raises:
            LedgerError: the ledger is damaged or another process is using it.
        """
        with self.store.lock():
            chosen = Chosen(chooser, make or sweep.trial) if chooser else None
            rules = {"fail_fast": self.fail_fast, "rerun": self.rerun}
            loop = Loop(self.store, sweep, trials, self.callbacks, stop=stop, chosen=chosen, **rules)
            return loop.execute(self.launch)
