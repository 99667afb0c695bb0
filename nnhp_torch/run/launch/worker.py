"""The inside of a worker process: trials in, epochs and results out, until the parent is gone."""

from __future__ import annotations

import dataclasses
import gc
import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.ledger.files import disk_full, must_be_file
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.launch.messages import DiskFull, Ended, Epoch, Prepare, Prepared
from nnhp_torch.run.resume.isolation import isolated
from nnhp_torch.run.runtime import Runtime

# Neither torch nor lightning is imported above: the parent imports this module too, and must answer at once.


UNGUARDED = 79  # exit status of a worker whose script, being imported, would start the sweep again


def end_if_imported() -> None:
    """Ends a worker process that imports a script without `if __name__ == "__main__":` before it starts workers too."""
    # As multiprocessing itself asks; no public name says it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(UNGUARDED)


def serve(
    connection: Connection,
    build: str | Callable[..., Any],
    runtime: Runtime,
    *,
    threads: int,
    index: int,
    rank: int,
) -> None:
    """A worker's life: trials in, epochs and results out, until the parent is gone."""
    multiprocessing.set_start_method(None, force=True)  # a loader starts its workers as it does anywhere, without spawn
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    # Held by a forked process, the connection would stay open when this one is killed in the middle of a message.
    os.register_at_fork(after_in_child=connection.close)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _redirect_output(ResultStore(runtime.folder).log)
    get_ready(threads)
    reporting = rank == 0

    def on_epoch(epoch: int, metrics: Mapping[str, float]) -> str | None:
        if not reporting:
            return None
        connection.send(Epoch(epoch, dict(metrics)))
        reason: str | None = connection.recv()  # waiting for it makes the epoch at which a trial is pruned no accident
        return reason

    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if isinstance(message, Prepare):
            try:
                prepare(build, message.trial, runtime)
                connection.send(Prepared())
            except PreparationError as error:
                _note(traceback.format_exc())
                connection.send(Prepared(error))
            continue
        result = attempt(message.trial, build, _on_device(runtime, index), on_epoch=on_epoch)
        if isinstance(result, OSError):
            connection.send(DiskFull(result))
        elif reporting or result.status == "failed":  # the other ranks would wait for one that has failed
            if runtime.world_size > 1 and result.status == "failed":
                result = dataclasses.replace(result, notes=[*result.notes, f"failed on rank {rank}"])
            connection.send(Ended(result))


def get_ready(threads: int) -> None:
    """Import and set what a process needs before its first trial."""
    gc.disable()  # what is imported stays: looking through it for garbage takes a fifth of the time of importing it
    import torch

    from nnhp_torch.run.trial.run_trial import run_trial as run_trial

    gc.freeze()
    gc.enable()
    torch.set_num_threads(threads)
    quiet_lightning()


def attempt(
    trial: Trial,
    build: str | Callable[..., Any],
    runtime: Runtime,
    *,
    on_epoch: Callable[[int, Mapping[str, float]], str | None],
) -> TrialResult | OSError:
    """A trial's result, whatever comes of it; an OSError if the disk is full. What went wrong is printed."""
    from nnhp_torch.run.trial.run_trial import run_trial

    try:
        result = run_trial(trial, import_by_name(build), runtime, on_epoch=on_epoch)
    except (Exception, SystemExit) as error:  # whatever escapes is the trial's failure, not the process's end
        if isinstance(error, OSError) and disk_full(error):
            _note(f"{trial.name}:\n{traceback.format_exc()}")
            return error
        result = TrialResult.of(trial, "failed", traceback.format_exc())
    if result.status == "failed":
        _note(f"{trial.name}:\n{result.reason}")
    return result


def _note(text: str) -> None:
    """Writes to the workers' log, if there is still room for it."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def quiet_lightning() -> None:
    """Silences what Lightning says of every fit and what is on purpose here; other warnings go their way."""
    for package in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(package).setLevel(logging.ERROR)
    for known in (
        ".*does not have many workers.*",  # the images are in memory
        ".*is smaller than the logging interval.*",  # curves are per epoch
        ".*LeafSpec.*",  # Lightning 2.6 on torch 2.15, in every fit
        ".*Checkpoint directory .* exists and is not empty.*",  # a trial that goes on
    ):
        warnings.filterwarnings("ignore", message=known)


def prepare(build: str | Callable[..., Any], trial: Trial, runtime: Runtime) -> None:
    """Tries the Trainer's settings and what build answers, and has the data fetched once, before any trial.

    Raises:
        WrongUsage: no Trainer can be made, or build's answer is nothing that can be trained.
        PreparationError: the data cannot be had.
    """
    with isolated():
        _prepare(build, trial, runtime)


def _prepare(build: str | Callable[..., Any], trial: Trial, runtime: Runtime) -> None:
    from nnhp_torch.run.trial.run_trial import make_trainer
    from nnhp_torch.run.trial.setup import setup_of

    with _wrong_usage():
        make_trainer(trial, runtime, logger=False, enable_checkpointing=False)
    try:
        answer = import_by_name(build)(trial.config)
    except WrongUsage:
        raise
    except (Exception, SystemExit):
        return  # the trial itself will fail in the same way, and its record will tell
    with _wrong_usage():
        setup = setup_of(answer)
        make_trainer(trial, runtime, logger=False, enable_checkpointing=False, **setup.trainer)
    try:
        setup.prepare_data()
    except (Exception, SystemExit) as error:
        meant_for_people = isinstance(error, RuntimeError) and str(error)
        message = str(error) if meant_for_people else traceback.format_exception_only(error)[-1].strip()
        raise PreparationError(message) from error


@contextmanager
def _wrong_usage() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise WrongUsage(" ".join(str(error).split())) from error


def _on_device(runtime: Runtime, index: int) -> Runtime:
    """Choose a GPU for each worker if there are several and a trial uses one, as long as they last."""
    import torch

    count = torch.cuda.device_count() if runtime.accelerator in ("auto", "gpu", "cuda") else 0
    if count > 1 and runtime.devices == 1:
        return dataclasses.replace(runtime, devices=(index % count,))
    return runtime


def _redirect_output(path: Path) -> None:
    try:
        must_be_file(path)  # a FIFO would wait for a reader
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        print(f"{path} cannot be written ({error}): what the workers print is shown here", file=sys.stderr)
        return
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    os.close(descriptor)


def _end_with_parent() -> None:
    """End a worker with its parent, however that ends, even by SIGKILL."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def import_by_name(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """The function behind "package.module:function"; a function stands for itself."""
    if not isinstance(function, str):
        return function
    module, _, name = function.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return found
