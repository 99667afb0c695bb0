"""One value per epoch of whatever a module logs, also of what it logs per step, and the history that these become.

A history is metric → its value after each epoch; NaN if it was not logged there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.trainer.connectors.logger_connector.result import _METRICS, _ResultCollection, _ResultMetric
from lightning.pytorch.utilities.data import extract_batch_size
from torch import Tensor
from torchmetrics import Metric

SHOWN = ("callback_metrics", "logged_metrics", "progress_bar_metrics")  # of a Trainer


class EpochLog:
    """Hears what a module logs, and knows at an epoch's end what each metric was in that epoch.

    Of what is logged per step alone (the default of `self.log` in a training_step) Lightning's metrics have the last
    batch's value; here it is the mean over the epoch, each batch weighted by its size. Lightning's own metrics stay as
    they are: what is trained does not change.
    """

    def __init__(self) -> None:
        self.means: dict[str, Tensor] = {}  # of what was logged per step alone
        self.forks: dict[str, str] = {}  # `loss_epoch` of what is logged per step and per epoch → `loss`
        self.whole: set[str] = set()  # what Lightning itself has a value of for the epoch
        self._logged: set[str] = set()
        self._logged_now: set[str] = set()
        self._written = _Written()

    def listen(self, trainer: L.Trainer) -> None:
        """Listen to what is logged in each of a trainer's loops."""
        for loop in (
            trainer.fit_loop.epoch_loop,
            trainer.fit_loop.epoch_loop.val_loop,
            trainer.validate_loop,
            trainer.test_loop,
        ):
            loop._results = _Results(training=loop._results.training, log=self)

    def begin(self, trainer: L.Trainer) -> None:
        """Note from here on what callbacks write into a trainer's metrics; its fit has made these anew by now."""
        connector = trainer._logger_connector
        connector._callback_metrics = self._written = _Written(connector._callback_metrics)

    @staticmethod
    def shown(trainer: L.Trainer) -> list[dict[str, Any]]:
        """Return what a module, a scheduler or a callback may read of what was logged so far."""
        return [dict(getattr(trainer, kind)) for kind in SHOWN]

    @staticmethod
    def show_again(trainer: L.Trainer, kept: Mapping[str, Mapping[str, tuple[Any, float]]]) -> None:
        """Have a trainer's metrics be those that an interrupted one had; not as if they were of the epoch to come."""
        for kind, values in kept.items():
            there = getattr(trainer._logger_connector, f"_{kind}")
            for name, (dtype, number) in values.items():
                value = torch.tensor(number, dtype=dtype, device=trainer.strategy.root_device) if dtype else number
                dict.__setitem__(there, name, value)

    def heard(self, name: str, forked: bool) -> None:
        self._logged.add(name)
        self._logged_now.add(name)
        if forked:
            plain, slash, loader = name.partition("/dataloader_idx_")
            self.forks |= {f"{plain}_step{slash}{loader}": name, f"{plain}_epoch{slash}{loader}": name}

    def take(self, trainer: L.Trainer) -> dict[str, Any]:
        """Return the metrics of the epoch that ends here, without those that are left from an earlier one."""
        metrics = trainer.callback_metrics
        taken = {name: value for name, value in metrics.items() if name not in self.forks and self._is_new(name)}
        taken |= {name: mean for name, mean in self.means.items() if name in self._logged_now - self.whole}
        self.means, self.whole, self._logged_now = {}, set(), set()
        self._written.names.clear()
        return taken

    def _is_new(self, name: str) -> bool:
        if name in self._logged:
            return name in self._logged_now
        return name in self._written.names  # by a callback, as LearningRateMonitor does


