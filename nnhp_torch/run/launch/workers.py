"""Where trials run: in worker processes that live across trials, or in this process."""

from __future__ import annotations

import itertools
import os
import pickle
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from nnhp_torch.core.interfaces import Listener
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.status import Status
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.machine import trials_on_gpus
from nnhp_torch.run.launch.messages import Died, DiskFull, Ended, Epoch, Prepare, Prepared
from nnhp_torch.run.launch.process import after_others, import_by_name, prepare, quiet_lightning
from nnhp_torch.run.launch.worker_processes import Pool, Slot
from nnhp_torch.run.resume.isolation import environment_of_one, isolated
from nnhp_torch.run.runtime import Build, Runtime

# Neither torch nor lightning is imported here: the parent process answers at once while its workers import them.

# The line of a traceback that says so: Python's and NumPy's, torch's on a GPU, cuBLAS's, torch's on a CPU.
NO_MEMORY = re.compile(r"^(\S*MemoryError|\S+: .*(out of memory|ALLOC_FAILED|allocate memory))", re.MULTILINE)
ALONE = "ran out of memory beside other trials, and then ran alone: fewer --jobs would do without that"


def is_importable(thing: Any) -> bool:
    """Whether a worker process can import it, as it cannot what a function or a notebook has defined, or a lambda."""
    try:
        pickled = pickle.dumps(thing)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and file is not None and not os.path.isfile(file):
        return False  # read from standard input, or gone since: each worker process would read it again
    return getattr(main, "__spec__", None) is not None or file is not None or b"__main__" not in pickled


