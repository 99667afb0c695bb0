"""A job of SLURM's: what it is given, what it does, what it leaves its driver, as files in the sweep's folder.

    .slurm/ARRAY.trials        the driver's, there before sbatch is asked: what each job trains, for these to load
    .slurm/ARRAY.N.KEY.told    of a trial that job N has: empty, then the job's, a line as it begins and for each epoch
    .slurm/ARRAY.N.KEY.result  the job's: what has come of it
    .slurm/ARRAY.N.log         the job's: what it has printed, and last its exit status if it has failed
    .slurm/driver              the driver's: a sign of life, and its answers; other content every few seconds

Nothing is appended by two hosts, no two clocks are compared, what must not be torn is renamed; no job needs a driver.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import LedgerError, PreparationError, WrongUsage
from nnhp_torch.core.interfaces import Launch, Listener
from nnhp_torch.core.ledger.files import read, read_json, replacing, write
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.on_slurm.commands import names, queue
from nnhp_torch.run.launch.workers import InProcess, Workers
from nnhp_torch.run.runtime import Build, Runtime

NAME = ".slurm"
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2}  # any of them asks a job to end
ALONE = 30.0  # seconds without a sign of life of the driver's, after which a job does not wait for its answers


def record(folder: Path, jobs: Sequence[Sequence[Trial]], build: Build, runtime: Runtime) -> dict[str, Path]:
    """Write down what is to be submitted, before it is; return the trials' keys, each with its job, ARRAY.N."""
    folder.mkdir(parents=True, exist_ok=True)
    array = folder / secrets.token_hex(4)
    made = {trial.key: Path(f"{array}.{index}") for index, job in enumerate(jobs) for trial in job}
    for key, job in made.items():
        Path(f"{job}.{key}.told").touch()
    # What makes a job's process look like this one (folder, path, main script), as multiprocessing gives it to those
    # that it starts, but for what no file should hold.
    context = spawn.get_preparation_data("elsewhere")
    with replacing(Path(f"{array}.trials")) as path, open(path, "wb") as file:
        pickle.dump({k: v for k, v in context.items() if k not in ("authkey", "start_method")}, file)
        pickle.dump((build, runtime, jobs), file)
    return made


def _recorded_trials(array: Path) -> tuple[Build, Runtime, Sequence[Sequence[Trial]]]:
    """Return what was written down, in a process that is made to look like the driver's."""
    current: Any = multiprocessing.current_process()
    with open(array, "rb") as file:
        current._inheriting = True  # as in a process of multiprocessing's
        spawn.prepare(pickle.load(file))
        build, runtime, jobs = pickle.load(file)
        del current._inheriting
    return build, runtime, jobs


def recorded(folder: Path) -> dict[str, Path]:
    """Return the keys of the trials that are in a job, each with that; a driver executes nothing that lies there."""
    parts = (path.name.split(".") for path in folder.glob("*.told"))
    return {key: folder / f"{array}.{index}" for array, index, key, _ in parts}


def close(key: str, job: Path) -> None:
    """Take a trial out of its job; of an array that has none left, the sweep's log keeps what it has printed."""
    for name in ("result", "told"):
        Path(f"{job}.{key}.{name}").unlink(missing_ok=True)
    if not any(job.parent.glob(f"{job.stem}.*.told")):
        with open(ResultStore(job.parent.parent).log, "a") as log:
            log.writelines(f"{said}\n" for path in job.parent.glob(f"{job.stem}.*.log") if (said := read(path)))
        for path in job.parent.glob(f"{job.stem}.*"):  # whoever still submits it submits nothing
            path.unlink(missing_ok=True)


def refuse_jobs(folder: Path) -> None:
    """Raise LedgerError if jobs have been left to SLURM, which write to a sweep's folder as another launcher would."""
    if not (jobs := set(recorded(folder / NAME).values())):
        return
    with suppress(WrongUsage, OSError):
        if not any(folder.glob(f"{NAME}/*.result")) and not {job.name for job in jobs} & queue().keys():
            shutil.rmtree(folder / NAME)  # they were ended
            return
    raise LedgerError(
        f"{folder} has jobs in SLURM: --launcher slurm, without --fresh, takes what they have done. To be rid of them: "
        + "; ".join([*(f"scancel --name={name}" for name in names(jobs)), f"rm -r {folder / NAME}"])
    )


class Mail(Listener):
    """The Listener of the job's trials: it writes to files what the driver reads, and waits for its answers."""

    def __init__(self, job: Path) -> None:
        self.job = job
        self.driver, self.since = dict[str, Any](), time.monotonic()  # what it has said, and since when
        self.ending = False  # after the epoch that was running when a signal came

    def _tell(self, trial: Trial, how: int, line: str = "") -> None:
        """Write a line; FileNotFoundError if the driver has taken the trial out of this job."""
        with open(os.open(f"{self.job}.{trial.key}.told", os.O_WRONLY | how), "w") as file:
            file.write(f"{line}\n")

    def started(self, trial: Trial) -> None:
        self._tell(trial, os.O_TRUNC)  # what it told before it was put back into the queue, it will tell again

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        """Wait for the answer, as long as a driver lives (by the job's own clock) and no signal comes."""
        self._tell(trial, os.O_APPEND, json.dumps(dict(metrics)))
        pause, (answered, reason) = 0.01, self._answered(trial.key)
        further = answered < epoch  # than an earlier job had come
        while answered < epoch and self.driver and time.monotonic() < self.since + ALONE and not self._is_told_to_end():
            time.sleep(pause)
            pause, (answered, reason) = min(pause * 1.2, 1.0), self._answered(trial.key)
        self.ending = further and self._is_told_to_end()
        return reason if answered == epoch else None

    def _answered(self, key: str) -> tuple[int, str | None]:
        """Return the last epoch that the driver has answered, and what."""
        if (said := read_json(self.job.with_name("driver"))) != self.driver:
            self.driver, self.since = said, time.monotonic()
        epoch, reason = said.get(key, (0, None))
        return epoch, reason

    def ended(self, trial: Trial, result: TrialResult) -> None:
        self.ending = self._is_told_to_end()
        if result.status != "interrupted":
            write(Path(f"{self.job}.{trial.key}.result"), result.to_json())

    def stopping(self) -> bool:
        return self.ending

    def _is_told_to_end(self) -> bool:
        """Return whether a signal has come; they are blocked, so that nobody dies of one, and looked at in time."""
        return bool(signal.sigpending() & SIGNALS)


def main(job: Path) -> None:
    """Train what is left of a job's trials."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # also in threads and processes to come
    os.environ["NNHP_JOB"] = job.name
    build, runtime, jobs = _recorded_trials(job.with_suffix(".trials"))
    trials = jobs[int(job.suffix[1:])]
    left = [t for t in trials if Path(f"{job}.{t.key}.told").exists() and not Path(f"{job}.{t.key}.result").exists()]
    # A process of its own for each, if there are several: what is wrong with one must not befall the next.
    alone = len(left) == 1 and runtime.world_size == 1
    launch: Launch = InProcess(build, runtime) if alone else Workers(build, runtime, jobs=1)
    try:
        launch(iter(left), Mail(job))
    except (PreparationError, OSError) as error:
        raise SystemExit(str(error)) from None  # the log's last line


if __name__ == "__main__":
    main(Path(sys.argv[1]))
