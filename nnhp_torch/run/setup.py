"""The answer of a user's `build`: brought into one form, or refused in a sentence."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import lightning as L
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder, OnExceptionCheckpoint, ProgressBar, Timer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities.model_helpers import is_overridden

from nnhp_torch.run.one_lightning import PAIRS

STAGES = ("train", "val", "test")

# Trainer's arguments that build may set: none of them takes from the sweeper what it promises.
SETTINGS = (
    *("accumulate_grad_batches", "benchmark", "check_val_every_n_epoch", "detect_anomaly", "deterministic"),
    *("gradient_clip_algorithm", "gradient_clip_val", "inference_mode", "limit_test_batches", "limit_train_batches"),
    *("limit_val_batches", "log_every_n_steps", "max_steps", "min_epochs", "min_steps", "overfit_batches"),
    *("reload_dataloaders_every_n_epochs", "sync_batchnorm", "use_distributed_sampler", "val_check_interval"),
)

# What to do instead of setting one of the others.
INSTEAD = {
    **dict.fromkeys(("accelerator", "devices", "strategy", "precision"), "give it on the command line, as --{name}"),
    **dict.fromkeys(
        ("logger", "default_root_dir"), "each trial has its folder and its TensorBoard run beneath --log_dir"
    ),
    "callbacks": "they are the third thing that build answers",
    "max_epochs": "it is a field of the configuration",
    "max_time": "a result would depend on the machine's speed; max_epochs says how long",
    "enable_checkpointing": "the sweep goes on from its checkpoints; --keep_checkpoints says which of them stay",
    "fast_dev_run": "it trains nothing to the end; --max_epochs 1 with limit_train_batches is a quick try",
    "num_sanity_val_steps": "a validation before the first epoch is no epoch's",
    "enable_progress_bar": "the sweep shows its own progress",
    "plugins": "one of them writes the sweeper's checkpoints; --precision and --strategy choose others",
}


class WrongAnswer(TypeError):
    """The answer of `build` cannot be trained; the message says what would be right."""


@dataclass(frozen=True)
class Setup:
    """The parts of a trial: the answer of `build(config)` if `(module, data, callbacks)` does not say enough.

    Args:
        module: the LightningModule.
        data: a LightningDataModule; None: the module's own loaders; or loaders, as
            `{"train": loader, "val": loader or list of loaders, "test": …}` or `(train, val, test)`.
        callbacks: Lightning callbacks, fresh ones. Progress bars are left out: the sweep shows its own progress.
        trainer: Trainer's arguments, such as `{"gradient_clip_val": 0.5}`; one that varies over the trials comes from
            a field of the configuration.
        loggers: further ones, beside the trial's TensorBoard run. A trial finds its folder, where such files may
            go, in the environment as NNHP_TRIAL_DIR.
        score_training: score the training data once more when all else has ended, as the validation data are: what is
            logged while it trains is a mean over changing weights. `trained_accuracy` is to `val_accuracy` what
            `test_accuracy` is. The loader is the one that trains; no logger hears of it.

    Example:
        >>> def build(config):
        ...     return Setup(Net(config.lr), Data(), trainer={"gradient_clip_val": config.clip})
    """

    module: L.LightningModule
    data: Any = None
    callbacks: Sequence[L.Callback] = ()
    trainer: Mapping[str, Any] = field(default_factory=dict)
    loggers: Sequence[Logger] = ()
    score_training: bool = False

    @property
    def datamodule(self) -> L.LightningDataModule | None:
        """The data, if they are a data module."""
        return self.data if isinstance(self.data, L.LightningDataModule) else None

    def parts(self) -> list[Any]:
        """Return what a trial is made of: the module first, then its layers, the data, what they hold, callbacks."""
        data = [] if self.datamodule is None else [self.datamodule, *vars(self.datamodule).values()]
        return [*self.module.modules(), *data, *self.callbacks]

    def fit_data(self) -> dict[str, Any]:
        """Trainer.fit's arguments for the data."""
        if self.datamodule is not None:
            return {"datamodule": self.datamodule}
        return {f"{stage}_dataloaders": (self.data or {}).get(stage) for stage in ("train", "val")}

    def val_data(self) -> dict[str, Any]:
        """Trainer.validate's arguments for the data."""
        if self.datamodule is not None:
            return {"datamodule": self.datamodule}
        return {"dataloaders": self.fit_data()["val_dataloaders"]}

    def train_loader(self) -> Any:
        """Return the loader that trains, made anew."""
        if self.datamodule is not None:
            return self.datamodule.train_dataloader()
        return (self.data or {}).get("train") or self.module.train_dataloader()

    def test_data(self) -> dict[str, Any] | None:
        """Trainer.test's arguments for the data, the module's own if there is no other; None: nothing to test."""
        if not is_overridden("test_step", self.module):
            return None
        if self.datamodule is not None and is_overridden("test_dataloader", self.datamodule):
            return {"datamodule": self.datamodule}
        if isinstance(self.data, dict) and "test" in self.data:
            return {"dataloaders": self.data["test"]}
        return {} if is_overridden("test_dataloader", self.module) else None

    @contextmanager
    def test_data_or_none(self) -> Iterator[None]:
        """Have a `test_dataloader` that returns nothing, as templates' do, stand for no data; Lightning refuses it."""
        served = self.datamodule is not None and is_overridden("test_dataloader", self.datamodule)
        owner: Any = self.datamodule if served else self.module
        asked = owner.test_dataloader
        instead = patch.object(owner, "test_dataloader", lambda: [] if (found := asked()) is None else found)
        with instead, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Total length of .* is zero")  # as it is meant to be
            yield

    def prepare_data(self) -> None:
        """Have the data fetched, as a Trainer would."""
        if self.datamodule is not None:
            self.datamodule.prepare_data()
        self.module.prepare_data()


