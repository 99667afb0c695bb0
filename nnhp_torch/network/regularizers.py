"""Penalties on a tensor, to be multiplied by a strength and added to the loss.

Source: Keras 3, keras/src/regularizers/regularizers.py. (torch's weight_decay is another thing: ½·λ·Σw².)
"""

from __future__ import annotations

from torch import Tensor


def l1(w: Tensor) -> Tensor:
    """Σ|w|, a scalar."""
    return w.abs().sum()


def l2(w: Tensor) -> Tensor:
    """Σw², a scalar."""
    return w.square().sum()
