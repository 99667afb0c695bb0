"""Training behaviour as Lightning callbacks, each usable in any Trainer on any LightningModule."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from nnhp_torch.core.spec.objective import Mode, Objective
from nnhp_torch.network import catalog
from nnhp_torch.network.mean import at_least_float32


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
            LightningModule itself: its hooks run twice under DDP.

    Raises:
        ValueError: std is negative or not finite; at the start of a fit, no submodule has the name; later, it
            is given no floating-point tensor, or is never called in training.

    Example:
        >>> trainer = L.Trainer(callbacks=[GaussianNoise(0.1, module="net")], logger=False)
    """

    takes_chunks = True  # each number has noise of its own, however the batch is cut

    def __init__(self, std: float, module: str = "net") -> None:
        super().__init__()
        if not (std >= 0 and math.isfinite(std)):
            raise ValueError(f"std must be a finite number of at least 0, not {std!r}")
        if not module:
            raise ValueError("module must be the name of a submodule, such as 'net', not an empty one")
        self.std = std
        self.module = module
        self.batches_without = 0.0  # until the submodule is called for the first time

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        submodules = dict(pl_module.named_modules())
        if self.module not in submodules:
            there = ", ".join(name for name in submodules if name)
            raise ValueError(
                f"GaussianNoise: {type(pl_module).__name__} has no submodule {self.module!r}; there are {there}"
            )
        self.remove_hooks()
        self.batches_without = 0.0
        hook = submodules[self.module].register_forward_pre_hook(self._add_noise, with_kwargs=True)
        self.handles.append(hook)

    def _add_noise(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        arguments: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}  # by place or name
        floating = (key for key, x in arguments.items() if isinstance(x, Tensor) and torch.is_floating_point(x))
        if module.training and self.std > 0:
            self.batches_without = -math.inf
            if (key := next(floating, None)) is None:
                given = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in arguments.values()) or "nothing"
                raise ValueError(f"GaussianNoise: noise needs floating-point numbers, {self.module!r} is given {given}")
            arguments[key] = arguments[key] + self.std * torch.randn_like(arguments[key])
        return tuple(arguments[i] for i in range(len(args))), {name: arguments[name] for name in kwargs}

    def on_train_batch_end(self, *_: Any) -> None:
        self.batches_without += 1

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.std > 0 and self.batches_without > 0:
            raise ValueError(f"GaussianNoise: {self.module!r} was not called in training; name a submodule that is")


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

    Example:
        >>> trainer = L.Trainer(callbacks=[WeightConstraint("max_norm", max_value=3.0)], logger=False)
        >>> bounded = WeightConstraint(lambda w: w.clamp(-1, 1), pattern=r"^head\\.")  # of your own
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
        self.pattern = _compiled(pattern)
        self.kernels_only = kernels_only

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.remove_hooks()
        candidates = _kernels(pl_module) if self.kernels_only else dict(pl_module.named_parameters())
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


class WeightSparsity(L.Callback):
    """Logs at each epoch's end `weight_sparsity`, the share of weights that are nearly zero, and `weight_size`.

    They show what an l1 penalty does (it drives weights to zero) and what an l2 penalty does (it shrinks them all):
    weight_size is the mean absolute weight. Biases and a normalization's factors do not count. A logger that shows
    histograms, such as TensorBoard's, has one of the final weights.

    Args:
        pattern: regular expression searched in the parameters' names within the LightningModule.
        below: a weight counts if its absolute value is smaller than this.

    Raises:
        ValueError: below is not above 0, or the pattern is none; at the start of a fit, no parameter matches.

    Example:
        >>> trainer = L.Trainer(callbacks=[WeightSparsity(r"net\\.hidden", below=0.001)], logger=False)
    """

    def __init__(self, pattern: str = r"weight$", below: float = 0.001) -> None:
        if not below > 0:
            raise ValueError(f"below must be a number above 0, not {below!r}")
        self.pattern = _compiled(pattern)
        self.below = below

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        candidates = _kernels(pl_module)
        self.weights = [w for name, w in candidates.items() if self.pattern.search(name)]
        if not self.weights:
            raise ValueError(
                f"WeightSparsity: no parameter of {type(pl_module).__name__} matches {self.pattern.pattern!r}; "
                f"there are {', '.join(candidates)}"
            )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        sizes = torch.cat([w.detach().flatten() for w in self.weights]).abs()
        pl_module.log("weight_sparsity", (sizes < self.below).float().mean())
        pl_module.log("weight_size", at_least_float32(sizes).mean())

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        for logger in trainer.loggers if trainer.is_global_zero else []:
            draw = getattr(getattr(logger, "experiment", None), "add_histogram", None)
            if draw is not None:
                draw("weights", torch.cat([w.detach().flatten().float() for w in self.weights]), trainer.current_epoch)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None


def _kernels(module: L.LightningModule) -> dict[str, Tensor]:
    """Return the parameters by name, without biases and the factors of a normalization."""
    return {name: w for name, w in module.named_parameters() if w.ndim >= 2}


class RestoreBestWeights(L.Callback):
    """Goes back, when the training ends, to the weights of the epoch that validated best.

    (Keras 3: `restore_best_weights` of keras/src/callbacks/early_stopping.py; here beside any EarlyStopping, or none.)
    The best weights are kept in memory, and in checkpoints, so that a resumed fit knows them.

    Args:
        monitor: name of a metric that is logged in validation.
        mode: whether more of it is better (`max`) or less (`min`); default: what its name tells.

    Raises:
        ValueError: mode is neither, or is left out and the name does not tell; at the start of a fit, there are no
            validation data; after the first validation, nothing of that name is logged.

    Example:
        >>> from lightning.pytorch.callbacks import EarlyStopping
        >>> stop = EarlyStopping("val_accuracy", mode="max", patience=3)
        >>> trainer = L.Trainer(callbacks=[stop, RestoreBestWeights("val_accuracy")], logger=False)
    """

    def __init__(self, monitor: str = "val_accuracy", mode: Mode | None = None) -> None:
        self.monitor = monitor
        self.objective = Objective.of(monitor, mode)
        self.best = math.nan
        self.weights: dict[str, Any] = {}

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Forget an earlier fit; Lightning restores a resumed one after this."""
        if stage == "fit":
            self.best, self.weights = math.nan, {}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not sum(trainer.num_val_batches):
            raise ValueError(f"RestoreBestWeights: there are no validation data to log {self.monitor!r} over")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self.monitor not in trainer.callback_metrics:
            there = ", ".join(trainer.callback_metrics) or "nothing"
            raise ValueError(f"RestoreBestWeights: {self.monitor!r} is not logged; there is {there}")
        value = trainer.callback_metrics[self.monitor].item()
        # The first of equals is kept, as in Keras; what is not a number is never better.
        if not self.weights or self.objective.better(value, self.best):
            self.best = value
            self.weights = {name: w.detach().clone() for name, w in pl_module.state_dict().items()}

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.weights:
            pl_module.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best, self.weights = state_dict["best"], state_dict["weights"]