def setup_of(answer: Any) -> Setup:
    """Bring what build answers into a Setup: one, a module, or up to three things: module, data, callbacks.

    Raises:
        WrongAnswer: it is nothing that can be trained.
    """
    if isinstance(answer, (tuple, list)):
        if not 1 <= len(answer) <= 3:
            raise WrongAnswer(f"build answers {len(answer)} things; it should be (module, data, callbacks) or a Setup")
        answer = Setup(*answer)
    elif not isinstance(answer, Setup):
        answer = Setup(answer)
    module = _module(answer.module)
    data, callbacks = _data(answer.data, module), _callbacks(answer.callbacks)
    rest = _trainer(answer.trainer), _loggers(answer.loggers), bool(answer.score_training)
    return Setup(module, data, callbacks, *rest)


def _module(module: Any) -> L.LightningModule:
    if type(module).__name__ == "OptimizedModule":  # torch.compile's
        from lightning.pytorch.utilities.compile import from_compiled

        module = from_compiled(module)
    if isinstance(module, L.LightningModule):
        return module
    if module is None:
        raise WrongAnswer("build answers None; does it end with `return module, data, callbacks`?")
    if any(base.__module__.startswith(tuple(PAIRS)) for base in type(module).__mro__):
        raise WrongAnswer(
            f"{type(module).__name__} is of the package pytorch_lightning, which was imported beside lightning, or in "
            "another version: import nnhp_torch before it, and both names mean one package"
        )
    raise WrongAnswer(f"build should answer a LightningModule first, not {_what(module)}")


def _data(data: Any, module: L.LightningModule) -> Any:
    if isinstance(data, L.LightningDataModule):
        return data
    if isinstance(data, (tuple, list)):
        if not 2 <= len(data) <= 3:
            raise WrongAnswer(f"data given as loaders should be (train, val) or (train, val, test), not {len(data)}")
        data = dict(zip(STAGES, data, strict=False))
    elif data is None:
        data = {}
    elif not isinstance(data, Mapping):
        data = {"train": data}
    if unknown := [name for name in data if name not in STAGES]:
        raise WrongAnswer(f"data has no part {unknown[0]!r}; loaders are given as {', '.join(STAGES)}")
    loaders = {name: loader for name, loader in data.items() if loader is not None}
    for loader in loaders.values():
        if isinstance(loader, (type, str)) or not isinstance(loader, Iterable):
            raise WrongAnswer(f"data should be a LightningDataModule, None, or loaders, not {_what(loader)}")
    if "train" not in loaders and not is_overridden("train_dataloader", module):
        raise WrongAnswer(
            f"there is nothing to train on: {type(module).__name__} has no train_dataloader of its own, "
            "and build answers no data beside it"
        )
    return loaders


def _callbacks(callbacks: Any) -> list[L.Callback]:
    if callbacks is None:
        return []
    if isinstance(callbacks, L.Callback):
        callbacks = [callbacks]
    if isinstance(callbacks, (type, str, Mapping)) or not isinstance(callbacks, Iterable):
        raise WrongAnswer(f"callbacks should be a list of Lightning callbacks, not {_what(callbacks)}")
    callbacks = list(callbacks)
    for callback in callbacks:
        if not isinstance(callback, L.Callback):
            raise WrongAnswer(f"callbacks should be Lightning callbacks, not {_what(callback)}")
        if why := _why_not(callback):
            raise WrongAnswer(f"{type(callback).__name__} cannot be among the callbacks: {why}")
    # The sweep has its own of these; from what the last one leaves, Lightning would go on in whichever trial is next.
    return [callback for callback in callbacks if not isinstance(callback, (ProgressBar, OnExceptionCheckpoint))]


def _why_not(callback: L.Callback) -> str:
    match callback:
        case BatchSizeFinder():
            return "the batch size that it finds depends on the machine's memory; sweep the batch size instead"
        case LearningRateFinder():
            return "it trains at another rate than the one that the sweep says; sweep the rate instead"
        case Timer() if callback.time_remaining() is not None:
            return INSTEAD["max_time"]
    return ""


def _trainer(settings: Any) -> dict[str, Any]:
    if not isinstance(settings, Mapping):
        raise WrongAnswer(f"trainer should be a dictionary of Trainer's arguments, not {_what(settings)}")
    for name, value in settings.items():
        if name not in SETTINGS:
            instead = INSTEAD.get(name, f"it may set {', '.join(SETTINGS)}").format(name=name)
            raise WrongAnswer(f"build cannot set Trainer's {name}: {instead}")
        plain = (bool, int, float) if name == "val_check_interval" else (bool, int, float, str)
        if value is not None and not isinstance(value, plain):
            raise WrongAnswer(f"Trainer's {name} should be a plain value here, not {_what(value)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise WrongAnswer(f"Trainer's {name} should be finite, so that the ledger can hold it, not {value}")
    return dict(settings)


def _loggers(loggers: Any) -> list[Logger]:
    for logger in loggers:
        if not isinstance(logger, Logger):
            raise WrongAnswer(f"loggers should be a list of Lightning loggers, not {_what(logger)}")
    return list(loggers)


def _what(value: Any) -> str:
    """Return a value in words: a class is not yet what it makes."""
    if isinstance(value, type):
        return f"the class {value.__name__} itself: {value.__name__}(…) makes one"
    return "None" if value is None else f"{value!r}" if isinstance(value, (str, int, float)) else type(value).__name__
