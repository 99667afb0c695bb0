"""Losses of single examples, and penalties on a tensor, by Keras's formulas.

A loss takes logits (batch, num_classes) and labels (batch,), and gives (batch,). A penalty is to be multiplied by a
strength and added to the loss (Keras 3, keras/src/regularizers/regularizers.py; torch's weight_decay is another thing:
½·λ·Σw²).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional as F

from nnhp_torch.network import kernel_launches

EPSILON = 1e-7  # keras.config.epsilon()


def cross_entropy(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """-Σ t·log p over the classes, for each example: (batch,) from logits (batch, num_classes) and labels (batch,).

    Here and below, t is the label as a distribution: one-hot, with `label_smoothing` of it spread evenly; p is the
    softmax of the logits.
    """
    return F.cross_entropy(logits, y, reduction="none", label_smoothing=label_smoothing)


def kl_divergence(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Σ t·log(t/p), with t and p clipped to [1e-7, 1]; on one-hot labels, cross-entropy (shapes as there).

    Source: Keras 3, keras/src/losses/losses.py (KLDivergence).
    """
    t = _distribution(logits, y, label_smoothing).clamp(EPSILON, 1)  # (batch, num_classes)
    p = logits.softmax(1).clamp(EPSILON, 1)  # (batch, num_classes)
    return (t * (t / p).log()).sum(1)


def mse(logits: Tensor, y: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean of (t - p)² over the classes (shapes as for cross_entropy).

    Source: Keras 3, keras/src/losses/losses.py (MeanSquaredError).
    """
    return (_distribution(logits, y, label_smoothing) - logits.softmax(1)).square().mean(1)


def l1(w: Tensor) -> Tensor:
    """Σ|w|, a scalar."""
    return w.abs().sum()


def l2(w: Tensor) -> Tensor:
    """Σw², a scalar."""
    return w.square().sum()


def mean_loss(
    of_examples: Callable[..., Tensor],
    logits: Tensor,
    y: Tensor,
    label_smoothing: float,
    class_weights: Sequence[float] | None,
) -> Tensor:
    """Return the mean of one of these losses over a batch, each example's times the weight of its class."""
    if of_examples is cross_entropy and class_weights is None and kernel_launches.few_are_better(logits):
        return F.cross_entropy(logits, y, label_smoothing=label_smoothing)
    losses = of_examples(logits, y, label_smoothing)  # (batch,)
    if class_weights is not None:
        losses = losses * losses.new_tensor(class_weights)[y]
    return losses.mean()


def _distribution(logits: Tensor, y: Tensor, label_smoothing: float) -> Tensor:
    classes = logits.shape[1]
    one_hot = F.one_hot(y, classes).to(logits.dtype)  # (batch, num_classes)
    return one_hot * (1 - label_smoothing) + label_smoothing / classes
