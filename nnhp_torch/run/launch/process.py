"""The worker's half of a launcher: what a process does that trains trials, wherever it runs.

A launcher has its processes call get_ready() once, prepare() before the first trial, and attempt() for each trial; it
passes on what `on_epoch` says and brings the answer back. Those of this package do no more (worker.py, on_ray/).
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nnhp_torch.core.errors import PreparationError, WrongUsage
from nnhp_torch.core.ledger.files import disk_full
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.trial import Trial
from nnhp_torch.run.one_lightning import PAIRS
from nnhp_torch.run.resume.isolation import isolated
from nnhp_torch.run.runtime import Build, OnEpoch, Runtime

# Neither torch nor lightning is imported above: the parent imports this module too, and must answer at once.


def get_ready() -> None:
    """Import and set what a process needs before its first trial."""
    gc.disable()  # what is imported stays: looking through it for garbage takes a fifth of the time of importing it
    from nnhp_torch.run.resume import global_variables
    from nnhp_torch.run.trial.run_trial import run_trial as run_trial

    gc.freeze()
    gc.enable()
    quiet_lightning()
    global_variables.look()  # those of a script that this process has imported at its start: preparing may change them


def attempt(trial: Trial, build: Build, runtime: Runtime, *, on_epoch: OnEpoch) -> TrialResult:
    """Run a trial and return its result, whatever comes of it; print what went wrong.

    Args:
        trial: as the launcher was given it; build, runtime: the launcher's own.
        on_epoch: told of each epoch (from 1) and its metrics; passes on what Listener.epoch_ended answers.

    Raises:
        OSError: the disk is full, as the next trial would find it too: the launcher raises it.
    """
    from nnhp_torch.run.trial.run_trial import run_trial

    felt = changed_variables()
    try:
        result = run_trial(trial, import_by_name(build), runtime, on_epoch=on_epoch)
    except BaseException as error:  # whatever escapes is the trial's failure, not the process's end
        if isinstance(error, OSError) and disk_full(error):
            note(f"{trial.name}:\n{traceback.format_exc()}")
            raise
        result = TrialResult.of(trial, "failed", traceback.format_exc())
    if result.status == "failed":
        note(f"{trial.name}:\n{result.reason}")
    return after_others(result, felt)


def changed_variables() -> list[str]:
    """Return the global variables of a person's own files that trials have changed in this process."""
    from nnhp_torch.run.resume.global_variables import changed

    return changed()


def after_others(result: TrialResult, felt: list[str]) -> TrialResult:
    """Return a result with the note that variables had changed in its process before it ran, if they had."""
    if not felt:
        return result
    many = f" and {len(felt) - 1} more" if len(felt) > 1 else ""
    why = f"may differ: {felt[0]}{many} had changed in its process before it ran"
    return dataclasses.replace(result, notes=[*result.notes, why])


def note(text: str) -> None:
    """Write to the workers' log, if there is still room for it."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def quiet_lightning() -> None:
    """Silence what Lightning says of every fit and what is on purpose here; other warnings go their way."""
    for package in (*PAIRS, *PAIRS.values()):
        logging.getLogger(package).setLevel(logging.ERROR)
    for known in (
        ".*does not have many workers.*",  # the images are in memory
        ".*is smaller than the logging interval.*",  # curves are per epoch
        ".*'pin_memory' argument is set as true but no accelerator.*",  # as Lightning's from_datasets has it
        ".*`srun` command is available.*",  # trials are started by the sweep, also on a machine that has SLURM
        ".*LeafSpec.*",  # Lightning 2.6 on torch 2.15, in every fit
        ".*Checkpoint directory .* exists and is not empty.*",  # a trial that goes on
    ):
        warnings.filterwarnings("ignore", message=known)


@isolated()
def prepare(trial: Trial, build: Build, runtime: Runtime) -> None:
    """Try the Trainer's settings and what build answers, and have the data fetched once, before any trial.

    Raises:
        WrongUsage: no Trainer can be made, or build's answer is nothing that can be trained.
        PreparationError: the data cannot be had.
    """
    from nnhp_torch.run.setup import setup_of
    from nnhp_torch.run.trial.run_trial import make_trainer

    with _wrong_usage():
        make_trainer(trial, runtime, logger=False, enable_checkpointing=False)
    try:
        made = import_by_name(build)(trial.config)
    except WrongUsage:
        raise
    except BaseException:
        return  # the trial itself will fail in the same way, and its record will tell
    with _wrong_usage():
        setup = setup_of(made)
        make_trainer(trial, runtime, logger=False, enable_checkpointing=False, **setup.trainer)
    try:
        setup.prepare_data()
    except (Exception, SystemExit) as error:
        meant_for_people = isinstance(error, RuntimeError) and str(error)
        message = str(error) if meant_for_people else traceback.format_exception_only(error)[-1].strip()
        raise PreparationError(message) from error


def preparation_error(trial: Trial, build: Build, runtime: Runtime) -> PreparationError | None:
    """Return what prepare() raises, for a process that says it in a message."""
    try:
        prepare(trial, build, runtime)
    except PreparationError as error:
        note(traceback.format_exc())
        return error
    return None


@contextmanager
def _wrong_usage() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise WrongUsage(" ".join(str(error).split())) from error


def import_by_name(function: Build) -> Callable[..., Any]:
    """Return the function behind "package.module:function"; a function stands for itself."""
    found: Callable[..., Any] = pkgutil.resolve_name(function) if isinstance(function, str) else function
    return found
