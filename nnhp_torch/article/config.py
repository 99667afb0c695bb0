"""The article's settings for one trial, as a frozen dataclass of primitives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, ClassVar

from nnhp_torch import checks
from nnhp_torch.network import catalog

# What the article's printed code has, and `--protocol printed` with it; its momentum has no effect.
PRINTED = (
    *("n_layers", "n_nodes", "activation", "optimizer", "batch_size", "lr", "momentum", "loss", "reg_type", "reg"),
    *("dropout", "max_epochs", "seed", "protocol", "dataset"),
)

# Images to train on, by protocol: all the MNIST-shaped sets have 60,000 + 10,000.
TRAINING_IMAGES = {"holdout": 50_000, "article": 60_000, "printed": 60_000}


def _setting(default: Any, help: str, check: Callable[[str, Any], None], *, flag: bool = False) -> Any:
    """Return a field with its help text and its check (name, value); None needs none if it is the default.

    Args:
        flag: whether the command line has it as a flag of its own, `--dataset` instead of `--base.dataset`.
    """
    return field(default=default, metadata={"help": help, "check": check, "flag": flag})


def _number(default: float | None, help: str, **bounds: Any) -> Any:
    return _setting(default, f"{help}; {checks.bounds(**bounds)}", partial(checks.number, **bounds))


def _whole(default: int | None, help: str, least: int) -> Any:
    return _setting(default, f"{help}; at least {least}", partial(checks.whole, least=least))


def _choice(default: Any, help: str, choices: Collection[Any], *, flag: bool = False) -> Any:
    return _setting(default, help, partial(checks.choice, choices=choices), flag=flag)


def _named(default: str, help: str) -> Any:
    """Return a name in the catalog."""
    return _setting(default, help, catalog.check)


@dataclass(frozen=True)
class TrialConfig:
    """Everything that decides one trial's result; the defaults are the article's initial settings.

    A setting that has the name of an argument of MLPClassifier reaches it without further words.

    Raises:
        ValueError: a value is out of range or names nothing that exists; the message says what would be right.

    Example:
        >>> TrialConfig(optimizer="SGD", lr=0.1, momentum=0.9).batch_size
        30000
    """

    # Of ten digits: what figures show as not having learned.
    guessing: ClassVar[Mapping[str, float]] = {"accuracy": 0.1}

    n_layers: int = _whole(2, "hidden layers after the first one, which is always there", least=0)
    n_nodes: int = _whole(128, "units in every hidden layer", least=1)
    activation: str = _named(
        "relu", "activation of the hidden layers: relu, sigmoid, tanh, linear, gelu, silu, leaky_relu or elu"
    )
    optimizer: str = _named("Adam", "Adam, Adagrad, RMSprop, SGD (Keras's rules) or torch.optim.<Name>")
    batch_size: int = _whole(30_000, "images per optimizer step, over all devices", least=1)
    lr: float = _number(0.01, "learning rate", above=0)
    lr_decay: str = _named(
        "constant", "how the learning rate falls during training: constant, step, exponential or cosine"
    )
    momentum: float | None = _number(
        None, "beta1 of Adam, momentum of SGD and RMSprop; null: Keras's default", least=0, below=1
    )
    loss: str = _named("cross_entropy", "cross_entropy, kl_divergence or mse (on the probabilities)")
    label_smoothing: float = _number(0.0, "share of each label spread evenly over all classes", least=0, below=1)
    reg_type: str = _named("l2", "weight penalty, l1 or l2, on every hidden layer but the first")
    reg: float = _number(0.0, "strength of the weight penalty (regularization, weight decay)", least=0)
    activity_reg_type: str = _named("l1", "activity penalty, l1 or l2, on every hidden layer's output")
    activity_reg: float = _number(0.0, "strength of the activity penalty", least=0)
    dropout: float = _number(0.0, "share of units dropped in every hidden layer but the first", least=0, below=1)
    batch_norm: bool = _choice(False, "batch normalization after each hidden layer's activation", (True, False))
    gradient_clip: float | None = _number(None, "largest norm of a step's gradient; null: no bound", above=0)
    weight_constraint: str = _named(
        "none",
        "constraint on the weights after every optimizer step: none, max_norm, unit_norm, min_max_norm or non_neg",
    )
    noise: float = _number(
        0.0, "standard deviation of the Gaussian noise on the training images (pixels in 0..1)", least=0
    )
    patience: int | None = _whole(
        None, "early stopping after so many epochs without a better val_accuracy; null: never", least=0
    )
    restore_best: bool = _choice(
        False, "go back to the weights of the best epoch when the training ends", (True, False)
    )
    log_sparsity: bool = _choice(
        False, "also log val_sparsity, the share of hidden outputs that are zero", (True, False)
    )
    max_epochs: int = _whole(40, "epochs", least=1)
    seed: int = _whole(123, "random seed", least=0)
    protocol: str = _choice(
        "holdout",
        "holdout: train on 50,000, validate on 10,000, test once at the end; article: train on all 60,000 and "
        "validate on the test images; printed: that, and the network and training as the article's code is printed",
        TRAINING_IMAGES,
        flag=True,
    )
    dataset: str = _choice("MNIST", "MNIST, FashionMNIST or KMNIST", ("MNIST", "FashionMNIST", "KMNIST"), flag=True)
    fold: int = _choice(5, "which sixth of the training images is held out, 0 to 5; 5: the last", tuple(range(6)))

    def __post_init__(self) -> None:
        for setting in fields(self):
            value = getattr(self, setting.name)
            if value is not None or setting.default is not None:
                setting.metadata["check"](setting.name, value)
        if self.optimizer == "Adagrad" and self.momentum is not None:
            raise ValueError("Adagrad has no momentum: leave momentum at null")
        if self.protocol != "holdout" and self.fold != TrialConfig.fold:
            raise ValueError(f"protocol {self.protocol!r} holds no images out: leave fold at {TrialConfig.fold}")
        if self.protocol == "printed":
            self._refuse_what_is_not_printed()
        images = TRAINING_IMAGES[self.protocol]
        if self.batch_size > images:
            raise ValueError(
                f"batch_size must be at most {images}, the training images of protocol {self.protocol!r}, "
                f"not {self.batch_size}"
            )

    @property
    def examples(self) -> int:
        """How many images an epoch trains on, by which pages count its steps."""
        return TRAINING_IMAGES[self.protocol]

    def in_words(self, without: Collection[str] = ()) -> str:
        """Say what is trained, for titles: the network, the optimizer, and whatever else is not as usual.

        Args:
            without: settings that are not to be named, such as the swept ones.

        >>> TrialConfig(max_epochs=80, reg=0.001).in_words(without=["batch_size"])
        '3 hidden layers × 128 units, Adam lr=0.01, l2=0.001, 80 epochs of MNIST'
        """

        def say(**words: str) -> str:
            return " ".join(word for name, word in words.items() if word and name not in without)

        momentum = "" if self.momentum is None else f"momentum={self.momentum:g}"
        phrases = [
            say(n_layers=f"{self.n_layers + 1} hidden layers", n_nodes=f"× {self.n_nodes} units"),
            say(optimizer=self.optimizer, lr=f"lr={self.lr:g}", momentum=momentum),
            say(batch_size=f"batch_size={self.batch_size}"),
            say(reg=f"{self.reg_type}={self.reg:g}" if self.reg else ""),
            say(activity_reg=f"activity {self.activity_reg_type}={self.activity_reg:g}" if self.activity_reg else ""),
        ]
        named = {"n_layers", "n_nodes", "optimizer", "lr", "momentum", "batch_size", "reg", "activity_reg"}
        silent = named | {"reg_type", "activity_reg_type", "log_sparsity", "max_epochs", "dataset", "seed"}
        unusual = [f.name for f in fields(self) if f.name not in silent and getattr(self, f.name) != f.default]
        phrases += [say(**{name: f"{name}={getattr(self, name)}"}) for name in unusual]
        phrases.append(
            say(max_epochs=f"{self.max_epochs} epoch{'s' * (self.max_epochs != 1)}", dataset=f"of {self.dataset}")
        )
        return ", ".join(filter(None, phrases))

    def _refuse_what_is_not_printed(self) -> None:
        if self.n_layers < 1:
            raise ValueError("the printed code trains nothing with n_layers=0: n_layers must be at least 1")
        for setting in fields(self):
            if setting.name not in PRINTED and getattr(self, setting.name) != setting.default:
                usual = "null" if setting.default is None else setting.default
                raise ValueError(
                    f"the printed code has no {setting.name}: leave it at {usual}, or use --protocol article, "
                    f"not {getattr(self, setting.name)!r}"
                )
