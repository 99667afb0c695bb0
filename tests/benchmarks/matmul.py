"""How fast this machine multiplies matrices, by the best library that torch has for it."""

from __future__ import annotations

import itertools
import time

import torch

from nnhp_torch.run.resume.isolation import kept_precisions
from nnhp_torch.run.trial.hardware import prefer_onednn

# (rows, inner, columns): large squares, and the study's own layers at the chunk they are computed in.
SHAPES = ((1024, 1024, 1024), (2048, 2048, 2048), (2500, 784, 128), (2500, 128, 128))


def ceiling(seconds: float = 0.3) -> float:
    """Float32 FLOP/s, at full float32 precision: the best of MKL and oneDNN and of several shapes.

    Args:
        seconds: spent on each shape.
    """
    with kept_precisions():  # the process goes on with a trial
        best = max(_rate(shape, seconds) for shape in SHAPES)
        if prefer_onednn():
            best = max(best, *(_rate(shape, seconds) for shape in SHAPES))
    return best


def _rate(shape: tuple[int, int, int], seconds: float) -> float:
    """The rate of the fastest of many products."""
    rows, inner, columns = shape
    a, b, out = torch.rand(rows, inner), torch.rand(inner, columns), torch.empty(rows, columns)
    fastest = float("inf")
    end = time.perf_counter() + seconds
    while (clock := time.perf_counter()) < end:
        torch.mm(a, b, out=out)
        fastest = min(fastest, time.perf_counter() - clock)
    return 2 * rows * inner * columns / fastest


def training_flops(widths: list[int], training: int, validation: int) -> int:
    """Floating-point operations in the matrix products of an epoch.

    A kernel costs two per image and weight forward, two for its gradient, and two to hand the gradient on to the layer
    before it, which the first layer need not do.

    Args:
        widths: of the input, the hidden layers, the output.
        training, validation: images of each.
    """
    kernels = [before * width for before, width in itertools.pairwise(widths)]
    forward = 2 * sum(kernels)
    backward = forward + 2 * sum(kernels[1:])
    return training * (forward + backward) + validation * forward
