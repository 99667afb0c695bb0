"""What the driver and its jobs leave each other, as files of one writer each in the sweep's folder.

    .slurm/driver               the driver's: other content every few seconds while it lives
    .slurm/0001-1f3a9c/         a submission: there before sbatch is asked
        trials                  the driver's: what to train, for the jobs; no driver executes what lies here
        keys, id                the driver's: which trials each job has; the array's id, once SLURM has said it
        N.R.told                job N's, started again R times: a line for each trial, epoch and signal
        N.R.answer              the driver's: to the last of these lines
        KEY.result              a job's: a trial's result
        N.log, N.exit           what job N has printed, and its exit status

Nothing is appended by two hosts, no two clocks are compared, and what must not be torn is written whole and renamed.
"""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import spawn
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.slurm import Refused, Unreachable, name_of, queue
from nnhp_torch.run.runtime import Runtime

NAME = ".slurm"
Build = str | Callable[..., Any]


@dataclass
class Job:
    """A job of a submission, as the driver knows it: which trials of it are open, at which it is."""

    folder: Path
    index: int
    open: list[str]  # keys
    at: str = ""
    start: int = -1  # how often SLURM has started it again
    told: int = 0  # lines
    read: int = 0  # bytes
    signalled: bool = False
    missed: int = 0  # times that SLURM did not list it

    def lines(self, start: int) -> list[dict[str, Any]]:
        """Return what the job has told since the last call; of its latest start alone."""
        if start != self.start:
            self.start, self.told, self.read, self.signalled, self.at = start, 0, 0, False, ""
        with open(self.folder / f"{self.index}.{start}.told", "rb") as file:
            file.seek(self.read)
            said = file.read()
        whole = said[: said.rfind(b"\n") + 1]
        lines = [json.loads(line) for line in whole.splitlines()]
        self.told, self.read = self.told + len(lines), self.read + len(whole)
        return lines

    def answer(self, reason: str | None) -> None:
        """Answer the last line."""
        write(self.folder / f"{self.index}.{self.start}.answer", json.dumps([self.told, reason]))

    def left(self, name: str) -> str:
        """Return its `log`, or its `exit` status; empty of a job that was ended, or lives."""
        return read(self.folder / f"{self.index}.{name}").strip()


def record(parent: Path, jobs: Sequence[Sequence[Trial]], build: Build, runtime: Runtime) -> list[Job]:
    """Write down what is to be submitted, before it is."""
    number = max((int(path.name[:4]) for path in parent.glob("[0-9]*-*")), default=0) + 1
    folder = parent / f"{number:04}-{uuid.uuid4().hex[:6]}"
    folder.mkdir(parents=True)
    keys = [[trial.key for trial in job] for job in jobs]
    # As multiprocessing does for the processes that it starts, but for what no file should hold.
    context = spawn.get_preparation_data("SLURM")
    with replacing(folder / "trials") as path, open(path, "wb") as file:
        pickle.dump({k: v for k, v in context.items() if k not in ("authkey", "start_method")}, file)
        pickle.dump((build, runtime, [list(job) for job in jobs]), file)
    with replacing(folder / "keys") as path:
        path.write_text(json.dumps(keys))
    return [Job(folder, index, list(of)) for index, of in enumerate(keys)]


def recorded(parent: Path) -> list[Job]:
    """Return the jobs of earlier drivers; a trial is of the last submission that it was in."""
    found: list[Job] = []
    for folder in sorted(parent.glob("[0-9]*-*"), reverse=True):
        known = {key for job in found for key in job.open}
        keys = json.loads(read(folder / "keys") or "[]")
        jobs = [Job(folder, index, [key for key in of if key not in known]) for index, of in enumerate(keys)]
        found += [job for job in jobs if job.open]
    return found


def void(folder: Path) -> None:
    """Take a submission back: whoever still submits it submits nothing."""
    aside = folder.with_name(f".{folder.name}")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def load(folder: Path) -> tuple[Build, Runtime, list[list[Trial]]]:
    """Return what a submission trains, in a process that has been made to look like the driver's."""
    current = multiprocessing.current_process()
    current._inheriting = True  # type: ignore[attr-defined]  # as in a process of multiprocessing's
    with open(folder / "trials", "rb") as file:
        spawn.prepare(pickle.load(file))
        what: tuple[Build, Runtime, list[list[Trial]]] = pickle.load(file)
    del multiprocessing.current_process()._inheriting  # type: ignore[attr-defined]
    return what


def refuse_jobs(folder: Path) -> None:
    """Raise LedgerError if jobs have been left to SLURM, which write to a sweep's folder as another launcher would."""
    if folders := {job.folder for job in recorded(folder / NAME)}:
        with suppress(Refused, Unreachable, OSError):
            listed = {name for name, _ in queue()}
            if not listed & set(map(name_of, folders)) and not [*(folder / NAME).glob("*/*.result")]:
                shutil.rmtree(folder / NAME)  # they were ended
                return
        ids = " ".join(sorted(read(of / "id") for of in folders))
        raise LedgerError(
            f"{folder} has jobs in SLURM: --launcher slurm, without --fresh, takes what they have done. "
            f"To be rid of them: scancel {ids}; rm -r {folder / NAME}"
        )


def write(path: Path, text: str) -> None:
    """Write a small file whole, for whoever waits for it; it need not outlive the machine."""
    written = path.with_name(f".{path.name}")
    written.write_text(text)
    written.replace(path)


def read(path: Path) -> str:
    """Return a small file's content; empty if there is none."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
