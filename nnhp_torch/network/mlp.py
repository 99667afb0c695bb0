"""A multilayer perceptron with Keras's defaults: plain PyTorch, no Lightning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nnhp_torch.network import catalog


class MLP(nn.Module):
    """Fully connected network: hidden layers (Linear, activation, batch norm, dropout), then a Linear for the logits.

    Kernels start as Glorot's uniform, biases at zero (Keras 3: keras/src/layers/core/dense.py).

    Args:
        in_features: inputs per example, after flattening.
        num_classes: logits per example.
        hidden_sizes: units of each hidden layer; empty for softmax regression.
        activation: relu, sigmoid, tanh, linear, gelu, silu, leaky_relu or elu, with torch's defaults.
        dropout: share of a hidden layer's units dropped in training, in [0, 1): one for all layers or one for each.
        batch_norm: normalize what each activation puts out, as Keras does.

    Raises:
        ValueError: an argument is out of range; the message says what would be right.

    Example:
        >>> net = MLP(in_features=20, num_classes=2, hidden_sizes=[64, 32], dropout=0.1)
        >>> net(torch.rand(5, 20)).shape
        torch.Size([5, 2])
    """

    takes_chunks: ClassVar[bool] = True  # it looks at each example alone, unless it normalizes batches

    def __init__(
        self,
        in_features: int = 784,
        num_classes: int = 10,
        hidden_sizes: Sequence[int] = (128, 128, 128),
        *,
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.0,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        widths = [in_features, *hidden_sizes]
        if min(*widths, num_classes) < 1:
            raise ValueError(
                "in_features, num_classes and hidden_sizes must be at least 1, "
                f"not {in_features}, {num_classes} and {list(hidden_sizes)}"
            )
        dropouts = per_layer("dropout", dropout, len(hidden_sizes))
        if not all(0 <= p < 1 for p in dropouts):
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout!r}")
        act = catalog.resolve("activation", activation)
        self.in_features = in_features
        self.hidden = nn.ModuleList(
            HiddenLayer(nn.Linear(before, width), act(), BatchNorm(width) if batch_norm else nn.Identity(), dropout=p)
            for before, width, p in zip(widths[:-1], widths[1:], dropouts, strict=True)
        )
        self.output = nn.Linear(widths[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def kernels(self) -> list[Tensor]:
        """Return the hidden layers' kernels, each (width, width before)."""
        return [layer.linear.weight for layer in self.hidden]  # type: ignore[union-attr,misc]

    @overload
    def forward(self, x: Tensor, return_hidden: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, x: Tensor, return_hidden: Literal[True]) -> tuple[Tensor, list[Tensor]]: ...
    def forward(self, x: Tensor, return_hidden: bool = False) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Logits (batch, num_classes) of examples x (batch, ...), which are flattened to in_features numbers each.

        Args:
            return_hidden: also return what each hidden layer's activation puts out, before batch norm and
                dropout: a list of (batch, width).

        Raises:
            ValueError: the examples have another number of features.

        Example:
            >>> logits, hidden = MLP(784, 10, (64, 32))(torch.zeros(5, 1, 28, 28), return_hidden=True)
            >>> [tuple(of_layer.shape) for of_layer in hidden]
            [(5, 64), (5, 32)]
        """
        x = x.flatten(1)  # (batch, in_features)
        if x.shape[1] != self.in_features:
            raise ValueError(
                f"each example has {x.shape[1]} features, but the network was made with in_features={self.in_features}"
            )
        hidden = []
        for layer in self.hidden:
            x, activated = layer(x)  # (batch, width), (batch, width)
            hidden.append(activated)
        logits: Tensor = self.output(x)  # (batch, num_classes)
        return (logits, hidden) if return_hidden else logits


class HiddenLayer(nn.Module):
    """Linear, activation, normalization, dropout, in the article's order; returns the output and the activation's."""

    def __init__(self, linear: nn.Linear, activation: nn.Module, norm: nn.Module, *, dropout: float) -> None:
        super().__init__()
        self.linear = linear
        self.activation = in_place(activation)
        self.norm = norm
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        activated = self.activation(self.linear(x))  # (batch, width)
        return self.dropout(self.norm(activated)), activated


def in_place(activation: nn.Module) -> nn.Module:
    """Make a ReLU in-place; return any other activation unchanged."""
    if isinstance(activation, nn.ReLU):
        activation.inplace = True
    return activation


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization with Keras's numbers: momentum 0.99 (torch counts the rest, 0.01), epsilon 1e-3.

    The moving variance averages the batches' biased variances; torch's averages unbiased ones. A batch of one example,
    which torch refuses, has the variance 0. The moving statistics stay float32 at least: under `bf16-true`, a hundredth
    of the way would mostly be rounded away.

    Source: Keras 3, keras/src/layers/normalization/batch_normalization.py.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int) -> None:
        super().__init__(num_features, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (batch, num_features) normalized."""
        if self.weight.dtype != self.running_mean.dtype:  # half precision: torch wants all of one type
            scaled = self._normalized(x.to(self.running_mean.dtype), self.weight.float(), self.bias.float())
            return scaled.to(x.dtype)
        return self._normalized(x, self.weight, self.bias)

    def _normalized(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, weight, bias, eps=self.eps)
        self.num_batches_tracked.add_(1)
        # torch: new = 0.99 old + 0.01 var·n/(n-1). Taking the n-th part of the way to 0.99 old scales the second
        # term alone, by (n-1)/n.
        kept = 0.99 * self.running_var
        if len(x) == 1:
            self.running_mean.lerp_(x[0].detach().to(self.running_mean.dtype), 0.01)
            self.running_var.copy_(kept)
            return (x - x) * weight + bias
        y = F.batch_norm(x, self.running_mean, self.running_var, weight, bias, True, 0.01, self.eps)
        # .data, since backward holds the buffer, though it does not read it after training steps.
        self.running_var.data.lerp_(kept, 1 / len(x))
        return y

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> BatchNorm:
        """Cast the weights as asked, and the statistics no further down than float32.

        No public hook stands there. The first test to break is
        test_moving_statistics_keep_their_digits_in_half_precision.
        """
        before = dict(self._buffers)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, statistic in before.items():
            now = self._buffers[name]
            if now is not None and statistic is not None and now.is_floating_point() and now.dtype.itemsize < 4:
                self._buffers[name] = statistic.to(now.device, torch.float32)
        return self


def per_layer(name: str, value: float | Sequence[float], layers: int) -> list[float]:
    """One number for each hidden layer, from one for all or from a list of them.

    Raises:
        ValueError: the list has another length.
    """
    if isinstance(value, Sequence):
        if len(value) != layers:
            raise ValueError(f"{name} must be one number or one for each of {layers} hidden layers, not {value!r}")
        return [float(v) for v in value]
    return [float(value)] * layers
