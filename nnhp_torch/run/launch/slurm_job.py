"""The inside of a SLURM job: its trials one after another, and what it leaves the driver.

It needs no driver: if none listens, it trains on, and the next one finds what it has left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.local import InProcess, Workers
from nnhp_torch.run.launch.slurm_files import load, read

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2}  # any of them asks it to end
ALONE = 30.0  # seconds without a sign of life of the driver's, after which a job does not wait for its answers


class Mail:
    """The Listener of the job's trials: it writes to files what the driver reads, and waits for its answers."""

    def __init__(self, folder: Path, index: int, restart: int, patience: float) -> None:
        self.folder = folder
        self.told_to, self.answered_in = (folder / f"{index}.{restart}.{name}" for name in ("told", "answer"))
        self.told_to.unlink(missing_ok=True)
        self.lines = 0
        self.patience = patience
        self.driver, self.seen, self.since = folder.parent / "driver", "", time.monotonic()
        self.asked = threading.Event()  # by a signal, to end
        self.ending = False  # after the epoch that was running then
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # also in threads and processes to come: no loader dies of it
        threading.Thread(target=self._await_signal, daemon=True).start()

    def _await_signal(self) -> None:
        number = signal.sigwait(SIGNALS)
        self.asked.set()
        self.tell(signal=number)
        time.sleep(self.patience)
        os._exit(0)  # the epoch takes too long: the trial goes on from the one before

    def tell(self, **line: Any) -> None:
        """Write a line; FileNotFoundError if the sweep's folder has been renamed or removed."""
        descriptor = os.open(self.told_to, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)
        self.lines += 1

    def started(self, trial: Trial) -> None:
        self.tell(trial=trial.key)

    def epoch_ended(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
        self.tell(epoch=epoch, metrics=dict(metrics))
        reason = self._answer()
        self.ending = self.asked.is_set()
        return reason

    def _answer(self) -> str | None:
        """Wait for the answer to the last line, as long as a driver lives and no signal comes."""
        pause = 0.01
        while self._heard() and not self.asked.is_set():
            answer = json.loads(read(self.answered_in) or "[0, null]")
            if answer[0] >= self.lines:
                reason: str | None = answer[1]
                return reason
            time.sleep(pause)
            pause = min(pause * 1.2, 1.0)
        return None

    def _heard(self) -> bool:
        """Return whether a driver lives: its file changes, by the job's own clock."""
        if (now := read(self.driver)) != self.seen:
            self.seen, self.since = now, time.monotonic()
        return bool(now) and time.monotonic() - self.since < ALONE

    def ended(self, trial: Trial, result: TrialResult) -> None:
        self.ending = self.asked.is_set()
        if result.status != "interrupted":
            with replacing(self.folder / f"{trial.key}.result") as path:
                path.write_text(result.to_json())

    def stopping(self) -> bool:
        return self.ending

    def waiting(self, words: str) -> None:
        """Nothing waits inside a job."""


def main(folder: Path, index: int, patience: float) -> int:
    """Train what is left of a job's trials; return the exit status."""
    mail = Mail(folder, index, int(os.environ.get("SLURM_RESTART_COUNT", 0)), patience)
    build, runtime, jobs = load(folder)
    os.environ["NNHP_JOB"] = folder.name
    trials = [trial for trial in jobs[index] if not (folder / f"{trial.key}.result").exists()]
    # A process of its own for each, if there are several: what is wrong with one must not befall the next.
    alone = len(jobs[index]) == 1 and runtime.world_size == 1
    launch = InProcess(build, runtime) if alone else Workers(build, runtime, jobs=1)
    try:
        launch(iter(trials), mail)
    except (PreparationError, OSError) as error:
        kind = next(kind for kind in (WrongUsage, PreparationError, OSError) if isinstance(error, kind))
        mail.tell(error=kind.__name__, said=str(error), errno=getattr(error, "errno", None))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
