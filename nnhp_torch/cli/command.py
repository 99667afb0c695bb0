"""One sweep as the command line wants it: where its trials run, what it shows, its exit status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from nnhp_torch.cli import exit_status
from nnhp_torch.cli.drawing import Drawing
from nnhp_torch.cli.interrupt import Interrupt
from nnhp_torch.core.errors import LedgerError, PreparationError, SweepError, WrongUsage
from nnhp_torch.core.interfaces import Launch, Listener, SweepCallback
from nnhp_torch.core.ledger.files import disk_full, read_only
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore, known_results, stale
from nnhp_torch.core.loop.chosen import Chosen
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.proposals import Proposals
from nnhp_torch.core.stats.race import Race
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict_row import holds
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.commands import whole_command
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.figure.callback import FigureReport
from nnhp_torch.report.headline import few_steps
from nnhp_torch.report.page.callback import PageReport
from nnhp_torch.report.progress import ProgressReport
from nnhp_torch.report.table import TableReport, console
from nnhp_torch.report.terminal import Terminal
from nnhp_torch.report.words import count, same_in_words
from nnhp_torch.run.keep import CheckpointPruning
from nnhp_torch.run.launch.on_slurm import SlurmJobs
from nnhp_torch.run.launch.question import judged
from nnhp_torch.run.launch.request import Request
from nnhp_torch.run.launch.slot import Pool
from nnhp_torch.run.launch.slurm import Slurm, names
from nnhp_torch.run.launch.slurm_job import NAME, recorded, refuse_jobs
from nnhp_torch.run.launch.workers import InProcess, Workers, is_importable


class Command:
    """One sweep as the command line wants it.

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
        self.again = whole_command()  # what the page tells to type
        self.pool: Pool | None = None  # of workers that live on after the sweep
        self.drawing: Drawing | None = None  # goes on after it, too
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
        if (request.world_size > 1 or request.launcher == "slurm") and (why := self._not_importable()):
            raise ValueError(f"{why} cannot be imported by the processes that these trials need: put it into a module")
        self.out = console()
        self.outcome: Outcome | None = None
        self.interrupt = Interrupt()

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
        """Print what would run, and write nothing."""
        try:
            ledger = self.store.results(self.sweep.provenance)

            def known(trial: Trial) -> TrialResult | None:
                return known_results(self.store, ledger, [trial]).get(trial.key)

            chosen = Chosen(self.chooser, self.make).open(known) if self.chooser else ()
            trials = [*self.trials, *chosen]
            results = {trial.key: result for trial in trials if (result := known(trial))}
            former = stale(results)
        except LedgerError as error:
            return self._refuse(error)
        left = recorded(self.store.folder / NAME)
        jobs = {key: job for key, job in left.items() if key not in results or not results[key].settled}
        for trial in trials:
            status = results[trial.key].status if trial.key in results else "to run"
            there = f"in {names([jobs[trial.key]])[0]}" if trial.key in jobs else status
            said = f"{there}{', stale' * (trial.key in former)}"
            self.out.print(Text.assemble(f"{trial.name}  ", (said, "dim")))
        anew = former if self.request.stale == "rerun" else ()
        waiting = [trial for trial in trials if trial.key not in jobs]
        missing = sum(t.key not in results or t.key in anew or not results[t.key].settled for t in waiting)
        further = self.chooser.remaining() if self.chooser else 0
        then = f", and then up to {further} more" if further else ""
        old = f", {len(former)} are stale (their source has changed since)" if former else ""
        self.out.print(f"{missing} of {len(trials)} trials would run{then}{old}; results go to {self.store.folder}")
        self.list_jobs(missing)
        summary = Summary(self.sweep, trials, {})
        same = same_in_words(summary)
        for line in filter(None, (same and f"The same in all: {same}", few_steps(summary))):
            self.out.print(Text(line), soft_wrap=True)
        return 0

    def list_jobs(self, trials: int) -> None:
        """Print what would be submitted for so many trials, if they run as jobs of a cluster."""
        if there := recorded(self.store.folder / NAME):
            self.out.print(
                f"SLURM has {count(len(there), 'trial')} in {', '.join(names(there.values()))}", soft_wrap=True
            )
        if self.request.launcher == "slurm" and trials:
            jobs = self._slurm()
            most = min(trials, jobs.most * jobs.slurm.trials_per_job)  # at a time
            command = jobs.slurm.command(jobs.folder / "ARRAY", most, self.request.threads, self.runtime)
            self.out.print(command, markup=False, soft_wrap=True)

    def perform(self) -> Outcome:
        """Run the sweep; return the outcome and keep it.

        Raises:
            SweepError, OSError, KeyboardInterrupt: as the command line says them in words (see execute).
        """
        aside = self._make_room()
        self.progress = ProgressReport(self.out, f"The earlier results are in {aside}" if aside else "")
        callbacks = [self.progress, *self.callbacks(), *self.request.callbacks]
        options = {"fail_fast": self.request.fail_fast, "rerun": self.request.stale == "rerun"}
        launch, proposal = self.launch(), self.sweep.proposal
        if self.proposals and proposal and isinstance(self.sweep, Sweep):
            self.proposals.enter(proposal, self.sweep)
        try:
            with self.interrupt, self.progress:
                self.outcome = Sweeper(launch, self.store, callbacks, **options).run(
                    self.sweep, self.trials, self.interrupt.requested, chooser=self.chooser, make=self.make
                )
        except PreparationError:
            self._put_back(aside)
            raise
        if self.proposals and proposal and not self.outcome.left:
            self.proposals.close(proposal, [row.cell for row in self.outcome.verdicts if row.verdict == "better"])
        return self.outcome

    def then(self) -> Command | None:
        """Return what runs once this has ended; None if nothing does."""
        return None

    def make(self, number: int, values: Mapping[str, Any]) -> Trial:
        """Return the trial of a chosen cell; its seed is the first of those asked for, if the cell has none."""
        request = self.request
        seeded = {"seed": request.each_seed(self.sweep)[0], **values}
        trial: Trial = self.sweep.trial(number, seeded, precision=request.full_precision, threads=request.threads)
        return trial

    def _run_jobs(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        """Run trials as SLURM's jobs; those that are left run on or end before anything is said of them."""
        launch = self._slurm()
        try:
            launch(trials, listener)
        finally:
            if launch.jobs:
                self._leave(launch)

    def _leave(self, launch: SlurmJobs) -> None:
        """Leave jobs to run on if this process alone is to end; else end them."""
        self.progress.bars.stop()
        asks = self.interrupt.signal == signal.SIGINT and not self.request.detach
        stays = self.interrupt.signal is not None and not asks
        if asks and sys.stdin.isatty():
            with self.interrupt.aside(), suppress(EOFError, KeyboardInterrupt):
                stays = input("Jobs are left in SLURM's queue. End them? [y/N] ")[:1].lower() != "y"
        if not stays:
            launch.cancel()
        said = "run on; the same command takes what they have done" if stays else "were ended"
        self.out.print(f"SLURM's jobs {' '.join(names(launch.jobs))} {said}", soft_wrap=True)

    def _make_room(self) -> Path | None:
        """Make the folder; return the one in which earlier results are, if they were asked to be set aside."""
        if self.request.launcher != "slurm" or self.request.fresh:
            refuse_jobs(self.store.folder)
        try:
            aside = self.store.set_aside() if self.request.fresh else None
            self.store.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(str(error)) from error
        return aside

    def _put_back(self, aside: Path | None) -> None:
        """Leave the folder as it was before a start that has failed; their log gains what they said."""
        folder, log = self.store.folder, self.store.log
        with suppress(OSError):
            if aside is not None and list(folder.iterdir()) == [log]:
                with open(aside / log.name, "ab") as file:
                    file.write(log.read_bytes())
                log.unlink()
            folder.rmdir()  # which fails if a trial has begun
            if aside is not None:
                aside.rename(folder)

    def execute(self) -> int:
        """Run the sweep as the command line does: what goes wrong is said in a line; return the exit status."""
        folder = self.store.folder
        self.interrupt.leaves = True
        try:
            outcome = self.perform()
        except WrongUsage as error:
            return self._refuse(error, exit_status.WRONG_USAGE)
        except SweepError as error:
            return self._refuse(error)
        except KeyboardInterrupt:
            return undrawn(self.out) if self.interrupt.listened else exit_status.stopped()
        except OSError as error:
            if read_only(error):
                return self._refuse(f"{folder} cannot be written: {error}")
            if not disk_full(error):
                raise  # a callback's own, perhaps: its traceback tells
            return self._refuse(
                f"the disk with {folder} is full ({error}). Make room and run the same command again: "
                "what was there is intact, and each trial goes on from its last checkpoint."
            )
        status = _status(outcome, self.interrupt)
        if not status and outcome.stale and self.request.stale == "fail":
            return exit_status.STALE
        return status or unmet(self.out, outcome, self.request.require)

    def launch(self) -> Launch:
        """Return where the trials run."""
        build, request = self.sweep.build, self.request
        if request.launch is not None:
            return request.launch(build, self.runtime)
        if request.cluster:
            from nnhp_torch.run.launch.on_ray import RayTasks

            jobs = None if request.jobs == "auto" else request.jobs
            return RayTasks(build, self.runtime, request.cluster, jobs=jobs)
        if request.launcher == "slurm":
            return self._run_jobs
        if request.workers and (why := self._not_importable()):
            said = f"Runs in this process, because {why} cannot be imported by worker processes"
            self.out.print(said, markup=False, soft_wrap=True)
        elif request.workers:
            return Workers(build, self.runtime, request.workers, pool=self.pool)
        return InProcess(build, self.runtime)

    def _slurm(self) -> SlurmJobs:
        return SlurmJobs(self.sweep.build, self.runtime, Slurm.of(self.request.slurm), chosen=self.chooser is not None)

    def _not_importable(self) -> str:
        """Return the name of what keeps the trials in this process, if there is any."""
        parts = (self.sweep.build, self.sweep.base)
        return next((name_of(part) for part in parts if not is_importable(part)), "")

    def callbacks(self) -> list[SweepCallback]:
        """Return the callbacks that write and show the sweep's results."""
        folder = self.store.folder
        drawn: list[SweepCallback] = [FigureReport(folder), PageReport(folder, self.again)]
        if self.drawing and self.request.workers:  # trials in this process have its generators to themselves
            drawn = [self.drawing.later(report) for report in drawn]
        return [
            CheckpointPruning(folder, self.request.keep_checkpoints),
            TableReport(self.out, self.store, self.command, keep=self.request.keep_checkpoints),
            TablesReport(folder, self.again),
            *drawn,
        ]

    def _refuse(self, why: object, status: int = exit_status.FAILED) -> int:
        Terminal(sys.stderr).print(f"{self.command}: {why}", soft_wrap=True)
        return status


def unmet(out: Console, outcome: Outcome, require: str | None) -> int:
    """Say that no cell is what was required, if none is; returns the exit status."""
    if holds(outcome.verdicts, require):
        return exit_status.DONE
    out.print(f"--require {require}: no cell is known to be; exit status {exit_status.UNMET}")
    return exit_status.UNMET


def undrawn(out: Console) -> int:
    """Say what Ctrl-C has ended once the results and the table were there; returns the exit status."""
    out.print("Interrupted while a picture was drawn: all results are in the ledger, and the same command draws it.")
    return exit_status.stopped()


def _status(outcome: Outcome, interrupt: Interrupt) -> int:
    if outcome.interrupted and interrupt.signal is not None:
        return exit_status.stopped(interrupt.signal)
    return exit_status.DONE if outcome.successful else exit_status.FAILED
