"""MLPClassifier: a multilayer perceptron under a Classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from nnhp_torch.network.classifier import Classifier
from nnhp_torch.network.mlp import MLP, per_layer


class MLPClassifier(Classifier):
    """Make a multilayer perceptron and train it, with every hyperparameter of the article; the defaults are its own.

    x (batch, ...) has in_features numbers per example; what is logged is what a Classifier logs.

    Args:
        in_features, num_classes, hidden_sizes, activation, dropout, batch_norm: as for MLP.
        reg: strength of the penalty on the hidden layers' kernels, one for all layers or one for each.
        settings: a Classifier's other arguments.

    Raises:
        ValueError: an argument is out of range, names nothing that exists, or asks for what only hidden layers have
            when there are none; the message says what would be right.

    Example:
        >>> MLPClassifier(in_features=20, num_classes=2, hidden_sizes=[64, 32]).net.output
        Linear(in_features=32, out_features=2, bias=True)
    """

    takes_chunks: ClassVar[bool] = True
    net: MLP

    def __init__(
        self,
        in_features: int = 784,
        num_classes: int = 10,
        hidden_sizes: Sequence[int] = (128, 128, 128),
        *,
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
        reg: float | Sequence[float] = 0.0,
        **settings: Any,
    ) -> None:
        in_features, num_classes = int(in_features), int(num_classes)
        hidden_sizes = [int(width) for width in hidden_sizes]
        if not hidden_sizes:
            _refuse_what_needs_hidden_layers(dropout=dropout, batch_norm=batch_norm, reg=reg, **settings)
        dropout = per_layer("dropout", dropout, len(hidden_sizes))
        net = MLP(in_features, num_classes, hidden_sizes, activation=activation, dropout=dropout, batch_norm=batch_norm)
        super().__init__(net, num_classes, reg=per_layer("reg", reg, len(hidden_sizes)), **settings)


def _refuse_what_needs_hidden_layers(**settings: Any) -> None:
    for name in ("dropout", "batch_norm", "reg", "activity_reg", "log_sparsity"):
        if value := settings.get(name):
            raise ValueError(f"{name}={value} is for hidden layers, and hidden_sizes={[]} has none")
