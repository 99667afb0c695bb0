"""Penalties on a tensor, to be multiplied by a strength and added to the loss.

Source: Keras 3, keras/src/regularizers/regularizers.py. (torch's weight_decay is another thing: ½·λ·Σw².)
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor


def l1(w: Tensor) -> Tensor:
    """Σ|w|, a scalar."""
    return w.abs().sum()


def l2(w: Tensor) -> Tensor:
    """Σw², a scalar."""
    return w.square().sum()


_PENALTIES = {"l1": l1, "l2": l2}


def penalty(kind: str) -> Callable[[Tensor], Tensor]:
    """The penalty of that name, l1 or l2; ValueError for any other."""
    if kind not in _PENALTIES:
        raise ValueError(f"a penalty must be one of {', '.join(_PENALTIES)}, not {kind!r}")
    return _PENALTIES[kind]
