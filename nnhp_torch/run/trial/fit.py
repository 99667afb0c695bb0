"""The training of a trial: what is left of it, from its last checkpoint if there is one."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from functools import partial
from typing import Any

import lightning as L
import torch
from lightning.pytorch.trainer.connectors import checkpoint_connector

from nnhp_torch.run.callbacks import EpochSeed
from nnhp_torch.run.resume.data_position import structure, sums
from nnhp_torch.run.setup import Setup
from nnhp_torch.run.trial.recorder import Recorder


class Unloadable(Exception):
    """The network cannot take the checkpoint that it has made itself; the message says why, in a line."""


def fit(trainer: L.Trainer, setup: Setup, recorder: Recorder, *, seeds: EpochSeed, resume: Mapping[str, Any]) -> None:
    """Train what is left to train.

    If nothing is, Lightning restores the trial all the same, as it would for a further epoch: a module may make its
    layers in hooks, and put parts of a checkpoint back in others.

    Args:
        resume: the last checkpoint's content; empty if the trial begins.

    Raises:
        Unloadable: the trial has to start over.
    """
    recorder.count_seconds()
    # By steps, Lightning would take each checkpoint for one within an epoch; they are all of an epoch's end.
    trainer.fit_loop._iteration_based_training = lambda: False  # type: ignore[method-assign]
    if recorder.complete:
        trainer.fit_loop.run = partial(_finish, trainer, recorder, seeds)  # type: ignore[method-assign]
    try:
        trainer.fit(setup.module, **setup.fit_data(), ckpt_path=recorder.last if resume else None, weights_only=True)
    except Exception as error:
        network = resume.get("random_state", {}).get("network")
        if _is_of_loading(error) and network == structure(setup.module):
            raise Unloadable(f"{type(error).__name__}: {error}".splitlines()[0].rstrip(":")) from error
        raise
    recorder.finish(trainer, setup.module)
    recorder.count_seconds(fit=True)


def _finish(trainer: Any, recorder: Recorder, seeds: EpochSeed) -> None:
    """End a training that has all its epochs."""
    progress = trainer.fit_loop.epoch_progress.current
    progress.completed = progress.processed
    seeds.finish(trainer)
    if not recorder.ended:
        recorder.weights = sums(trainer.lightning_module)
        recorder.epoch_log.show_again(trainer, recorder.shown)
        trainer.fit_loop.on_run_end()


def _is_of_loading(error: Exception) -> bool:
    """Whether Lightning was loading a checkpoint; that there is no memory for it is not the checkpoint's fault."""
    frames = traceback.walk_tb(error.__traceback__)
    loading = any(frame.f_code.co_filename == checkpoint_connector.__file__ for frame, _ in frames)
    return loading and not isinstance(error, (MemoryError, OSError, torch.OutOfMemoryError))
