"""Classifier: a network with its loss, metrics, penalties and optimizer, as a LightningModule."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from nnhp_torch.checks import not_negative, require
from nnhp_torch.network import catalog, kernel_launches
from nnhp_torch.network.chunks import step_loss
from nnhp_torch.network.losses import mean_loss
from nnhp_torch.network.mean import Accuracy, Mean, at_least_float32
from nnhp_torch.network.optimizers import make_optimizer
from nnhp_torch.network.schedules import make_schedule

Batch = tuple[Tensor, Tensor]


class Classifier(L.LightningModule):
    """Train any network that gives logits, with every setting of the article for what stands around a network.

    Batches are (x, y): x (batch, ...) as the network takes it, y (batch,) of whole class numbers. When x comes as
    bytes, they are scaled to [0, 1].
    Logs, once an epoch: train_, val_ and test_accuracy (in training the running mean over the epoch's batches) and
    train_, val_ and test_loss. As in Keras, each loss includes the penalties, in evaluation too.

    What some settings ask of the network, beside logits (batch, num_classes) for x:

    - `reg` lies on the tensors that the network's `kernels()` returns; without such a method, on every trained weight
      of two dimensions or more.
    - `activity_reg` and `log_sparsity` need `forward(x, return_hidden=True)` to return the logits and a list of the
      hidden activations.
    - A class with `takes_chunks = True` says that it looks at each example alone: then a CPU may take a large batch in
      chunks that fit its cache. It says so for itself, not for its subclasses.

    Args:
        net: the network. It is saved with the weights, not with the hyperparameters: load with
            `Classifier.load_from_checkpoint(path, net=Net())`.
        num_classes: logits per example.
        optimizer: Adam, Adagrad, RMSprop, SGD (Keras's rules) or `torch.optim.<Name>`.
        lr: learning rate.
        momentum: beta1 of the Adam family, `momentum` of others; None is the optimizer's own.
        loss: cross_entropy, kl_divergence or mse (the last two on the probabilities).
        reg_type: penalty on the kernels, l1 (Σ|w|) or l2 (Σw²).
        reg: its strength, one for all kernels or one for each.
        activity_reg_type: penalty on every hidden activation, l1 or l2, divided by the batch size.
        activity_reg: its strength.
        lr_decay: constant, step, exponential or cosine, by the epoch's share of the Trainer's max_epochs.
        class_weights: one factor per class on its examples' losses in training; their sum is still divided by the batch
            size (Keras's class_weight; torch divides by the sum of the weights). Evaluation weighs all classes alike.
        label_smoothing: share of each label spread evenly over all classes, in [0, 1).
        log_sparsity: also log val_sparsity, the share of hidden activations that are exactly zero.

    Raises:
        ValueError: an argument is out of range, names nothing that exists, or asks for what the network cannot do;
            the message says what would be right.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 8, 5, stride=3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
        >>> model = Classifier(net, num_classes=10, lr=0.003, label_smoothing=0.1)
        >>> model(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    takes_chunks: ClassVar[bool] = True

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        *,
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
        num_classes = int(num_classes)
        reg = [float(strength) for strength in reg] if isinstance(reg, Sequence) else float(reg)
        lr, activity_reg, label_smoothing = float(lr), float(activity_reg), float(label_smoothing)
        momentum = None if momentum is None else float(momentum)
        class_weights = None if class_weights is None else [float(weight) for weight in class_weights]
        self.save_hyperparameters(ignore=["net"])
        # Lightning takes a subclass's arguments as they came.
        self.hparams.update(num_classes=num_classes, lr=lr, momentum=momentum, activity_reg=activity_reg)
        self.hparams.update(reg=reg, class_weights=class_weights, label_smoothing=label_smoothing)

        require(num_classes >= 2, f"num_classes must be at least 2, not {num_classes}")
        strengths = reg if isinstance(reg, list) else [reg]
        allowed = not_negative(*strengths, activity_reg)
        require(allowed, "reg and activity_reg must be finite numbers of at least 0")
        require(0 <= label_smoothing < 1, f"label_smoothing must be at least 0 and below 1, not {label_smoothing}")
        require(
            class_weights is None or (len(class_weights) == num_classes and not_negative(*class_weights)),
            f"class_weights must be {num_classes} finite numbers of at least 0, one per class, not {class_weights}",
        )
        catalog.check("lr_decay", lr_decay)
        make_optimizer(optimizer, [torch.zeros(1, 1)], lr, momentum=momentum)  # refuses now what fit would refuse later

        self.example_loss = catalog.resolve("loss", loss)
        self.kernel_penalty = catalog.resolve("reg_type", reg_type)
        self.activity_penalty = catalog.resolve("activity_reg_type", activity_reg_type)
        self.num_classes = num_classes
        self.reg, self.activity_reg, self.label_smoothing = reg, activity_reg, label_smoothing
        self.log_sparsity = log_sparsity
        self.class_weights = class_weights  # no buffer, which `bf16-true` would round
        self.net = net
        self._refuse_what_the_net_cannot_do()
        self.metrics = nn.ModuleDict()
        for stage in ("train", "val", "test"):
            self.metrics[f"{stage}_accuracy"] = Accuracy()
            self.metrics[f"{stage}_loss"] = Mean()
        self.metrics["val_sparsity"] = Mean()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, num_classes) for x (batch, ...)."""
        logits: Tensor = self.net(self._scaled(x))
        return logits

    def loss_and_logits(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the batch's mean loss with its penalties, a scalar, and the logits (batch, num_classes).

        Raises:
            ValueError: y is not a vector of whole numbers, or the network gives no logits of that shape.
        """
        if y.ndim != 1 or y.is_floating_point():
            raise ValueError(f"labels must be whole numbers of shape (batch,), not {y.dtype} of {tuple(y.shape)}")
        x = self._scaled(x)
        hidden: list[Tensor] = []  # each (batch, width)
        if self.activity_reg > 0:
            logits, hidden = self.net(x, return_hidden=True)
            require(len(hidden) > 0, f"activity_reg: {type(self.net).__name__} gives no hidden activations")
        else:  # lets go of each layer's output as soon as the next has it
            logits = self.net(x)
        if logits.shape != (len(y), self.num_classes):
            raise ValueError(
                f"the network must give logits of shape {(len(y), self.num_classes)} for {len(y)} examples of "
                f"{self.num_classes} classes, not {tuple(logits.shape)}"
            )
        logits = at_least_float32(logits)  # (batch, num_classes)
        weights = self.class_weights if self.training else None
        loss = mean_loss(self.example_loss, logits, y.long(), self.label_smoothing, weights)
        for strength, kernel in self._penalized():
            loss = loss + strength * self.kernel_penalty(at_least_float32(kernel))
        for activated in hidden:
            loss = loss + self.activity_reg / len(x) * self.activity_penalty(at_least_float32(activated))
        return loss, logits

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        return self._step("train", batch, batch_idx)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._step("val", batch, batch_idx)
        if self.log_sparsity:
            _, hidden = self.net(self._scaled(batch[0]), return_hidden=True)
            if hidden:
                zeros = torch.cat([activated.flatten() for activated in hidden]) == 0
                self._log("val_sparsity", batch_idx, zeros.float().mean(), len(batch[0]))

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._step("test", batch, batch_idx)

    def predict_step(self, batch: Tensor | Sequence[Tensor], batch_idx: int) -> Tensor:
        """Class probabilities (batch, num_classes), for a batch of x or of (x, y)."""
        x = batch if isinstance(batch, Tensor) else batch[0]
        return at_least_float32(self(x)).softmax(1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        chosen: Any = self.hparams
        optimizer = make_optimizer(chosen.optimizer, self.parameters(), chosen.lr, momentum=chosen.momentum)
        if chosen.lr_decay == "constant":
            return optimizer
        return [optimizer], [make_schedule(chosen.lr_decay, optimizer, self.trainer.max_epochs)]

    def _penalized(self) -> list[tuple[float, Tensor]]:
        """Return the strength above 0 of each kernel that has one, and the kernel."""
        if self.reg == 0 or self.reg == []:
            return []
        kernels = _kernels(self.net)
        require(len(kernels) > 0, f"reg={self.reg} has nothing to lie on: {type(self.net).__name__} has no kernels")
        strengths = self.reg if isinstance(self.reg, list) else [self.reg] * len(kernels)
        return [(strength, kernel) for strength, kernel in zip(strengths, kernels, strict=True) if strength > 0]

    def _refuse_what_the_net_cannot_do(self) -> None:
        name = type(self.net).__name__
        if isinstance(self.reg, list):
            there = len(_kernels(self.net))
            require(len(self.reg) == there, f"reg must be one number or one for each of {name}'s {there} kernels")
        wanted = "activity_reg" if self.activity_reg > 0 else "log_sparsity" if self.log_sparsity else ""
        require(
            not wanted or "return_hidden" in inspect.signature(self.net.forward).parameters,
            f"{wanted} needs a network whose forward(x, return_hidden=True) also returns its hidden activations, "
            f"and {name} has no such argument",
        )

    def _scaled(self, x: Tensor) -> Tensor:
        """Bytes as numbers in [0, 1]; anything else as it is."""
        if x.dtype != torch.uint8:
            return x
        # A CPU would copy the bytes before it divides them.
        scaled = x / 255 if kernel_launches.few_are_better(x) else x.to(torch.float32).div_(255)
        return scaled.to(next(self.parameters()).dtype)

    def _step(self, stage: str, batch: Batch, batch_idx: int) -> Tensor:
        x, y = batch
        loss, logits = step_loss(self, x, y)
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


def _kernels(net: nn.Module) -> list[Tensor]:
    """The weights under a penalty: the network's `kernels()`, else every trained weight of two dimensions or more."""
    if callable(own := getattr(net, "kernels", None)):
        return list(own())
    return [w for w in net.parameters() if w.ndim >= 2 and w.requires_grad]
