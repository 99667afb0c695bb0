"""One sweep with all that is asked of it, before it runs: its trials, its ledger, and what a dry run says of them."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from rich.text import Text

from nnhp_torch import checks
from nnhp_torch.cli import exit_status
from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.known import Known
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore, known_results, stale
from nnhp_torch.core.loop.chosen import Chosen
from nnhp_torch.core.loop.race import Race
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.against_best import FEWEST
from nnhp_torch.core.stats.proposals import Proposals
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict import REQUIRED
from nnhp_torch.report.terminal.console import Terminal
from nnhp_torch.report.words.headline import few_steps
from nnhp_torch.report.words.phrases import count, same_in_words
from nnhp_torch.run.launch.on_slurm.commands import Slurm, names
from nnhp_torch.run.launch.on_slurm.driver import SlurmJobs
from nnhp_torch.run.launch.on_slurm.job import NAME, recorded
from nnhp_torch.run.launch.request import Request
from nnhp_torch.run.launch.workers import is_importable

P = TypeVar("P", bound=SweepBase)


class Prepared:
    """One sweep as the command line asks for it.

    Args:
        sweep: with the changes that the command line makes to it.
        request: how it is to be run.
        command: how the sweep is run, for its reports.

    Raises:
        ValueError: a value that makes no sense, before anything is done.
    """

    def __init__(self, sweep: SweepBase, request: Request, command: str) -> None:
        self.sweep = sweep = judged(sweep, request)
        self.request = request
        self.command = command
        self.chooser = request.chooser and request.chooser(sweep)
        self.store = ResultStore(request.folder(sweep))
        self.proposals: Proposals | None = None
        self.trials: list[Trial] = []  # a search and a race choose them while they run
        if isinstance(sweep, Sweep) and request.chooser is None:
            self.trials = sweep.trials(request.each_seed(sweep), request.full_precision, request.threads)
            if request.proposal is not None:
                self.proposals = Proposals(request.log_dir, request.proposal)
                try:
                    known = known_results(self.store, self.store.results(sweep.provenance), self.trials)
                    anew = self._made_anew(known)
                    self.sweep = sweep = replace(sweep, proposal=self.proposals.of(sweep, self.trials, known, anew))
                except LedgerError as error:
                    raise ValueError(str(error)) from error
            if sweep.max_seeds is not None:
                self.chooser, self.trials = Race(sweep, self.trials), []
        self.runtime = request.runtime(self.sweep)
        if (request.world_size > 1 or request.launcher == "slurm") and (why := self.not_importable()):
            raise ValueError(f"{why} cannot be imported by the processes that these trials need: put it into a module")
        self.out = Terminal()

    def _made_anew(self, known: Mapping[str, TrialResult]) -> Collection[str]:
        """Return the keys of a proposal's results that are made anew; stale ones must not be compared unasked."""
        if self.request.fresh or self.request.stale == "use":
            return known if self.request.fresh else ()
        former = stale(known)
        if former and self.request.stale == "fail":
            raise LedgerError(
                f"{count(len(former), 'result')} of these cells are of another source than today's: "
                "--stale rerun makes them anew, --stale use takes them as they are"
            )
        return former

    def list_trials(self) -> int:
        """Print what would run, and write nothing; return the exit status."""
        try:
            ledger = Known() if self.request.fresh else self.store.results(self.sweep.provenance)

            def known(trial: Trial) -> TrialResult | None:
                return known_results(self.store, ledger, [trial]).get(trial.key)

            chosen = Chosen(self.chooser, self.make).open(known) if self.chooser else ()
            trials = [*self.trials, *chosen]
            results = known_results(self.store, ledger, trials)
            former = stale(results)
        except LedgerError as error:
            return self.refuse(error)
        left = self.jobs()
        jobs = {key: job for key, job in left.items() if key not in results or not results[key].settled}
        several = len({trial.config.seed for trial in trials}) > 1
        for trial in trials:
            of_seed = f"seed={trial.config.seed}"
            name = f"{trial.name},{of_seed}" if several and of_seed not in trial.name.split(",") else trial.name
            status = results[trial.key].status if trial.key in results else "to run"
            there = f"in {names([jobs[trial.key]])[0]}" if trial.key in jobs else status
            said = f"{there}{', stale' * (trial.key in former)}"
            self.out.print(Text.assemble(f"{name}  ", (said, "dim")))
        anew = former if self.request.stale == "rerun" else ()
        waiting = [trial for trial in trials if trial.key not in jobs]
        missing = sum(t.key not in results or t.key in anew or not results[t.key].settled for t in waiting)
        further = self.chooser.remaining() if self.chooser else 0
        then = f", and then up to {further} more" if further else ""
        old = f", {len(former)} are stale (their source has changed since)" if former else ""
        self.out.print(f"{missing} of {len(trials)} trials would run{then}{old}; results go to {self.store.folder}")
        self.list_jobs(missing, left)
        summary = Summary(self.sweep, trials, {})
        same = same_in_words(summary)
        for line in filter(None, (same and f"The same in all: {same}", few_steps(summary))):
            self.out.print(Text(line), soft_wrap=True)
        return exit_status.DONE

    def jobs(self) -> dict[str, Path]:
        """Return the keys of the trials that SLURM has, each with its job."""
        return recorded(self.store.folder / NAME)

    def list_jobs(self, trials: int, there: Mapping[str, Path]) -> None:
        """Print the jobs that there are, and what would be submitted for so many trials, if they run as such."""
        if there:
            self.out.print(
                f"SLURM has {count(len(there), 'trial')} in {', '.join(names(there.values()))}", soft_wrap=True
            )
        if self.request.launcher == "slurm" and trials:
            jobs = self.slurm_jobs()
            most = min(trials, jobs.most * jobs.slurm.trials_per_job)  # at a time
            command = jobs.slurm.command(jobs.folder / "ARRAY", most, self.request.threads, self.runtime)
            self.out.print(command, markup=False, soft_wrap=True)

    def make(self, number: int, values: Mapping[str, Any]) -> Trial:
        """Return the trial of a chosen cell; its seed is the first of those asked for, if the cell has none."""
        request = self.request
        seeded = {"seed": request.each_seed(self.sweep)[0], **values}
        trial: Trial = self.sweep.trial(number, seeded, precision=request.full_precision, threads=request.threads)
        return trial

    def slurm_jobs(self) -> SlurmJobs:
        """Return what runs the trials as jobs of a SLURM cluster."""
        return SlurmJobs(self.sweep.build, self.runtime, Slurm.of(self.request.slurm), chosen=self.chooser is not None)

    def not_importable(self) -> str:
        """Return the name of what keeps the trials in this process, if there is any."""
        return next((name_of(part) for part in (self.sweep.build, self.sweep.base) if not is_importable(part)), "")

    def refuse(self, why: object, status: int = exit_status.FAILED) -> int:
        """Say why it cannot run; return the exit status."""
        Terminal(sys.stderr).print(f"{self.command}: {why}", soft_wrap=True)
        return status


