"""Mean: a metric over an epoch's examples."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


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
