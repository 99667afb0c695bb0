"""TensorBoard's mean of each cell over its seeds, a run of its own with a band."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from nnhp_torch.core.spec.names import file_name
from nnhp_torch.core.spec.objective import Metric
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.figure import tensorboard


def write_means(folder: Path, summary: Summary) -> None:
    """Write a run of TensorBoard for each cell with several trials: their mean ± a standard deviation."""
    from nnhp_torch.report.figure import panels  # and NumPy with it, which --help need not wait for

    several = [cell for cell in summary.cells if len(cell.completed) > 1]
    shown = list(panels.metrics(summary).values())
    for cell in several:
        curves: dict[str, Sequence[float]] = {}
        bands: dict[str, str] = {}
        for metric in shown:
            tag, of = Metric(metric).tag, panels.series(cell, metric)
            curves |= {tag: of.mean, f"{tag}/low": of.low, f"{tag}/high": of.high}
            bands[tag] = f"{tag}: mean ± standard deviation"
        starts = [result.started for result in cell.completed if result.started]  # none of runs made elsewhere
        made = max((datetime.fromisoformat(start).timestamp() for start in starts), default=0.0)
        of_cell = file_name(cell.values, cell.defaults, cell.completed[0].key)
        run = folder / f"mean of {len(cell.completed)},{of_cell}"
        tensorboard.write_curves(run, curves, bands, made)
        for fewer in set(folder.glob(f"mean of *,{glob.escape(of_cell)}")) - {run}:  # of an earlier state
            tensorboard.clear(fewer)
            with suppress(OSError):
                fewer.rmdir()
