"""One sweep as the command line wants it: where its trials run, what it shows, its exit status."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from nnhp_torch.cli import exit_status
from nnhp_torch.cli.command.drawing import Drawing, undrawn
from nnhp_torch.cli.command.interrupt import Interrupt
from nnhp_torch.cli.command.prepared import Prepared
from nnhp_torch.core.errors import InUse, LedgerError, PreparationError, SweepError, WrongUsage
from nnhp_torch.core.interfaces import Launch, Listener, SweepCallback
from nnhp_torch.core.ledger.files import disk_full, read_only
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.core.stats.verdict import holds
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.report.commands import whole_command
from nnhp_torch.report.csv import TablesReport
from nnhp_torch.report.figure.callback import FigureReport
from nnhp_torch.report.page.callback import PageReport
from nnhp_torch.report.terminal.progress import ProgressReport
from nnhp_torch.report.terminal.table import TableReport
from nnhp_torch.run.checkpoint_tidying import CheckpointTidying
from nnhp_torch.run.launch.on_slurm.commands import names
from nnhp_torch.run.launch.on_slurm.driver import SlurmJobs
from nnhp_torch.run.launch.on_slurm.job import refuse_jobs
from nnhp_torch.run.launch.request import Request
from nnhp_torch.run.launch.worker_processes import Pool
from nnhp_torch.run.launch.workers import InProcess, Workers


class Command(Prepared):
    """One sweep as the command line runs it: Prepared says of what it is made."""

    def __init__(self, sweep: SweepBase, request: Request, command: str) -> None:
        super().__init__(sweep, request, command)
        self.again = whole_command()  # what the page tells to type
        self.pool: Pool | None = None  # of workers that live on after the sweep
        self.drawing: Drawing | None = None  # goes on after it, too
        self.outcome: Outcome | None = None
        self.interrupt = Interrupt()

    def perform(self) -> Outcome:
        """Run the sweep; return the outcome and keep it.

        Raises:
            SweepError, OSError, KeyboardInterrupt: as the command line says them in words (see execute).
        """
        aside = self._make_room()
        self.progress = ProgressReport(self.out, f"The earlier results are in {aside}" if aside else "")
        callbacks = [self.progress, *self.callbacks(), *self.request.callbacks]
        options = {"fail_fast": self.request.fail_fast, "rerun": self.request.stale == "rerun"}
        launch, proposal = partial(self._enter, self.launch()), self.sweep.proposal
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

    def _enter(self, launch: Launch, trials: Iterator[Trial | None], listener: Listener) -> None:
        """Run trials; a proposal is entered first, now that the folder is this process's alone."""
        if self.proposals and self.sweep.proposal and isinstance(self.sweep, Sweep):
            self.proposals.enter(self.sweep.proposal, self.sweep)
        launch(trials, listener)

    def then(self) -> Command | None:
        """Return what runs once this has ended; None if nothing does."""
        return None

    def _run_jobs(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        """Run trials as SLURM's jobs; those that are left run on or end before anything is said of them."""
        launch = self.slurm_jobs()
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
        """Make the folder; return where earlier results are now, if they were asked to be set aside."""
        if self.request.launcher != "slurm" or self.request.fresh:
            refuse_jobs(self.store.folder)
        try:
            aside = self.store.set_aside() if self.request.fresh else None
            self.store.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"{self.store.folder} cannot be made: {error}") from error
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
        except (WrongUsage, InUse) as error:
            return self.refuse(error, exit_status.WRONG_USAGE)
        except SweepError as error:
            return self.refuse(error)
        except KeyboardInterrupt:
            return undrawn(self.out) if self.interrupt.listened else exit_status.stopped()
        except OSError as error:
            if read_only(error):
                return self.refuse(f"{folder} cannot be written: {error}")
            if not disk_full(error):
                raise  # a callback's own, perhaps: its traceback tells
            return self.refuse(
                f"the disk with {folder} is full ({error}). Make room and run the same command again: "
                "what was there is intact, and each trial goes on from its last checkpoint."
            )
        if outcome.interrupted and self.interrupt.signal is not None:
            return exit_status.stopped(self.interrupt.signal)
        return status_of(self.out, outcome, self.request)

    def launch(self) -> Launch:
        """Return where the trials run."""
        build, request = self.sweep.build, self.request
        if request.launch is not None:
            return request.launch(build, self.runtime)
        if request.cluster:
            from nnhp_torch.run.launch.on_ray.tasks import RayTasks

            jobs = None if request.jobs == "auto" else request.jobs
            return RayTasks(build, self.runtime, request.cluster, jobs=jobs)
        if request.launcher == "slurm":
            return self._run_jobs
        if request.workers and (why := self.not_importable()):
            said = f"Runs in this process, because {why} cannot be imported by worker processes"
            self.out.print(said, markup=False, soft_wrap=True)
        elif request.workers:
            return Workers(build, self.runtime, request.workers, pool=self.pool)
        return InProcess(build, self.runtime)

    def callbacks(self) -> list[SweepCallback]:
        """Return the callbacks that write and show the sweep's results."""
        folder = self.store.folder
        table, *drawn = self.reports()
        if self.drawing and self.request.workers:  # trials in this process have its generators to themselves
            drawn = [self.drawing.later(report) for report in drawn]
        kept = CheckpointTidying(folder, self.request.keep_checkpoints)
        return [kept, table, TablesReport(folder, self.again), *drawn]

    def reports(self) -> list[SweepCallback]:
        """Return the table, and then what takes a while to draw."""
        folder, keep = self.store.folder, self.request.keep_checkpoints
        return [
            TableReport(self.out, self.store, self.command, keep=keep),
            FigureReport(folder),
            PageReport(folder, self.again),
        ]


def status_of(out: Console, outcome: Outcome, request: Request) -> int:
    """Return the exit status of what has ended; that no cell is what is required is said.

    A trial that has failed or diverged, and will not run again, is no answer to what is required.
    """
    answered = request.require is not None and outcome.summary.control is not None
    if not outcome.successful and not (answered and (outcome.sweep.elsewhere or not outcome.left)):
        return exit_status.FAILED
    if outcome.stale and request.stale == "fail":
        return exit_status.STALE
    if holds(outcome.verdicts, request.require):
        return exit_status.DONE
    out.print(f"--require {request.require}: no cell is known to be; exit status {exit_status.UNMET}")
    return exit_status.UNMET