class InProcess:
    """Runs the trials one after another in this process: for a debugger, a notebook or a test."""

    def __init__(self, build: Build, runtime: Runtime) -> None:
        self.build = build
        self.runtime = runtime

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        with environment_of_one(self.runtime.environment), isolated():
            self._run(trials, listener)

    def _run(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        from lightning.pytorch.utilities import rank_zero_only
        from lightning.pytorch.utilities.exceptions import SIGTERMException

        from nnhp_torch.run.resume import global_variables
        from nnhp_torch.run.trial.run_trial import run_trial

        rank_zero_only.rank = 0  # type: ignore[attr-defined]  # Lightning has read another launcher's RANK if it was imported before
        quiet_lightning()
        build = import_by_name(self.build)

        global_variables.begin()
        raised: list[BaseException] = []  # by the listener, which is no failure of the trial's

        def on_epoch(trial: Trial, epoch: int, metrics: Mapping[str, float]) -> str | None:
            try:
                reason = listener.epoch_ended(trial, epoch, metrics)
            except BaseException as error:
                raised.append(error)
                raise
            if not reason and listener.stopping():
                raise SIGTERMException  # the trial ends here as interrupted, and goes on from here when run again
            return reason

        for index, trial in enumerate(filter(None, trials)):
            if listener.stopping():
                return
            if index == 0:
                prepare(trial, build, self.runtime)
            listener.started(trial)
            felt = global_variables.changed()
            try:
                result = run_trial(trial, build, self.runtime, on_epoch=partial(on_epoch, trial))
            except BaseException as error:
                if isinstance(error, (Exception, KeyboardInterrupt)) or error in raised:
                    raise
                result = TrialResult.of(trial, "failed", traceback.format_exc())
            listener.ended(trial, after_others(result, felt))
            if result.status == "interrupted" and not listener.stopping():
                raise KeyboardInterrupt  # Ctrl-C when nobody else listens to it, as in a notebook


class Workers:
    """Runs trials side by side in worker processes: what they import and load is paid for once.

    A launcher of one's own calls it with one job for each trial that is to have a process; several threads may do so.

    With `runtime.world_size` above 1 a trial runs in that many processes of its own (ranks), which end with it;
    each has a clean environment, since Lightning leaves a process of a DDP fit unfit for the next. Likewise a trial
    that fails on a GPU takes its process along: what is wrong with CUDA's context there would befall the next one too.

    A trial that has changed global variables of the user's own files leaves its process to no other one.

    A trial that runs out of memory beside others waits until nothing else is to run, and then runs alone.

    Args:
        build: configuration → (module, data module, callbacks), or its "package.module:function".
        runtime: what the trials share.
        jobs: trials at a time.
        pool: gives idle workers of an earlier sweep, and keeps these for a later one.
    """

    def __init__(self, build: Build, runtime: Runtime, jobs: int, *, pool: Pool | None = None) -> None:
        self.build = build
        self.runtime = runtime
        self.jobs = jobs
        self.pool = pool
        self.on_gpus = trials_on_gpus(runtime.accelerator, runtime.devices)
        self._slots: list[Slot] = []
        self._waiting: list[Trial] = []  # those that have run out of memory beside others
        self._alone: Trial | None = None  # the one of them that is running

    def close(self) -> None:
        """End the workers at once; a trial in one of them goes on from its last checkpoint when run again."""
        for slot in self._slots:
            slot.kill()
        self._slots.clear()
        self._waiting, self._alone = [], None

    def __call__(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        try:
            first = next(trials, None)
            if first is None:
                return
            self.threads = first.threads  # the same in all trials of a sweep
            self._slots = [self._slot(index) for index in range(self.jobs)]
            if self._prepared(first, listener):
                self._run(itertools.chain([first], trials), listener)
                if self.pool and self._idle() and self.runtime.world_size == 1:
                    self.pool.keep(slot for slot in self._slots if not slot.spent)
                    self._slots = [slot for slot in self._slots if slot.spent]
        finally:
            self.close()

    def _prepared(self, first: Trial, listener: Listener) -> bool:
        """Return whether a worker has found that trials can run, the data at hand; False if the sweep is to stop.

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
                    slot.spent = message.spent
                    return True
        return False

    def _run(self, trials: Iterator[Trial | None], listener: Listener) -> None:
        """Keep every worker busy until the trials have run out and each has ended."""
        exhausted = False
        while not (exhausted and self._idle() and not self._waiting):
            if listener.stopping():
                return
            if self._alone is None:
                exhausted = exhausted or not self._fill(trials, listener)
            if self._waiting and self._idle():
                self._alone = self._waiting.pop(0)
                self._give(self._slots[0], self._alone)
            for slot, message in self._messages():
                if slot.trial is not None:
                    self._heard(slot, slot.trial, message, listener=listener)
                elif exhausted and not self._waiting and isinstance(message, Died):
                    self._slots.remove(slot)
                elif isinstance(message, Died):
                    self._replace(slot)

    def _idle(self) -> bool:
        return all(slot.trial is None for slot in self._slots)

    def _fill(self, trials: Iterator[Trial | None], listener: Listener) -> bool:
        """Give each idle worker a trial, as far as there is one now; whether there may be more."""
        for slot in self._slots:
            if slot.trial is None:
                try:
                    trial = next(trials)
                except StopIteration:
                    return False
                if trial is None:
                    return True
                listener.started(trial)
                self._give(slot, trial)
        return True

    def _give(self, slot: Slot, trial: Trial) -> None:
        """Have a worker run a trial, or a new one if an earlier trial would be felt there."""
        (self._replace(slot) if slot.spent else slot).run(trial)

    def _heard(self, slot: Slot, trial: Trial, message: Any, *, listener: Listener) -> None:
        """Pass on what a worker has said of its trial, or that it has died over it."""
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
            result, slot.spent = message.result, message.spent
        no_memory = result.status == "failed" and bool(NO_MEMORY.search(result.reason))
        if several or isinstance(message, Died) or no_memory or (result.status == "failed" and self.on_gpus):
            self._replace(slot)
        if trial is self._alone:
            self._alone, result = None, replace(result, notes=[*result.notes, ALONE])
        elif no_memory and self._is_shared(slot):
            self._waiting.append(trial)
            return
        listener.ended(trial, result)

    def _is_shared(self, slot: Slot) -> bool:
        """Return whether another trial is running where a slot's does."""
        busy = (other for other in self._slots if other.trial is not None)
        return any(not self.on_gpus or (other.index - slot.index) % self.on_gpus == 0 for other in busy)

    def _replace(self, slot: Slot) -> Slot:
        slot.kill()
        new = self._slots[self._slots.index(slot)] = self._slot(slot.index)
        return new

    def _slot(self, index: int) -> Slot:
        return (self.pool or Pool()).slot(self.build, self.runtime, self.threads, index=index)

    def _messages(self) -> Iterator[tuple[Slot, Any]]:
        """Yield the workers' messages, after at most a fifth of a second; of a dead one, how it ended.

        All are looked at, because one that has died is not heard of while a process that it forked lives.
        """
        wait([handle for slot in self._slots for handle in slot.handles()], timeout=0.2)
        for slot in list(self._slots):
            for message in slot.messages():
                yield slot, message
