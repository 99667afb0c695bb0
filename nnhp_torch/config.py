"""The article's settings for one trial, as a frozen dataclass of primitives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nnhp_torch import catalog

PROTOCOLS = ("holdout", "article", "printed")

# Images to train on, by protocol: all the MNIST-shaped sets have 60,000 + 10,000.
TRAINING_IMAGES = {"holdout": 50_000, "article": 60_000, "printed": 60_000}


def _setting(default: Any, help: str) -> Any:
    """A field whose help text the command line shows."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class TrialConfig:
    """Everything that decides one trial's result; the defaults are the article's initial settings.

    Raises:
        ValueError: a value is out of range or names nothing that exists; the message says what would be right.
    """

    n_layers: int = _setting(2, "hidden layers after the first one, which is always there")
    n_nodes: int = _setting(128, "units in every hidden layer")
    activation: str = _setting("relu", "activation of the hidden layers")
    optimizer: str = _setting("Adam", "Adam, Adagrad, RMSprop, SGD (Keras's rules) or torch.optim.<Name>")
    batch_size: int = _setting(30_000, "images per optimizer step, over all devices")
    lr: float = _setting(0.01, "learning rate")
    lr_decay: str = _setting("constant", "how the learning rate falls during training")
    momentum: float | None = _setting(None, "beta1 of Adam, momentum of SGD and RMSprop; null: Keras's default")
    loss: str = _setting("cross_entropy", "cross_entropy, kl_divergence or mse (on the probabilities)")
    reg_type: str = _setting("l2", "weight penalty, l1 or l2, on every hidden layer but the first")
    reg: float = _setting(0.0, "strength of the weight penalty")
    activity_reg_type: str = _setting("l1", "activity penalty, l1 or l2, on every hidden layer's output")
    activity_reg: float = _setting(0.0, "strength of the activity penalty")
    dropout: float = _setting(0.0, "share of units dropped in every hidden layer but the first")
    batch_norm: bool = _setting(False, "batch normalization after each hidden layer's activation")
    weight_constraint: str = _setting("none", "constraint on the kernels after every optimizer step")
    noise: float = _setting(0.0, "standard deviation of the Gaussian noise on the training images (pixels in 0..1)")
    patience: int | None = _setting(None, "epochs without a better val_accuracy before stopping; null: never")
    log_sparsity: bool = _setting(False, "also log val_sparsity, the share of hidden outputs that are zero")
    max_epochs: int = _setting(40, "epochs")
    seed: int = _setting(123, "random seed")
    protocol: str = _setting(
        "holdout",
        "holdout: train on 50,000, validate on 10,000, test once at the end; article: train on all 60,000 and "
        "validate on the test images; printed: that, and the network and training as the article's code is printed",
    )
    dataset: str = _setting("MNIST", "MNIST, FashionMNIST or KMNIST")

    def __post_init__(self) -> None:
        for name, least in {"n_layers": 0, "n_nodes": 1, "batch_size": 1, "max_epochs": 1, "seed": 0}.items():
            _check_whole(name, getattr(self, name), least)
        if self.patience is not None:
            _check_whole("patience", self.patience, 0)
        _check_number("lr", self.lr, above=0.0)
        for name in ("reg", "activity_reg", "noise"):
            _check_number(name, getattr(self, name), least=0.0)
        _check_number("dropout", self.dropout, least=0.0, below=1.0)
        if self.momentum is not None:
            _check_number("momentum", self.momentum, least=0.0, below=1.0)
        for name in ("batch_norm", "log_sparsity"):
            _check_choice(name, getattr(self, name), (True, False))
        for kind in ("activation", "optimizer", "loss", "lr_decay", "weight_constraint"):
            catalog.check(kind, getattr(self, kind))
        for name in ("reg_type", "activity_reg_type"):
            _check_choice(name, getattr(self, name), ("l1", "l2"))
        _check_choice("protocol", self.protocol, PROTOCOLS)
        _check_choice("dataset", self.dataset, ("MNIST", "FashionMNIST", "KMNIST"))
        if self.optimizer == "Adagrad" and self.momentum is not None:
            raise ValueError("Adagrad has no momentum: leave momentum at null")
        images = TRAINING_IMAGES[self.protocol]
        if self.batch_size > images:
            raise ValueError(
                f"batch_size must be at most {images}, the training images of protocol {self.protocol!r}, "
                f"not {self.batch_size}"
            )


def _check_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def _check_number(
    name: str,
    value: object,
    *,
    least: float = -float("inf"),
    above: float = -float("inf"),
    below: float = float("inf"),
) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not (value >= least and above < value < below):  # type: ignore[operator]
        bounds = [
            f"at least {least:g}" if least > -float("inf") else "",
            f"above {above:g}" if above > -float("inf") else "",
            f"below {below:g}" if below < float("inf") else "",
        ]
        raise ValueError(f"{name} must be a number {' and '.join(filter(None, bounds))}, not {value!r}")


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")
