"""TensorBoard as the sweeps want it: curves over epochs, a filled HParams tab."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from torch.utils.tensorboard.summary import hparams


class TrialLogger(TensorBoardLogger):
    """TensorBoard with the epoch (from 1) as the x axis, so that runs of any batch size overlay.

    Args:
        folder: the sweep's folder; run: the trial's, beneath it.
        purge_step: first epoch that will be written; what an earlier attempt wrote from there on is dropped.
    """

    def __init__(self, folder: str, run: str, purge_step: int = 1) -> None:
        super().__init__(folder, name="", version=run, default_hp_metric=False, purge_step=purge_step)
        self.epoch: int | None = None  # where set, the epoch that all points belong to: a test's is the last

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        metrics = dict(metrics)
        epoch = metrics.pop("epoch", None)
        if epoch is not None:
            step = self.epoch or int(epoch) + 1
        super().log_metrics(metrics, step)

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Nothing at the start of a fit: log_outcome fills the HParams tab when the metrics are known."""

    @rank_zero_only
    def log_outcome(self, values: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """A row of the HParams tab: swept values, and each metric's last point on its curve."""
        primitive = {k: v if isinstance(v, (bool, int, float, str)) else str(v) for k, v in values.items()}
        for summary in hparams(primitive, dict(metrics)):  # type: ignore[no-untyped-call]
            self.experiment._get_file_writer().add_summary(summary)

    @rank_zero_only
    def save(self) -> None:
        """Nothing: the ledger holds the configuration."""

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Keeps the event file open: Lightning ends a logger after the fit, and the test is still to come."""

    @rank_zero_only
    def close(self) -> None:
        """Closes the event file, also when nothing or not everything was written."""
        if self._experiment is not None:
            self._experiment.close()
