"""A trial in a process of its own, for launchers of one's own: started, listened to, missed if it dies, ended."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.messages import Died, DiskFull, Ended, Epoch, Prepare, Prepared
from nnhp_torch.run.launch.slot import Slot
from nnhp_torch.run.runtime import Runtime


def train(trial: Trial, build: str | Callable[..., Any], runtime: Runtime, listener: Listener) -> None:
    """Train a trial in a process of its own, and tell the listener all of it; several threads may do so at a time.

    Args:
        trial: as the launcher was given it; build, runtime: the launcher's own.
        listener: once it is stopping, the process is ended and the trial stays `interrupted`.

    Raises:
        PreparationError, WrongUsage, OSError: as a Launch; the trial has not begun, or cannot be written.
    """
    slot = Slot(build, runtime, trial.threads, index=0)
    try:
        slot.send(Prepare(trial))
        begun = False
        while not listener.stopping():
            wait(slot.handles(), timeout=0.2)
            for message in slot.messages():
                match message:
                    case Prepared(error=None):
                        begun = True
                        listener.started(trial)
                        slot.run(trial)
                    case Epoch(number, metrics):
                        slot.send(listener.epoch_ended(trial, number, metrics))
                    case Ended(result):
                        return listener.ended(trial, result)
                    case Died(how) if begun:
                        return listener.ended(trial, TrialResult.of(trial, "failed", how))
                    case Died(how):
                        raise slot.refusal(how)
                    case Prepared(BaseException() as error) | DiskFull(error):
                        raise error
    finally:
        slot.kill()
