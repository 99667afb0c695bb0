"""Trials as jobs of a SLURM cluster: submitted, listened to, submitted again if they were ended, found again."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.beside import beside
from nnhp_torch.run.launch.slurm import LIMIT, Refused, Slurm, Unreachable, cancel, name_of, queue, submit
from nnhp_torch.run.launch.slurm_files import NAME, Build, Job, read, record, recorded, void, write
from nnhp_torch.run.launch.worker import UNGUARDED
from nnhp_torch.run.runtime import Runtime

ASK = 10.0  # seconds between two questions to SLURM's controller, for all jobs together
BEAT = 5.0  # and between two signs of life to the jobs
AHEAD = 1000  # trials in the queue at most: SLURM's arrays have no more by default
CHOSEN = 8  # trials of a search or a race at a time, unless --slurm.array says otherwise
RETRIES = 10  # jobs in which a trial comes no epoch further
BY_SIGNAL = ("", "0", "129", "130", "138", "140", "143")  # exit statuses of a job that was told to end


class SlurmJobs:
    """Runs trials as jobs of a SLURM cluster, which run on when this process ends; another one finds them again.

    Args:
        build: configuration → (module, data module, callbacks), or its "package.module:function".
        runtime: what the trials share; its folder is on a file system that nodes and driver share.
        slurm: how jobs are submitted.
        chosen: whether the next trials depend on results, so that few should wait in the queue.
    """

    def __init__(self, build: Build, runtime: Runtime, slurm: Slurm, *, chosen: bool = False) -> None:
        self.build, self.runtime, self.slurm = build, runtime, slurm
        self.folder = Path(runtime.folder) / NAME
        self.most = (slurm.array or CHOSEN) * slurm.trials_per_job if chosen else AHEAD
        self.jobs: list[Job] = []
        self.waiting: dict[str, Trial] = {}  # key → what is to be submitted
        self.flight: dict[str, Trial] = {}  # key → what has been
        self.begun: set[str] = set()  # of these, what the listener has heard of
        self.epochs: Counter[str] = Counter()  # key → the furthest that any job has come with it
        self.vain: Counter[str] = Counter()  # key → jobs since then
        self.call: tuple[Future[Any], Callable[[Future[Any]], None]] | None = None  # to SLURM, and who hears the answer
        self.asked = self.beat = self.heard = 0.0

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        self.listener = listener
        self.jobs = recorded(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        name, alive, more = uuid.uuid4().hex, self.folder / "driver", True
        try:
            while not listener.stopping() and (more or self.flight or self.waiting):
                if time.monotonic() > self.beat + BEAT:
                    self.beat = time.monotonic()
                    write(alive, f"{name} {self.beat}")
                more = more and self._take(trials)
                self._read()
                self._speak()
                time.sleep(min(max((time.monotonic() - self.heard) / 20, 0.01), 0.5))
        except PreparationError:
            if not self.heard:  # nothing has been done that could be lost
                self.cancel()
                shutil.rmtree(self.folder)
                self.jobs.clear()
            raise
        finally:
            alive.unlink(missing_ok=True)  # from now on jobs wait for no answer
            with suppress(OSError):
                self.folder.rmdir()

    @property
    def ids(self) -> list[str]:
        """The arrays whose jobs have not ended."""
        return sorted(read(folder / "id") or folder.name for folder in {job.folder for job in self.jobs})

    def cancel(self) -> None:
        """End the jobs; the same command goes on with their trials."""
        with suppress(Refused, Unreachable):
            cancel([name_of(folder) for folder in {job.folder for job in self.jobs}])

    def _take(self, trials: Iterator[Trial | None]) -> bool:
        """Take as many trials as there is room for in the queue; whether there may be more."""
        known = {key for job in self.jobs for key in job.open}
        while len(self.flight) + len(self.waiting) < self.most:
            try:
                trial = next(trials)
            except StopIteration:
                return False
            if trial is None:
                return True
            if trial.key not in self.flight:
                (self.flight if trial.key in known else self.waiting)[trial.key] = trial
        return True

    def _read(self) -> None:
        """Read what jobs have left since the last time, and answer."""
        for folder, jobs in itertools.groupby(list(self.jobs), key=lambda job: job.folder):
            names = set(os.listdir(folder))  # of a result that is among them all epochs have been told
            found = (re.fullmatch(r"(\d+)\.(\d+)\.told", name) for name in names)
            starts = dict(sorted((int(match[1]), int(match[2])) for match in found if match))
            for job in jobs:
                if job.index in starts:
                    self._hear(job, job.lines(starts[job.index]))
                for key in [key for key in job.open if f"{key}.result" in names and key in self.flight]:
                    self._end(key, TrialResult.from_json((result := folder / f"{key}.result").read_text()))
                    result.unlink()
                    self._close(job, key)

    def _hear(self, job: Job, lines: list[dict[str, Any]]) -> None:
        reason = None
        for line in lines:
            if "trial" in line:
                job.at = line["trial"]
                self._begin(job.at)
            elif "epoch" in line:
                if line["epoch"] > self.epochs[job.at]:
                    self.epochs[job.at], self.vain[job.at] = line["epoch"], 0
                trial = self.flight.get(job.at)
                reason = self.listener.epoch_ended(trial, line["epoch"], line["metrics"]) if trial else None
            elif "signal" in line:
                job.signalled = True
            else:
                error = {"WrongUsage": WrongUsage, "PreparationError": PreparationError}.get(line["error"])
                raise error(line["said"]) if error else OSError(line["errno"], line["said"])
        if lines:
            self.heard = time.monotonic()
            job.answer(reason)

    def _begin(self, key: str) -> None:
        if key in self.flight and key not in self.begun:
            self.begun.add(key)
            self.listener.started(self.flight[key])

    def _end(self, key: str, result: TrialResult) -> None:
        self._begin(key)
        self.listener.ended(self.flight.pop(key), result)
        self.begun.discard(key)
        del self.epochs[key], self.vain[key]
        self.heard = time.monotonic()

    def _close(self, job: Job, key: str) -> None:
        """Leave a trial out of a job; of one that has none left, the sweep's log keeps what it has printed."""
        job.open.remove(key)
        if not job.open:
            if printed := job.left("log"):
                with open(ResultStore(self.runtime.folder).log, "a") as log:
                    log.write(f"{printed}\n")
            for path in job.folder.glob(f"{job.index}.*"):
                path.unlink(missing_ok=True)
            self.jobs.remove(job)
            if all(other.folder != job.folder for other in self.jobs):
                void(job.folder)

    def _speak(self) -> None:
        """Have SLURM do what is to be done, one thing at a time and beside all else: it may take long to answer."""
        if self.call is not None:
            if self.call[0].done():
                (answer, hear), self.call = self.call, None
                hear(answer)
        elif trials := self._due():
            made = record(self.folder, trials, self.build, self.runtime)
            command, script = self.slurm.command(made[0].folder, len(made), trials[0][0].threads, self.runtime)
            (made[0].folder / "script.sh").write_text(script)
            self.jobs += made
            self.flight |= {trial.key: self.waiting.pop(trial.key) for job in trials for trial in job}
            self.call = beside(submit, command), partial(self._submitted, made[0].folder)
        elif self.flight and time.monotonic() > self.asked + ASK:
            self.asked = time.monotonic()
            self.call = beside(queue), self._listed

    def _due(self) -> list[list[Trial]]:
        """Return the trials of each job to submit now: all, but never more at a time than are asked for."""
        running = sum(any(key in self.flight for key in job.open) for job in self.jobs)
        room = (self.slurm.array if self.slurm.array and running else self.most) - running
        each, trials = self.slurm.trials_per_job, list(self.waiting.values())
        return [trials[at : at + each] for at in range(0, len(trials), each)][: max(room, 0)]

    def described(self, threads: int, trials: int) -> str:
        """Return the command and the script that would be submitted for so many trials."""
        jobs = -(-min(trials, self.most) // self.slurm.trials_per_job)
        command, script = self.slurm.command(self.folder / "0001", jobs, threads, self.runtime)
        return f"{shlex.join(command)}\n{script}"

    def _submitted(self, folder: Path, answer: Future[str]) -> None:
        try:
            number = answer.result()
            if folder.exists():  # its jobs may all have ended by now
                write(folder / "id", number)
        except Unreachable:
            pass  # it may have been submitted all the same: the queue will tell
        except Refused as error:
            jobs = self._take_back(folder)
            if not LIMIT.search(str(error)) or (jobs == 1 and not self.flight):
                raise WrongUsage(str(error)) from error
            self.most = jobs // 2 if jobs > 1 else len(self.flight)

    def _take_back(self, folder: Path) -> int:
        """Have the trials of what was not submitted submitted anew; return how many jobs they were."""
        jobs = [job for job in self.jobs if job.folder == folder]
        self.jobs = [job for job in self.jobs if job.folder != folder]
        self.waiting |= {key: self.flight.pop(key) for job in jobs for key in job.open if key in self.flight}
        void(folder)
        return len(jobs)

    def _listed(self, answer: Future[dict[tuple[str, int], tuple[str, str]]]) -> None:
        """Find out which jobs have gone, and what the others wait for."""
        try:
            listed = answer.result()
        except (Unreachable, Refused) as error:
            self.listener.waiting(f"SLURM does not answer ({error}); what runs there runs on")
            return
        for folder in {job.folder for job in self.jobs}:
            write(folder / "seen", "")  # a network file system looks anew where it has written
        self._read()
        states: Counter[str] = Counter()
        for job in list(self.jobs):
            if found := listed.get((name_of(job.folder), job.index)):
                states[found[1]] += 1
                job.missed = 0
                if not read(job.folder / "id"):
                    write(job.folder / "id", found[0])
                continue
            job.missed += 1
            if job.left("exit") or job.missed > 1:  # else its last words may still be on their way
                self._lost(job)
        for folder in {job.folder for job in self.jobs if not read(job.folder / "id")}:
            if not any(folder.glob("*.log")):  # no id, none in the queue, and none that has run
                self._take_back(folder)
        running, waiting, why = states.pop("", 0), states.total(), ", ".join(states)
        self.listener.waiting(f"SLURM: {running} running" + f", {waiting} waiting ({why})" * bool(waiting))

    def _lost(self, job: Job) -> None:
        """Have the trials of a job that has ended submitted again, but for one that has ended it."""
        if not (lost := [key for key in job.open if key in self.flight]):
            return
        status, last = job.left("exit"), "\n".join(job.left("log").splitlines()[-10:])
        if status == str(UNGUARDED):
            raise WrongUsage('the script runs again in each job: put main(…) below `if __name__ == "__main__":`')
        own = status not in BY_SIGNAL and not job.signalled
        if own and not job.at and not self.heard:
            raise PreparationError(f"no trial can run there: a job has ended with exit status {status}:\n{last}")
        for key in lost:
            self._close(job, key)
            self.vain[key] += 1
            if own and key == job.at:
                hint = " (the system kills so when memory runs out)" * (status == "137")
                why = f"its job has ended with exit status {status}{hint}"
            elif self.vain[key] < RETRIES:
                self.waiting[key] = self.flight.pop(key)
                continue
            else:
                why = f"{RETRIES} jobs have ended before an epoch of it was over: more --slurm.time?"
            self._end(key, TrialResult.of(self.flight[key], "failed", f"{last}\n{why}".strip()))