class _Written(dict[str, Any]):
    """Lightning's metrics, with the names of those that were written of late: the value may be the very same object."""

    def __init__(self, metrics: Mapping[str, Any] | Iterable[Any] = ()) -> None:
        super().__init__(metrics)
        self.names = set(self)

    def __setitem__(self, name: str, value: Any) -> None:
        self.names.add(name)
        super().__setitem__(name, value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value


class _There(_ResultMetric):
    """A metric that is moved only if it is elsewhere; Lightning copies it for that, whenever it is logged."""

    def to(self, *args: Any, **kwargs: Any) -> _ResultMetric:  # type: ignore[override]  # Lightning's is narrower, too
        return self if self.is_tensor and args == (self.value.device,) else super().to(*args, **kwargs)


class _Collection(_ResultCollection):
    def __setitem__(self, key: str, metric: _ResultMetric) -> None:
        metric.__class__ = _There
        super().__setitem__(key, metric)


class _Results(_Collection):
    """Lightning's collection of what is logged; loggers get each metric under one name, once per epoch."""

    def __init__(self, training: bool, log: EpochLog) -> None:
        super().__init__(training=training)
        self.epoch_log = log
        self.averaged = _Collection(training=training)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def log(self, fx: str, name: str, value: Any, on_step: bool, on_epoch: bool, **options: Any) -> None:
        super().log(fx, name, value, on_step=on_step, on_epoch=on_epoch, **options)
        if options.get("add_dataloader_idx", True) and self.dataloader_idx is not None:
            name += self.DATALOADER_SUFFIX.format(self.dataloader_idx)
        self.epoch_log.heard(name, forked=on_step and on_epoch)
        if on_step and not on_epoch:
            value = value._forward_cache if isinstance(value, Metric) else value
            options |= {"batch_size": options.get("batch_size") or self._batch_size(), "metric_attribute": None}
            if isinstance(value, Tensor):
                self.averaged.log(fx, name, value, on_step=False, on_epoch=True, **options)

    def _batch_size(self) -> int:
        if self.batch_size is None:
            try:
                self.batch_size = extract_batch_size(self.batch) if self.batch is not None else 1
            except MisconfigurationException:  # a batch without tensors: all weigh the same
                self.batch_size = 1
        return self.batch_size

    def metrics(self, on_step: bool) -> _METRICS:
        found = super().metrics(on_step)
        if on_step:
            found["log"] = {}
            return found
        means = self.averaged.metrics(on_step=False)
        plain = {self.epoch_log.forks.get(name, name): value for name, value in found["log"].items()}
        found["log"] = {**means["log"], **plain}
        self.epoch_log.means |= means["callback"]
        self.epoch_log.whole |= found["callback"].keys()
        return found

    def reset(self, metrics: bool | None = None, fx: str | None = None) -> None:
        super().reset(metrics, fx)
        if fx is None:
            self.averaged.reset(metrics)


def length(history: Mapping[str, Sequence[float]]) -> int:
    """Return how many epochs a history has."""
    return max(map(len, history.values()), default=0)


def add(history: dict[str, list[float]], metrics: Mapping[str, float], epoch: int) -> list[str]:
    """Add an epoch (from 0) to a history; return the metrics that earlier epochs have logged and this one has not."""
    for name in (*history, *metrics):
        curve = history.setdefault(name, [])
        curve.extend([math.nan] * (epoch - len(curve)))
    for name, curve in history.items():
        curve.append(metrics.get(name, math.nan))
    return [name for name in history if name not in metrics]


def last_logged(history: Mapping[str, Sequence[float]], names: Iterable[str]) -> dict[str, int]:
    """Return the last epoch (from 1) that has a value of each of these metrics, if that is not the very last one.

    >>> last_logged({"fid": [3.0, math.nan], "loss": [1.0, 0.5]}, ["fid", "loss"])
    {'fid': 1}
    """
    had = {name: [n for n, value in enumerate(history[name], 1) if not math.isnan(value)] for name in names}
    return {name: epochs[-1] for name, epochs in had.items() if epochs and epochs[-1] < length(history)}


def round_to_float32(value: float) -> float:
    """Round to seven digits: all that a float32 holds."""
    return float(f"{value:.7g}")
