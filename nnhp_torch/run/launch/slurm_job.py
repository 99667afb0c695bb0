"""A job of SLURM's: what it is given, what it does, what it leaves its driver, as files in the sweep's folder.

    .slurm/ARRAY.trials        the driver's, there before sbatch is asked: what each job trains, for these to load
    .slurm/ARRAY.N.KEY.told    of a trial that job N has: empty, then the job's, a line as it begins and for each epoch
    .slurm/ARRAY.N.KEY.result  the job's: what has come of it
    .slurm/ARRAY.N.log         the job's: what it has printed, and last its exit status if it has failed
    .slurm/driver              the driver's: a sign of life, and its answers; other content every few seconds

Nothing is appended by two hosts, no two clocks are compared, and what must not be torn is written whole and renamed.
A job needs no driver: if none listens, it trains on, and the next one finds what it has left.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import LedgerError, PreparationError, WrongUsage
from nnhp_torch.core.interfaces import Launch
from nnhp_torch.core.ledger.files import read, replacing
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.local import InProcess, Workers
from nnhp_torch.run.launch.slurm import LETTERS, names, queue
from nnhp_torch.run.runtime import Runtime

NAME = ".slurm"
SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2}  # any of them asks a job to end
ALONE = 30.0  # seconds without a sign of life of the driver's, after which a job does not wait for its answers
Build = str | Callable[..., Any]


def record(folder: Path, jobs: Sequence[Sequence[Trial]], build: Build, runtime: Runtime) -> dict[str, Path]:
    """Write down what is to be submitted, before it is; return the trials' keys, each with its job, ARRAY.N."""
    folder.mkdir(parents=True, exist_ok=True)
    array = folder / uuid.uuid4().hex[:LETTERS]
    made = {trial.key: Path(f"{array}.{index}") for index, job in enumerate(jobs) for trial in job}
    for key, job in made.items():
        Path(f"{job}.{key}.told").touch()
    # As multiprocessing does for the processes that it starts, but for what no file should hold.
    context = spawn.get_preparation_data("SLURM")
    with replacing(Path(f"{array}.trials")) as path, open(path, "wb") as file:
        pickle.dump({k: v for k, v in context.items() if k not in ("authkey", "start_method")}, file)
        pickle.dump((build, runtime, jobs), file)
    return made


def recorded(folder: Path) -> dict[str, Path]:
    """Return the keys of the trials that are in a job, each with that; a driver executes nothing that lies there."""
    parts = (path.name.split(".") for path in folder.glob("*.told"))
    return {key: folder / f"{array}.{index}" for array, index, key, _ in parts}


def close(key: str, job: Path, log: Path) -> None:
    """Take a trial out of its job; of an array that has none left, the sweep's log keeps what it has printed."""
    for name in ("result", "told"):
        Path(f"{job}.{key}.{name}").unlink(missing_ok=True)
    if not any(job.parent.glob(f"{job.stem}.*.told")):
        with open(log, "a") as file:
            file.writelines(f"{said}\n" for path in job.parent.glob(f"{job.stem}.*.log") if (said := read(path)))
        for path in job.parent.glob(f"{job.stem}.*"):  # whoever still submits it submits nothing
            path.unlink(missing_ok=True)


def refuse_jobs(folder: Path) -> None:
    """Raise LedgerError if jobs have been left to SLURM, which write to a sweep's folder as another launcher would."""
    if not (jobs := recorded(folder / NAME)):
        return
    waits = any(Path(f"{job}.{key}.result").exists() for key, job in jobs.items())
    with suppress(WrongUsage, OSError):
        if not waits and not {job.name for job in jobs.values()} & queue().keys():
            shutil.rmtree(folder / NAME)  # they were ended
            return
    ends = "; ".join(f"scancel --name={name}" for name in names(jobs.values()))
    raise LedgerError(
        f"{folder} has jobs in SLURM: --launcher slurm, without --fresh, takes what they have done. "
        f"To be rid of them: {ends}; rm -r {folder / NAME}"
    )


class Mail:
    """The Listener of the job's trials: it writes to files what the driver reads, and waits for its answers."""

    def __init__(self, job: Path) -> None:
        self.job = job
        self.driver, self.since = "", time.monotonic()  # what it has said, and since when
        self.ending = False  # after the epoch that was running when a signal came
        self.before = 0

    def _tell(self, trial: Trial, how: int, line: str = "") -> None:
        """Write a line; FileNotFoundError if the driver has taken the trial out of this job."""
        with open(os.open(f"{self.job}.{trial.key}.told", os.O_WRONLY | how), "w") as file:
            file.write(f"{line}\n")

    def started(self, trial: Trial) -> None:
        self._tell(trial, os.O_TRUNC)  # what it told before it was put back into the queue, it will tell again
        self.before, _ = self._answered(trial.key)  # epochs that an earlier job has trained

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        self._tell(trial, os.O_APPEND, json.dumps(dict(metrics)))
        reason = self._answer(trial.key, epoch)
        self.ending = is_told_to_end() and epoch > self.before
        return reason

    def _answer(self, key: str, epoch: int) -> str | None:
        """Wait for the answer to an epoch, as long as a driver lives (by the job's own clock) and no signal comes."""
        pause = 0.01
        while not is_told_to_end():
            answered, reason = self._answered(key)
            if answered >= epoch:
                return reason if answered == epoch else None
            if not self.driver or time.monotonic() > self.since + ALONE:
                break
            time.sleep(pause)
            pause = min(pause * 1.2, 1.0)
        return None

    def _answered(self, key: str) -> tuple[int, str | None]:
        """Return the last epoch that the driver has answered, and what."""
        if (said := read(self.job.with_name("driver"))) != self.driver:
            self.driver, self.since = said, time.monotonic()
        with suppress(ValueError):  # a network file system may show half of it for a while
            epoch, reason = json.loads(said).get(key, (0, None))
            return epoch, reason
        return 0, None

    def ended(self, trial: Trial, result: TrialResult) -> None:
        self.ending = is_told_to_end()
        if result.status != "interrupted":
            with replacing(Path(f"{self.job}.{trial.key}.result")) as path:
                path.write_text(result.to_json())

    def stopping(self) -> bool:
        return self.ending

    def waiting(self, words: str) -> None:
        """Nothing waits inside a job."""


def is_told_to_end() -> bool:
    """Return whether a signal has come; they are blocked, so that nobody dies of one, and looked at in time."""
    return bool(signal.sigpending() & SIGNALS)


def main(job: Path) -> None:
    """Train what is left of a job's trials, in a process that is made to look like the driver's."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # also in threads and processes to come
    os.environ["NNHP_JOB"] = job.name
    current = multiprocessing.current_process()
    current._inheriting = True  # type: ignore[attr-defined]  # as in a process of multiprocessing's
    with open(job.with_suffix(".trials"), "rb") as file:
        spawn.prepare(pickle.load(file))
        build, runtime, jobs = pickle.load(file)
    del current._inheriting  # type: ignore[attr-defined]
    trials = jobs[int(job.suffix[1:])]
    left = [t for t in trials if Path(f"{job}.{t.key}.told").exists() and not Path(f"{job}.{t.key}.result").exists()]
    # A process of its own for each, if there are several: what is wrong with one must not befall the next.
    alone = len(trials) == 1 and runtime.world_size == 1
    launch: Launch = InProcess(build, runtime) if alone else Workers(build, runtime, jobs=1)
    try:
        launch(iter(left), Mail(job))
    except (PreparationError, OSError) as error:
        raise SystemExit(str(error)) from None  # the log's last line


if __name__ == "__main__":
    main(Path(sys.argv[1]))
