"""When a fit ends, and whether something still changes the weights then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loops import fetchers

from nnhp_torch.core.spec.objective import Objective, logged_name
from nnhp_torch.run.callbacks import StopWhenDiverged

# Trainers are typed as Any, because Lightning declares few of their attributes.


def is_last_epoch(trainer: Any) -> bool:
    """Return whether the fit ends with this epoch, as Lightning will find."""
    return is_stopped(trainer) or trainer.current_epoch + 1 >= (trainer.max_epochs or 0)


def is_stopped(trainer: Any) -> bool:
    """Return whether something ends the fit with this epoch: max_steps, or a stop, heard once there were min_epochs."""
    out_of_steps = 0 <= trainer.max_steps <= trainer.global_step
    return bool(out_of_steps or (trainer.should_stop and trainer.fit_loop._can_stop_early))


def stop(trainer: Any) -> None:
    """End the fit with this epoch, whatever min_epochs and min_steps say."""
    trainer.should_stop = True
    trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None


def something_follows(trainer: Any) -> bool:
    """Return whether the module or a callback acts at the training's end, as one that restores the best weights."""
    callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, Checkpoint)]
    return any(
        getattr(type(part), hook) is not getattr(kind, hook)
        for hook in ("on_train_end", "on_fit_end", "teardown")
        for kind, parts in ((L.LightningModule, [trainer.lightning_module]), (L.Callback, callbacks))
        for part in parts
    )


class Watch(StopWhenDiverged):
    """Leaves the wait for the device, and what follows, to a Recorder: it waits at an epoch's end anyway."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pass


def divergence(trainer: Any, metrics: Mapping[str, float], objective: Objective, finite: Mapping[str, float]) -> str:
    """Say why this epoch shows that the training has diverged, if it does: other metrics may be undefined.

    Args:
        finite: what a Watch has seen.
    """
    stoppers = [callback for callback in trainer.callbacks if isinstance(callback, StopWhenDiverged)]
    judged = [name for name in ("train_loss", logged_name(objective.metric, metrics)) if name in metrics]
    found = [*(stopper.found for stopper in stoppers), *(name for name, so in finite.items() if not so)]
    found += [name for name in judged if not math.isfinite(metrics[name])]
    what = next(filter(None, found), "")
    # One process must not stop alone: the others would wait for it for ever.
    if not trainer.strategy.reduce_boolean_decision(bool(what), all=False):
        return ""
    return f"not finite in epoch {trainer.current_epoch + 1}: {what or 'the loss of another process'}"


def short_of_data(trainer: Any) -> str:
    """Say how many batches the epoch had if its loader ended before its length; empty if it did not."""
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
    if loop.done or isinstance(fetcher, fetchers._DataLoaderIterDataFetcher):
        return ""
    had, said = loop.batch_progress.current.completed, trainer.num_training_batches
    return f"its loader ended after {had} of {said} batches in epoch {trainer.current_epoch + 1}"
