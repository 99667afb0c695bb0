"""Mean and Accuracy: metrics over an epoch's examples; and the digits that a sum deserves."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from nnhp_torch.network import kernel_launches


def at_least_float32(x: Tensor) -> Tensor:
    """Return x with float32's digits or more: bfloat16 has two, too few for a sum or a logarithm."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class _OverExamples(Metric):
    """A metric that counts its examples on the host until somebody asks: at each batch it would be a kernel more."""

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.uncounted = 0
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    @property
    def count(self) -> Tensor:
        self.count = self._count + self.uncounted
        return self._count

    @count.setter
    def count(self, count: Tensor) -> None:
        self._count, self.uncounted = count, 0


class Mean(_OverExamples):
    """Mean over an epoch's examples, from means over its batches, in float32 at least. A NaN stays one.

    (`bf16-true` casts all there is in a module, and bfloat16 counts to 256: each sum is a tensor of its own type.)

    (torchmetrics' MeanMetric drops NaNs, or waits for the device at each batch to look for them; told not to look,
    version 1.9 forgets the weights.)
    """

    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float32), dist_reduce_fx="sum")

    def update(self, mean: Tensor, examples: int) -> None:
        mean = at_least_float32(mean)
        if kernel_launches.few_are_better(mean):
            self.total = torch.add(self.total, mean, alpha=examples)
        else:
            self.total = self.total + mean * examples
        self.uncounted += examples

    def compute(self) -> Tensor:
        return self.total / self.count


class Accuracy(_OverExamples):
    """Share of an epoch's examples with their label as the likeliest class.

    (torchmetrics' MulticlassAccuracy has the same value, but counts four things at each batch: on a GPU, where a small
    step takes as long as it has kernels to launch, that was a third of the step.)
    """

    right: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, logits: Tensor, y: Tensor) -> None:
        self.right += (logits.argmax(1) == y).sum()
        self.uncounted += len(y)

    def compute(self) -> Tensor:
        return self.right.float() / self.count.float()
