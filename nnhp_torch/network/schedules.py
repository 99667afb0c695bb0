"""How the learning rate falls during training: its factor by the share t of training done, in [0, 1)."""

from __future__ import annotations

import math

from torch.optim.lr_scheduler import LambdaLR
from torch.optim.optimizer import Optimizer

from nnhp_torch.network import catalog


def constant(t: float) -> float:
    """1 throughout."""
    return 1.0


def step(t: float) -> float:
    """1, from half of training 0.1, from three quarters 0.01."""
    return 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01


def exponential(t: float) -> float:
    """Fall by the same factor every epoch, from 1 towards 0.01."""
    return float(0.01**t)


def cosine(t: float) -> float:
    """Fall along half a cosine wave, from 1 towards 0 (Loshchilov and Hutter, 2017, without restarts)."""
    return (1 + math.cos(math.pi * t)) / 2


def make_schedule(name: str, optimizer: Optimizer, max_epochs: int | None) -> LambdaLR:
    """Return the schedule of that name, to be stepped once an epoch.

    Args:
        name: constant, step, exponential or cosine.
        max_epochs: the epochs that make up the whole of training.

    Raises:
        ValueError: no such schedule, or no number of epochs.
    """
    factor = catalog.resolve("lr_decay", name)
    if max_epochs is None or max_epochs < 1:
        raise ValueError(f"lr_decay {name!r} needs the number of epochs: Trainer(max_epochs=...), not {max_epochs}")
    return LambdaLR(optimizer, lambda epoch: factor(epoch / max_epochs))
