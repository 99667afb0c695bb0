"""Trials as jobs of a SLURM cluster: submitted, listened to, submitted again if they were ended, found again."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.files import read, write
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.background import in_background
from nnhp_torch.run.launch.on_slurm.commands import Slurm, cancel, queue, submit
from nnhp_torch.run.launch.on_slurm.job import NAME, close, record, recorded
from nnhp_torch.run.runtime import Build, Runtime

ASK = 10.0  # seconds between two questions to SLURM's controller, for all jobs together
BEAT = 5.0  # and between two signs of life to the jobs
AHEAD = 1000  # jobs in the queue at most: SLURM's arrays have no more by default
CHOSEN = 8  # and of a search or a race, unless --slurm.array says otherwise
RETRIES = 10  # jobs that bring a trial no epoch further
BY_SIGNAL = ("0", "129", "130", "138", "140", "143")  # exit statuses of a job that was told to end
LIMIT = re.compile(r"limit|Invalid job array", re.IGNORECASE)  # of how many jobs somebody may have in the queue


@dataclass
class Taken:
    """A trial that was taken from the sweep and has not ended."""

    trial: Trial
    job: Path | None  # that has it; None: it is to be submitted
    size: int = 0  # of what that has told; 0: it has not begun
    answer: tuple[int, str | None] = (0, None)  # the furthest epoch of all its jobs, and what was said to that
    vain: int = 0  # jobs since then


class SlurmJobs:
    """Runs trials as jobs of a SLURM cluster, which run on when this process ends; another one finds them again.

    The runtime's folder is one that nodes and driver share. `chosen`: results choose the next trials, so that few wait.
    """

    def __init__(self, build: Build, runtime: Runtime, slurm: Slurm, *, chosen: bool = False) -> None:
        self.build, self.runtime, self.slurm, self.chosen = build, runtime, slurm, chosen
        self.folder = Path(runtime.folder) / NAME
        self.most = (slurm.array or CHOSEN) if chosen else max(AHEAD // slurm.trials_per_job, 1)  # jobs
        self.taken: dict[str, Taken] = {}
        self.beat = self.heard = 0.0

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        self.listener, looked = listener, 0.0
        earlier = recorded(self.folder)
        try:
            while self._listen():
                while len(self.taken) < self.most * self.slurm.trials_per_job and (trial := next(trials, None)):
                    self.taken.setdefault(trial.key, Taken(trial, earlier.pop(trial.key, None)))
                if not self.taken:
                    return
                if due := time.monotonic() > looked + ASK and bool(self.jobs):
                    looked = time.monotonic()
                    self._look()
                if due or self.chosen or not self.jobs:
                    self._submit()
        finally:
            self.folder.joinpath("driver").unlink(missing_ok=True)  # from now on jobs wait for no answer
            with suppress(OSError):
                self.folder.rmdir()

    @property
    def jobs(self) -> set[Path]:
        """The jobs that have trials of this sweep."""
        return {taken.job for taken in self.taken.values() if taken.job}

    def cancel(self) -> None:
        """End the jobs; the same command goes on with their trials."""
        with suppress(WrongUsage, ConnectionError):
            cancel(self.jobs)

    def _listen(self) -> bool:
        """Answer what jobs have told, and pass on what is new; False if the sweep is to stop."""
        if self.jobs and (now := time.monotonic()) > self.beat + BEAT:
            self.beat = now
            answers = {key: taken.answer for key, taken in self.taken.items() if taken.size}
            write(self.folder / "driver", json.dumps({"now": now, **answers}), wait=False)
        # After that, because a network file system looks anew where it has written.
        there = {f"{self.folder}/{name}" for name in os.listdir(self.folder)} if self.jobs else set()
        for key, taken in list(self.taken.items()):
            if (told := f"{taken.job}.{key}.told") in there:
                self._hear(taken, told)
            if (result := f"{taken.job}.{key}.result") in there:  # when all its epochs had been told
                try:
                    ended = TrialResult.from_json(read(Path(result)))
                except ValueError:
                    continue  # a network file system may show half of it for a while
                self._end(taken, ended)
        if self.beat:  # else there is something to answer; more often while much happens
            time.sleep(min(max((time.monotonic() - self.heard) / 20, 0.01), 0.5))
        return not self.listener.stopping()

    def _hear(self, taken: Taken, told: str) -> None:
        """Pass on the epochs that are new; a job that goes on with a trial tells the earlier ones once more."""
        with open(told) as file:
            if (size := os.fstat(file.fileno()).st_size) in (0, taken.size):  # 0: not begun, or not yet anew
                return
            lines = file.read().split("\n")[:-1]
        if not taken.size:
            self.listener.started(taken.trial)
        for epoch, metrics in list(enumerate(lines))[1 + taken.answer[0] :]:
            taken.vain, taken.answer = 0, (epoch, self.listener.epoch_ended(taken.trial, epoch, json.loads(metrics)))
        taken.size, self.heard, self.beat = size, time.monotonic(), 0.0

    def _end(self, taken: Taken, result: TrialResult) -> None:
        self.listener.ended(taken.trial, result)
        self._leave_jobs(self.taken.pop(taken.trial.key))
        self.heard = time.monotonic()

    def _leave_jobs(self, *trials: Taken) -> None:
        for taken in trials:
            if taken.job:
                close(taken.trial.key, taken.job)
                taken.job = None

    def _ask(self, call: Callable[..., Any], *args: Any) -> Any:
        """Return what SLURM answers; it may take long, and all else goes on meanwhile."""
        answer = in_background(call, *args)
        while not answer.done() and self._listen():
            pass
        return answer.result()

    def _submit(self) -> None:
        """Submit what has no job as an array, as far as there is room; if nobody knows of it, the queue will tell."""
        waiting = [taken.trial for taken in self.taken.values() if not taken.job]
        each, running = self.slurm.trials_per_job, len(self.jobs)
        # Each array has a limit of its own: after the first, there are never more jobs than may run at a time.
        room = max(((running and self.slurm.array) or self.most) - running, 0)
        jobs = [waiting[at : at + each] for at in range(0, len(waiting), each)][:room]
        if not jobs:
            return
        made = record(self.folder, jobs, self.build, self.runtime)
        for key, job in made.items():
            self.taken[key].job = job
        with suppress(ConnectionError):
            try:
                self._ask(submit, self.slurm.command(job.with_suffix(""), len(made), waiting[0].threads, self.runtime))
            except WrongUsage as error:
                self._leave_jobs(*map(self.taken.__getitem__, made))
                self.most = len(jobs) // 2 or len(self.jobs)
                if not (self.most and LIMIT.search(str(error))):
                    raise

    def _look(self) -> None:
        """Find out which jobs have gone, and what the others wait for."""
        try:
            listed = self._ask(queue)
        except (ConnectionError, WrongUsage) as error:
            self.listener.waiting(f"SLURM does not answer ({error}); what runs there runs on")
            return
        self.beat = 0.0
        self._listen()
        for job in [job for job in self.jobs if job.name not in listed]:
            self._lost(job)
        states = [listed[job.name] for job in self.jobs if job.name in listed]
        running, why = states.count(""), ", ".join(sorted({*states} - {"", "None"}))
        if said := f"SLURM: {running} running, {len(states) - running} waiting" * bool(states):
            self.listener.waiting(said + f" ({why})" * bool(why))

    def _lost(self, job: Path) -> None:
        """Have the trials of a job that has ended submitted again, but for one that has ended it."""
        last = "\n".join(read(Path(f"{job}.log")).splitlines()[-10:])
        status = re.search(r"exit status (\d+)$", last)
        own = status is not None and status[1] not in BY_SIGNAL
        if own and not self.heard:  # nothing has been done that could be lost
            self.cancel()
            self._leave_jobs(*self.taken.values())
            raise PreparationError(f"no trial can run there: a job has ended.\n{last}")
        for key, taken in [(key, taken) for key, taken in self.taken.items() if taken.job == job]:
            began = own and Path(f"{job}.{key}.told").stat().st_size > 0
            self._leave_jobs(taken)
            taken.vain += 1
            if began or taken.vain == RETRIES:
                if not taken.size:
                    self.listener.started(taken.trial)
                how = status[0] if status else "no word"
                why = f"jobs that came no epoch further: {taken.vain}, the last with {how}. More --slurm.mem or time?"
                self._end(taken, TrialResult.of(taken.trial, "failed", f"{last}\n{why}"))
