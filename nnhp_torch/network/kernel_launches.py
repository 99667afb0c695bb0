"""Where a step is to launch few kernels."""

from __future__ import annotations

from torch import Tensor


def few_are_better(x: Tensor) -> bool:
    """Return whether x is where a small step takes as long as it has kernels to launch: on a GPU of NVIDIA's or AMD's.

    There fewer of them are worth other last digits than a CPU's, which stay as they are.
    """
    return x.is_cuda
