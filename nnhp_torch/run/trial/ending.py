"""When a fit ends, and whether something still changes the weights then."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

# Trainers are typed as Any, because Lightning declares few of their attributes.


def is_last_epoch(trainer: Any) -> bool:
    """Whether the fit ends with this epoch, as Lightning will find."""
    return is_stopped(trainer) or trainer.current_epoch + 1 >= (trainer.max_epochs or 0)


def is_stopped(trainer: Any) -> bool:
    """Whether something ends the fit with this epoch: a stop is heard once there were min_epochs."""
    return bool(trainer.should_stop and trainer.fit_loop._can_stop_early)


def stop(trainer: Any) -> None:
    """Ends the fit with this epoch, whatever min_epochs and min_steps say."""
    trainer.should_stop = True
    trainer.fit_loop.min_epochs = trainer.fit_loop.epoch_loop.min_steps = None


def something_follows(trainer: Any) -> bool:
    """Whether the module or a callback acts at the training's end, as one that restores the best weights."""
    callbacks = [callback for callback in trainer.callbacks if not isinstance(callback, Checkpoint)]
    return any(
        type(part).on_train_end is not kind.on_train_end
        for kind, parts in ((L.LightningModule, [trainer.lightning_module]), (L.Callback, callbacks))
        for part in parts
    )


def sums(module: L.LightningModule) -> list[float]:
    """One number per weight, by which a change is seen."""
    weights = [w.detach().double().sum() for w in module.state_dict().values() if isinstance(w, torch.Tensor)]
    return torch.stack(weights).tolist() if weights else []
