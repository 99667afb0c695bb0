"""TensorBoard as the sweeps want it: curves over epochs that lie side by side, and an HParams tab of all runs."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import tensorboard.plugins.hparams.metadata  # noqa: F401  # else hparams() imports it in the midst of a first trial
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard.summary import hparams

from nnhp_torch.core.ledger.fields import is_number
from nnhp_torch.core.spec.objective import Metric
from nnhp_torch.run.trial.epoch_log import length


class TrialLogger(TensorBoardLogger):
    """TensorBoard with the epoch (from 1) as the x axis, so that runs of any batch size overlay.

    Args:
        folder: the sweep's folder; run: the trial's, beneath it.
        purge_step: first epoch that will be written; what an earlier attempt wrote from there on is dropped.
    """

    def __init__(self, folder: str, run: str, purge_step: int = 1) -> None:
        super().__init__(folder, name="", version=run, default_hp_metric=False, purge_step=purge_step)
        self.ahead: Collection[str] = ()  # the metrics that were written before Lightning gives them
        self.epoch: int | None = None  # if set, the epoch that all points belong to: a test's is the last

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        metrics = {name: value for name, value in metrics.items() if name not in self.ahead}
        self.ahead = ()
        epoch = metrics.pop("epoch", None)
        if epoch is not None:
            step = self.epoch or int(epoch) + 1
        tags: dict[str, float] = {}
        for name, value in metrics.items():
            tags[name if tag(name) in tags else tag(name)] = value
        super().log_metrics(tags, step)

    @rank_zero_only
    def write(self, metrics: Mapping[str, float]) -> None:
        """Write an epoch's points so that a checkpoint may follow; Lightning's come after it, and are left out."""
        self.log_metrics(metrics)
        self.ahead = metrics.keys() - {"epoch"}

    def log_history(self, history: Mapping[str, Sequence[float]], first: int = 1) -> None:
        """Write the curves of epochs that were trained before, from a first one (from 1) on."""
        for epoch in range(first - 1, length(history)):
            metrics = {name: curve[epoch] for name, curve in history.items() if not math.isnan(curve[epoch])}
            self.log_metrics({**metrics, "epoch": epoch})

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Skip this at the start of a fit: log_outcome fills the HParams tab when the metrics are known."""

    @rank_zero_only
    def log_outcome(self, values: Mapping[str, Any], metrics: Iterable[str]) -> None:
        """A row of the HParams tab, and for each metric a chart with its training and its validation.

        TensorBoard takes the columns of the first experiment's summary that it finds for those of all runs, of other
        sweeps too. Without any it finds the columns itself, and the last points of the curves.

        Args:
            values: what tells the trial from others.
            metrics: the names of its final ones.
        """
        row = {k: v if isinstance(v, (str, bool)) or is_number(v) else str(v) for k, v in values.items()}
        _, start, end = hparams(row, {})  # type: ignore[no-untyped-call]
        # SummaryWriter.add_hparams would open a run of its own, so its writer is taken. The first test to break is
        # test_the_hparams_tab_has_the_swept_values_and_a_seed_if_there_are_several.
        for summary in (start, end):
            self.experiment._get_file_writer().add_summary(summary)
        if charts := pairs(map(tag, metrics)):
            self.experiment.add_custom_scalars({name: {name: ["Multiline", [of]]} for name, of in charts.items()})

    @rank_zero_only
    def save(self) -> None:
        """Skip this: the ledger holds the configuration."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Keep the event file open: Lightning ends a logger after the fit, and the test is still to come."""

    @rank_zero_only
    def close(self) -> None:
        """Close the event file, also when nothing or not everything was written."""
        if self._experiment is not None:
            self._experiment.close()


def tag(metric: str) -> str:
    """TensorBoard's name of a metric."""
    return Metric(metric).tag


def pairs(tags: Iterable[str]) -> dict[str, str]:
    """Name of a metric → pattern of its two tags, of those that training and validation have."""
    known = set(tags)
    names = [name.removesuffix("/train") for name in known if name.endswith("/train")]
    return {name: f"^{re.escape(name)}/(train|validation)$" for name in sorted(names) if f"{name}/validation" in known}
