"""MLPClassifier: the network with its loss, metrics, penalties and optimizer, as a LightningModule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from nnhp_torch.network import catalog
from nnhp_torch.network.chunks import step_loss
from nnhp_torch.network.mlp import MLP, per_layer
from nnhp_torch.network.optimizers import make_optimizer
from nnhp_torch.network.schedules import make_schedule

Batch = tuple[Tensor, Tensor]


class MLPClassifier(L.LightningModule):
    """A multilayer perceptron that classifies, with every hyperparameter of the article; the defaults are its own.

    Batches are (x, y): x (batch, ...) of in_features numbers per example, y (batch,) of whole class numbers. Where x
    comes as bytes, they are scaled to [0, 1].
    Logs, once an epoch: train_, val_ and test_accuracy (in training the running mean over the epoch's batches) and
    train_, val_ and test_loss. As in Keras, each loss includes the penalties, in evaluation too.

    Args:
        in_features, num_classes, hidden_sizes, activation, dropout, batch_norm: as for MLP.
        optimizer: Adam, Adagrad, RMSprop, SGD (Keras's rules) or `torch.optim.<Name>`.
        lr: learning rate.
        momentum: beta1 of the Adam family, `momentum` of others; None is the optimizer's own.
        loss: cross_entropy, kl_divergence or mse (the last two on the probabilities).
        reg_type: penalty on the hidden layers' kernels, l1 (Σ|w|) or l2 (Σw²).
        reg: its strength, one for all hidden layers or one for each.
        activity_reg_type: penalty on every hidden layer's activations, l1 or l2, divided by the batch size.
        activity_reg: its strength.
        lr_decay: constant, step, exponential or cosine, by the epoch's share of the Trainer's max_epochs.
        class_weights: one factor per class on its examples' losses, whose sum is still divided by the batch size
            (Keras's class_weight; torch divides by the sum of the weights).
        label_smoothing: share of each label spread evenly over all classes, in [0, 1).
        log_sparsity: also log val_sparsity, the share of hidden activations that are exactly zero.

    Raises:
        ValueError: an argument is out of range or names nothing that exists; the message says what would be right.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        in_features: int = 784,
        num_classes: int = 10,
        hidden_sizes: Sequence[int] = (128, 128, 128),
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
        optimizer: str = "Adam",
        lr: float = 0.01,
        momentum: float | None = None,
        loss: str = "cross_entropy",
        reg_type: str = "l2",
        reg: float | Sequence[float] = 0.0,
        activity_reg_type: str = "l1",
        activity_reg: float = 0.0,
        lr_decay: str = "constant",
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        log_sparsity: bool = False,
    ) -> None:
        super().__init__()
        # Plain Python values, so that a checkpoint holding them loads with weights_only.
        in_features, num_classes = int(in_features), int(num_classes)
        hidden_sizes = [int(width) for width in hidden_sizes]
        dropout = per_layer("dropout", dropout, len(hidden_sizes))
        reg = per_layer("reg", reg, len(hidden_sizes))
        lr, activity_reg, label_smoothing = float(lr), float(activity_reg), float(label_smoothing)
        momentum = None if momentum is None else float(momentum)
        class_weights = None if class_weights is None else [float(weight) for weight in class_weights]
        self.save_hyperparameters()

        _require(num_classes >= 2, f"num_classes must be at least 2, not {num_classes}")
        _require(_not_negative(*reg, activity_reg), "reg and activity_reg must be finite numbers of at least 0")
        _require(0 <= label_smoothing < 1, f"label_smoothing must be at least 0 and below 1, not {label_smoothing}")
        _require(
            class_weights is None or (len(class_weights) == num_classes and _not_negative(*class_weights)),
            f"class_weights must be {num_classes} finite numbers of at least 0, one per class, not {class_weights}",
        )
        catalog.check("lr_decay", lr_decay)
        make_optimizer(optimizer, [torch.zeros(1, 1)], lr, momentum)  # refuses now what fit would refuse later

        self.example_loss = catalog.resolve("loss", loss)
        self.kernel_penalty = catalog.resolve("reg_type", reg_type)
        self.activity_penalty = catalog.resolve("activity_reg_type", activity_reg_type)
        self.reg, self.activity_reg, self.label_smoothing = reg, activity_reg, label_smoothing
        self.log_sparsity = log_sparsity
        weights = None if class_weights is None else torch.tensor(class_weights)  # (num_classes,)
        self.register_buffer("class_weights", weights, persistent=False)
        self.net = MLP(in_features, num_classes, hidden_sizes, activation, dropout, batch_norm)
        self.metrics = nn.ModuleDict()
        for stage in ("train", "val", "test"):
            # Validating the arguments would wait for the device at every batch.
            self.metrics[f"{stage}_accuracy"] = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
            self.metrics[f"{stage}_loss"] = Mean()
        self.metrics["val_sparsity"] = Mean()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, num_classes) for x (batch, ...)."""
        logits: Tensor = self.net(self._scaled(x))
        return logits

    def loss_and_logits(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The batch's mean loss with its penalties, a scalar, and the logits (batch, num_classes).

        Raises:
            ValueError: y is not a vector of whole numbers.
        """
        if y.ndim != 1 or y.is_floating_point():
            raise ValueError(f"labels must be whole numbers of shape (batch,), not {y.dtype} of {tuple(y.shape)}")
        x = self._scaled(x)
        hidden: list[Tensor] = []  # each (batch, width)
        if self.activity_reg > 0:
            logits, hidden = self.net(x, return_hidden=True)
        else:  # lets go of each layer's output as soon as the next has it
            logits = self.net(x)
        logits = _at_least_float32(logits)  # (batch, num_classes)
        losses = self.example_loss(logits, y.long(), self.label_smoothing)  # (batch,)
        if self.class_weights is not None:
            losses = losses * self.class_weights[y.long()]
        loss = losses.mean()
        for strength, kernel in zip(self.reg, self.net.kernels(), strict=True):
            if strength > 0:
                loss = loss + strength * self.kernel_penalty(kernel)
        for activated in hidden:
            loss = loss + self.activity_reg / len(x) * self.activity_penalty(_at_least_float32(activated))
        return loss, logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._step("train", batch, batch_idx)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._step("val", batch, batch_idx)
        if self.log_sparsity and self.net.hidden:
            _, hidden = self.net(self._scaled(batch[0]), return_hidden=True)
            zeros = torch.cat([activated.flatten() for activated in hidden]) == 0
            self._log("val_sparsity", batch_idx, zeros.float().mean(), len(batch[0]))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._step("test", batch, batch_idx)

    def predict_step(self, batch: Tensor | Sequence[Tensor], batch_idx: int) -> Tensor:
        """Class probabilities (batch, num_classes), for a batch of x or of (x, y)."""
        x = batch if isinstance(batch, Tensor) else batch[0]
        return _at_least_float32(self(x)).softmax(1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        chosen: Any = self.hparams
        optimizer = make_optimizer(chosen.optimizer, self.parameters(), chosen.lr, chosen.momentum)
        if chosen.lr_decay == "constant":
            return optimizer
        return [optimizer], [make_schedule(chosen.lr_decay, optimizer, self.trainer.max_epochs)]

    def _scaled(self, x: Tensor) -> Tensor:
        """Bytes as numbers in [0, 1]; anything else as it is."""
        return x.to(torch.float32).div_(255).to(next(self.parameters()).dtype) if x.dtype == torch.uint8 else x

    def _step(self, stage: str, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        # A subclass may compare examples in its loss, or use the loss for more than one backward.
        loss, logits = step_loss(self, x, y) if type(self) is MLPClassifier else self.loss_and_logits(x, y)
        self._log(f"{stage}_loss", batch_idx, loss.detach(), len(y))
        self._log(f"{stage}_accuracy", batch_idx, logits.detach(), y)
        return loss

    # It counts batches, and torch.compile would compile each count anew.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _log(self, name: str, batch_idx: int, *update: Any) -> None:
        """Updates the metric; Lightning computes it at the epoch's end, over all batches and processes."""
        metric: Any = self.metrics[name]
        known = batch_idx > 0 and metric.update_called  # a fit resumed within an epoch does not start at batch 0
        metric.update(*update)
        if not known:  # once an epoch is enough, and each call costs a millisecond
            self.log(name, metric, on_step=False, on_epoch=True)


class Mean(Metric):
    """Mean over an epoch's examples, from means over its batches. A NaN stays one.

    (torchmetrics' MeanMetric drops NaNs, or waits for the device at each batch to look for them; told not to look,
    version 1.9 forgets the weights.)
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, mean: Tensor, examples: int) -> None:
        self.total += mean * examples
        self.count += examples

    def compute(self) -> Tensor:
        return self.total / self.count


def _at_least_float32(x: Tensor) -> Tensor:
    """Sums and logarithms deserve more digits than bfloat16 has."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _not_negative(*values: float) -> bool:
    return all(value >= 0 and math.isfinite(value) for value in values)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)