def judged(sweep: P, request: Request) -> P:
    """Return a sweep with what is requested of how its cells are judged.

    Raises:
        ValueError: the run could not answer that.
    """
    made = replace(
        sweep,
        smallest_effect=sweep.smallest_effect if request.smallest_effect is None else request.smallest_effect,
        max_seeds=request.most_seeds if request.races else None,
        baseline=sweep.baseline if request.baseline is None else request.baseline,
        judge=request.judge or sweep.judge,
    )
    checks.choice("require", request.require, (*REQUIRED, None))
    if (request.require or request.proposal) is not None:
        _check_asked(made, request)
    return made


def _check_asked(sweep: SweepBase, request: Request) -> None:
    """Refuse what `--require` or `--proposal` ask for, if that could not be answered."""
    asked = "--proposal" if request.require is None else f"--require {request.require}"
    folds = math.prod(map(len, sweep.replicates.values()))
    if sweep.baseline is None:
        raise ValueError(f"{asked} needs a cell to be held against: --baseline NAME=VALUE")
    if isinstance(sweep, Sweep) and sweep.size == 1:
        raise ValueError("there is no cell beside the baseline's: --grid.NAME VALUE")
    if request.require and max(len(request.each_seed(sweep)), folds) < FEWEST:
        hint = "" if sweep.elsewhere else " (--seeds 5, or auto)"
        raise ValueError(f"--require needs {FEWEST} seeds or more: fewer decide nothing{hint}")
    if request.require == "as-good" and sweep.smallest_difference is None:
        raise ValueError(f"--require as-good needs --smallest_effect: which difference of {sweep.monitor} is none?")
    if request.proposal is None:
        return
    if request.seeds not in (1, "auto") and (isinstance(request.seeds, (int, str)) or len(request.seeds) > 1):
        raise ValueError(f"--proposal adds seeds where they decide: --seeds '[1000]' is the first, not {request.seeds}")
    if sweep.judge is not None or request.chooser is not None or folds > 1:
        raise ValueError("--proposal has a test of its own, over seeds alone: no judge, no chooser, no --over")
