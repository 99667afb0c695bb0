"""Where trials run: in worker processes that live across trials, or in this process."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.status import Status
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.messages import Died, DiskFull, Ended, Epoch, Prepare, Prepared
from nnhp_torch.run.launch.process import import_by_name, prepare, quiet_lightning
from nnhp_torch.run.launch.worker_process import Slot
from nnhp_torch.run.resume.isolation import environment_of_one, isolated
from nnhp_torch.run.runtime import Runtime

# Neither torch nor lightning is imported here: the parent process answers at once while its workers import them.


def is_importable(thing: Any) -> bool:
    """Whether a worker process can import it, as it cannot what a function or a notebook has defined, or a lambda."""
    try:
        pickled = pickle.dumps(thing)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    main = sys.modules["__main__"]
    has_source = getattr(main, "__spec__", None) is not None or hasattr(main, "__file__")
    return has_source or b"__main__" not in pickled


class InProcess:
    """Runs the trials one after another in this process: for a debugger, a notebook or a test."""

    def __init__(self, build: str | Callable[..., Any], runtime: Runtime) -> None:
        self.build = build
        self.runtime = runtime

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        with environment_of_one(self.runtime.environment), isolated():
            self._run(trials, listener)

    def _run(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        from lightning.pytorch.utilities import rank_zero_only
        from lightning.pytorch.utilities.exceptions import SIGTERMException

        from nnhp_torch.run.trial.run_trial import run_trial

        rank_zero_only.rank = 0  # type: ignore[attr-defined]  # Lightning has read another launcher's RANK if it was imported before
        quiet_lightning()
        build = import_by_name(self.build)

        def on_epoch(trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
            reason = listener.epoch_ended(trial, epoch, metrics)
            if not reason and listener.stopping():
                raise SIGTERMException  # the trial ends here as interrupted, and goes on from here when run again
            return reason

        for index, trial in enumerate(filter(None, trials)):
            if listener.stopping():
                return
            if index == 0:
                prepare(build, trial, self.runtime)
            listener.started(trial)
            result = run_trial(trial, build, self.runtime, on_epoch=partial(on_epoch, trial))
            listener.ended(trial, result)
            if result.status == "interrupted" and not listener.stopping():
                raise KeyboardInterrupt  # Ctrl-C when nobody else listens to it, as in a notebook


class Workers:
    """Runs trials side by side in worker processes: what they import and load is paid for once.

    With `runtime.world_size` above 1 a trial runs in that many processes of its own (ranks), which end with it;
    each has a clean environment, since Lightning leaves a process of a DDP fit unfit for the next.

    Args:
        build: configuration → (module, data module, callbacks), or its "package.module:function".
        runtime: what the trials share.
        jobs: trials at a time.
    """

    def __init__(self, build: str | Callable[..., Any], runtime: Runtime, jobs: int) -> None:
        self.build = build
        self.runtime = runtime
        self.jobs = jobs
        self._slots: list[Slot] = []

    def close(self) -> None:
        """Ends the workers at once; a trial in one of them goes on from its last checkpoint when run again."""
        for slot in self._slots:
            slot.kill()
        self._slots.clear()
        log = ResultStore(self.runtime.folder).log
        with contextlib.suppress(OSError):
            if log.is_file() and log.stat().st_size == 0:
                log.unlink()

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        try:
            first = next(trials, None)
            if first is None:
                return
            self.threads = first.threads  # the same in all trials of a sweep
            self._slots = [self._slot(index) for index in range(self.jobs)]
            if self._prepared(first, listener):
                self._run(itertools.chain([first], trials), listener)
        finally:
            self.close()

    def _prepared(self, first: Trial, listener: Listener) -> bool:
        """Whether a worker has found that trials can run, the data at hand; False if the sweep is to stop.

        Raises:
            PreparationError: they cannot.
        """
        self._slots[0].send(Prepare(first))
        while not listener.stopping():
            for slot, message in self._messages():
                if listener.stopping():  # a signal that reached the worker too
                    return False
                if isinstance(message, Died):
                    raise slot.refusal(message.how)
                if isinstance(message, Prepared):
                    if message.error is not None:
                        raise message.error
                    return True
        return False

    def _run(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        """Keeps every worker busy until the trials have run out and each has ended."""
        exhausted = False
        while not (exhausted and all(slot.trial is None for slot in self._slots)):
            if listener.stopping():
                return
            exhausted = exhausted or not self._fill(trials, listener)
            for slot, message in self._messages():
                if slot.trial is not None:
                    self._heard(slot, slot.trial, message, listener=listener)
                elif exhausted and isinstance(message, Died):
                    self._slots.remove(slot)
                elif isinstance(message, Died):
                    self._replace(slot)

    def _fill(self, trials: Iterator[Trial | None], listener: Listener) -> bool:
        """Gives each idle worker a trial, as far as there is one now; whether there may be more."""
        for slot in self._slots:
            if slot.trial is None:
                try:
                    trial = next(trials)
                except StopIteration:
                    return False
                if trial is None:
                    return True
                listener.started(trial)
                slot.run(trial)
        return True

    def _heard(self, slot: Slot, trial: Trial, message: Any, *, listener: Listener) -> None:
        """Passes on what a worker has said of its trial, or that it has died over it."""
        several = self.runtime.world_size > 1
        match message:
            case Epoch():
                slot.send(listener.epoch_ended(trial, message.number, message.metrics))
                return
            case DiskFull():
                raise message.error  # the next trial would find it full as well
            case Ended(result) if several and result.status == "failed" and (end := slot.ending()):
                message = Died(end)  # it has failed because another rank of its trial is no more
        slot.trial = None
        if isinstance(message, Died):
            # SIGTERM asks a process to end, and often the whole group with it: no fault of the trial's.
            status: Status = "interrupted" if slot.asked_to_end() else "failed"
            result = TrialResult.of(trial, status, message.how)
        else:
            result = message.result
        if several or isinstance(message, Died):
            self._replace(slot)
        listener.ended(trial, result)

    def _replace(self, slot: Slot) -> None:
        slot.kill()
        index = self._slots.index(slot)
        self._slots[index] = self._slot(index)

    def _slot(self, index: int) -> Slot:
        return Slot(self.build, self.runtime, self.threads, index=index)

    def _messages(self) -> Iterator[tuple[Slot, Any]]:
        """The workers' messages, after at most a fifth of a second; of a dead one, how it ended.

        All are looked at, because one that has died is not heard of while a process that it forked lives.
        """
        wait([handle for slot in self._slots for handle in slot.handles()], timeout=0.2)
        for slot in list(self._slots):
            end = slot.ending()  # before its last words, which may come until then
            try:
                while slot in self._slots and (connection := slot.speaking()) is not None:
                    yield slot, connection.recv()
            except (EOFError, OSError):
                pass  # its process has ended, and says so below
            if slot in self._slots and end is not None:
                yield slot, Died(end)


def cores() -> int:
    """CPU cores that this process may use, a container's quota included."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, math.floor(int(quota) / int(period))))
    return count
