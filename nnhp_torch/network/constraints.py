"""Constraints on a weight tensor, by Keras's formulas: each maps w to a tensor of the same shape.

`WeightConstraint` (nnhp_torch/callbacks.py) applies them after each optimizer step.

A norm is taken for each output unit over `dim`. By default that is every dimension but the first, for torch keeps
the weights of one output unit at one first index: Linear (out, in), convolutions (out, in, height, width). Where the
outputs stand elsewhere (transposed convolutions), name the others. A vector has one norm.

Source: Keras 3, keras/src/constraints/constraints.py (there, kernels are (in, out) and `axis=0`).
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-7  # keras.config.epsilon()
Dim = int | tuple[int, ...] | None


def none(w: Tensor) -> Tensor:
    """Leave the weights unconstrained."""
    return w


def max_norm(w: Tensor, max_value: float = 2.0, dim: Dim = None) -> Tensor:
    """Norms of at most max_value; what is below keeps its norm.

    Raises:
        ValueError: max_value is negative.
    """
    return min_max_norm(w, 0.0, max_value, rate=1.0, dim=dim)


def unit_norm(w: Tensor, dim: Dim = None) -> Tensor:
    """Norms of 1."""
    return w / (EPSILON + _norm(w, dim))


def min_max_norm(
    w: Tensor, min_value: float = 0.0, max_value: float = 1.0, *, rate: float = 1.0, dim: Dim = None
) -> Tensor:
    """Norms from min_value to max_value, or only a part of the way there.

    Args:
        rate: 1 puts the norm into its bounds at once, smaller values move it by that share of the distance.

    Raises:
        ValueError: not 0 ≤ min_value ≤ max_value, or not 0 < rate ≤ 1.
    """
    if not 0 <= min_value <= max_value:
        raise ValueError(f"the norm's bounds must be 0 ≤ min ≤ max, not {min_value!r} and {max_value!r}")
    if not 0 < rate <= 1:
        raise ValueError(f"rate must be above 0 and at most 1, not {rate!r}")
    norm = _norm(w, dim)
    wanted = rate * norm.clamp(min_value, max_value) + (1 - rate) * norm
    return w * (wanted / (EPSILON + norm))


def non_neg(w: Tensor) -> Tensor:
    """Raise negative weights to 0."""
    return w.clamp(min=0.0)


def _norm(w: Tensor, dim: Dim) -> Tensor:
    if dim is None:
        dim = tuple(range(1, w.ndim)) or 0
    norm: Tensor = torch.linalg.vector_norm(w, dim=dim, keepdim=True)
    return norm
