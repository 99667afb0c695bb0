"""Training behaviour as Lightning callbacks, each usable in any Trainer on any LightningModule."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim.optimizer import Optimizer

from nnhp_torch.core.chance import seed_all
from nnhp_torch.network import catalog
from nnhp_torch.run.loaders import stop_workers
from nnhp_torch.run.resumption import go_on, keep_random_state


class HookCallback(L.Callback):
    """Holds hooks while a fit lasts; removes them when it ends, also by an exception or Ctrl-C."""

    def __init__(self) -> None:
        self.handles: list[Any] = []

    def remove_hooks(self) -> None:
        """Undoes whatever `self.handles` stand for."""
        while self.handles:
            self.handles.pop().remove()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.remove_hooks()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.remove_hooks()


class GaussianNoise(HookCallback):
    """Adds Gaussian noise to what a submodule is given, in training only.

    The noise goes on the first floating-point tensor among the submodule's arguments; everything else passes as it is.
    (Keras 3: keras/src/layers/regularization/gaussian_noise.py, as the first layer.)

    Args:
        std: standard deviation, in the input's own units.
        module: the submodule's name in the LightningModule, such as `net` or `net.hidden.0`. Not the
            LightningModule itself, whose hooks run twice under DDP.

    Raises:
        ValueError: std is negative or not finite; at the start of a fit, no submodule has the name.
    """

    def __init__(self, std: float, module: str = "net") -> None:
        super().__init__()
        if not (std >= 0 and math.isfinite(std)):
            raise ValueError(f"std must be a finite number of at least 0, not {std!r}")
        if not module:
            raise ValueError("module must be the name of a submodule, such as 'net', not an empty one")
        self.std = std
        self.module = module

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        submodules = dict(pl_module.named_modules())
        if self.module not in submodules:
            there = ", ".join(name for name in submodules if name)
            raise ValueError(
                f"GaussianNoise: {type(pl_module).__name__} has no submodule {self.module!r}; there are {there}"
            )
        self.remove_hooks()
        hook = submodules[self.module].register_forward_pre_hook(self._add_noise, with_kwargs=True)
        self.handles.append(hook)

    def _add_noise(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arguments: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}  # by place or name
        floating = (key for key, x in arguments.items() if isinstance(x, Tensor) and torch.is_floating_point(x))
        if module.training and (key := next(floating, None)) is not None:
            x = arguments[key]
            arguments[key] = x + self.std * torch.randn_like(x)
        return tuple(arguments[i] for i in range(len(args))), {name: arguments[name] for name in kwargs}


class WeightConstraint(HookCallback):
    """Puts weights back into their bounds after every optimizer step.

    Args:
        constraint: none, max_norm, unit_norm, min_max_norm or non_neg (nnhp_torch.network.constraints), or any function
            from a weight tensor to one of the same shape.
        pattern: regular expression searched in the parameters' names within the LightningModule.
        kernels_only: leave out parameters of fewer than two dimensions (biases, the factors of a normalization).
        options: passed to the constraint, as in `WeightConstraint("max_norm", max_value=3.0)`.

    Raises:
        ValueError: no such constraint, a bad pattern or option; at the start of a fit, no trained parameter matches.
    """

    def __init__(
        self,
        constraint: str | Callable[..., Tensor],
        pattern: str = r"weight$",
        kernels_only: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        function = catalog.resolve("weight_constraint", constraint) if isinstance(constraint, str) else constraint
        self.constraint: Callable[[Tensor], Tensor] = functools.partial(function, **options)
        if isinstance(constraint, str):
            self.constraint(torch.ones(1, 1))  # refuses options that are out of range
        try:
            self.pattern = re.compile(pattern)
        except re.error as error:
            raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None
        self.kernels_only = kernels_only

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.remove_hooks()
        candidates = {name: w for name, w in pl_module.named_parameters() if w.ndim >= 2 or not self.kernels_only}
        matching = {id(w) for name, w in candidates.items() if self.pattern.search(name)}
        for optimizer in trainer.optimizers:
            weights = [w for group in optimizer.param_groups for w in group["params"] if id(w) in matching]
            if weights:
                hook = functools.partial(self._constrain, weights)
                self.handles.append(optimizer.register_step_post_hook(hook))
        if not self.handles:
            raise ValueError(
                f"WeightConstraint: no trained parameter of {type(pl_module).__name__} matches "
                f"{self.pattern.pattern!r}; there are {', '.join(candidates)}"
            )

    @torch.no_grad()
    def _constrain(self, weights: list[Tensor], optimizer: Optimizer, *_: Any) -> None:
        for w in weights:
            w.copy_(self.constraint(w))


class EpochSeed(L.Callback):
    """Makes a resumed fit draw what an uninterrupted one does.

    It seeds random, NumPy and torch at each epoch's first batch, by a mixture of seed, epoch and rank. A loader has
    drawn its order by then, so the checkpoint of an epoch's end keeps the random state too: of these generators in
    each process, of those that loaders, samplers, datasets, the module, its data module and callbacks hold, and of
    whatever around the loaders has a `state_dict`. A fit that goes on from there puts it back, then makes the epoch's
    loader and iterator as an uninterrupted one would.

    An epoch's worker processes end with it, also persistent ones, which would carry their own random state into
    the next. It must be the first callback of the Trainer.

    Args:
        seed: the trial's seed.
        on_doubt: called with each reason for which the resumed fit may differ from an uninterrupted one.
    """

    def __init__(self, seed: int, on_doubt: Callable[[str], None] = rank_zero_warn) -> None:
        self.seed = seed
        self.on_doubt = on_doubt
        self._kept: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        progress: Any = trainer.fit_loop.epoch_progress.current
        if progress.processed > progress.completed or trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            checkpoint["random_state"] = keep_random_state(trainer)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self._kept = checkpoint.get("random_state", {})

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            for doubt in go_on(trainer, kept):
                self.on_doubt(f"resumed, may differ: {doubt}")
        if trainer.current_epoch > 0:  # the first epoch's iterator is there already, with its workers
            stop_workers(trainer.train_dataloader)
            stop_workers(trainer.val_dataloaders)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx == 0:
            seed_all(self.seed, trainer.current_epoch, trainer.global_rank)


class StopWhenDiverged(L.Callback):
    """Stops the training after an epoch that ends with a loss or weights that are NaN or infinite.

    Accuracy alone would not tell.

    Args:
        monitor: the loss's name; where the module logs no such metric, it is what training_step returns.

    Attributes:
        epoch: the `trainer.current_epoch` (from 0) that ended so; None so far.
        found: what was not finite; empty so far.
    """

    def __init__(self, monitor: str = "train_loss") -> None:
        self.monitor = monitor
        self.epoch: int | None = None
        self.found = ""
        self._returned: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.epoch, self.found = None, ""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._returned = outputs.get("loss") if isinstance(outputs, Mapping) else outputs

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        loss = trainer.callback_metrics.get(self.monitor)
        if loss is not None and not _finite(loss):
            self.found = self.monitor
        elif loss is None and not _finite(self._returned):
            self.found = "what training_step returned"
        elif not all(map(_finite, pl_module.parameters())):
            self.found = "the weights"
        diverged = bool(self.found)
        # One process must not stop alone: the others would wait for it for ever.
        if trainer.strategy.reduce_boolean_decision(diverged, all=False):
            self.epoch = trainer.current_epoch
            trainer.should_stop = True


def _finite(value: Any) -> bool:
    """Whether it holds neither NaN nor infinity; what is no tensor of such numbers cannot."""
    return not isinstance(value, Tensor) or is_lazy(value) or bool(torch.isfinite(value).all())
