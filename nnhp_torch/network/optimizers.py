"""The article's optimizers by Keras's update rules, which differ from torch's in where epsilon stands."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

from nnhp_torch.checks import require
from nnhp_torch.network import catalog, kernel_launches

EPSILON = 1e-7  # keras.config.epsilon()
Tensors = list[Tensor]


class KerasOptimizer(Optimizer):
    """The base of the four rules: the step count, a state per weight, the closure.

    A rule names its state tensors in `slots` and their first value in `start`, and writes its formula in `update`.
    (A rule built on torch's own class would run the hooks around a step twice: once for each class.)
    """

    slots: ClassVar[tuple[str, ...]] = ()
    start: ClassVar[float] = 0.0

    def __init__(self, params: ParamsT, *, lr: float, **decays: float | tuple[float, float]) -> None:
        require(lr > 0 and math.isfinite(lr), f"lr must be a finite number above 0, not {lr!r}")
        for name, value in decays.items():
            values = value if isinstance(value, tuple) else (value,)
            require(all(0 <= v < 1 for v in values), f"{name} must be at least 0 and below 1, not {value!r}")
        super().__init__(params, {"lr": lr, **decays, "t": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every weight that has a gradient; returns what the closure returns, else None."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            group["t"] += 1
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            for w in weights:
                if not self.state[w]:
                    self.state[w] = {slot: torch.full_like(w, self.start) for slot in self.slots}
            states = ([self.state[w][slot] for w in weights] for slot in self.slots)
            self.update(group, weights, [w.grad for w in weights], *states)
        return loss

    def update(self, group: dict[str, Any], w: Tensors, g: Tensors, *states: Tensors) -> None:
        """The rule: changes weights and states in place; group["t"] is the number of this step, from 1."""
        raise NotImplementedError


class Adam(KerasOptimizer):
    """Adam with epsilon beside the root of the *uncorrected* second moment.

    m += (1-β1)(g - m);  v += (1-β2)(g² - v);  w -= m · lr·√(1-β2ᵗ)/(1-β1ᵗ) / (√v + 1e-7)

    Source: Keras 3, keras/src/optimizers/adam.py.

    Args:
        lr: learning rate.
        betas: decay of the first and the second moment, each in [0, 1).
    """

    slots = ("m", "v")
    _last: Tensor | None = None  # a step without end, on the weights' device

    def __init__(self, params: ParamsT, lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        super().__init__(params, lr=lr, betas=(betas[0], betas[1]))

    def update(self, group: dict[str, Any], w: Tensors, g: Tensors, *states: Tensors) -> None:
        m, v = states
        (beta1, beta2), t = group["betas"], group["t"]
        rate = group["lr"] * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        if kernel_launches.few_are_better(w[0]) and len({(tensor.device, tensor.dtype) for tensor in (*w, *g)}) == 1:
            # torch's kernel, at a step at which its own corrections are 1, since Keras's stand in the rate.
            if self._last is None or self._last.device != w[0].device:
                self._last = w[0].new_full((), math.inf, dtype=torch.float32)
            rule: Any = {"beta1": beta1, "beta2": beta2, "weight_decay": 0.0, "amsgrad": False, "maximize": False}
            torch._fused_adam_(w, g, m, v, [], [self._last] * len(w), lr=rate, eps=EPSILON, **rule)
            return
        torch._foreach_lerp_(m, g, 1 - beta1)
        torch._foreach_mul_(v, beta2)
        torch._foreach_addcmul_(v, g, g, 1 - beta2)
        denominator = torch._foreach_sqrt(v)
        torch._foreach_add_(denominator, EPSILON)
        torch._foreach_addcdiv_(w, m, denominator, -rate)


class Adagrad(KerasOptimizer):
    """Adagrad with a sum that starts at 0.1, and epsilon inside the root.

    a += g²;  w -= lr·g / √(a + 1e-7)

    Source: Keras 3, keras/src/optimizers/adagrad.py.

    Args:
        lr: learning rate.
    """

    slots = ("a",)
    start = 0.1

    def __init__(self, params: ParamsT, lr: float = 0.001) -> None:
        super().__init__(params, lr=lr)

    def update(self, group: dict[str, Any], w: Tensors, g: Tensors, *states: Tensors) -> None:
        (a,) = states
        torch._foreach_addcmul_(a, g, g)
        torch._foreach_addcdiv_(w, g, _root(a), -group["lr"])


class RMSprop(KerasOptimizer):
    """RMSprop with epsilon inside the root and the rate inside the momentum.

    v += (1-ρ)(g² - v);  u = μu + lr·g / √(v + 1e-7);  w -= u

    Source: Keras 3, keras/src/optimizers/rmsprop.py.

    Args:
        lr: learning rate.
        rho: decay of the mean square, in [0, 1).
        momentum: μ, in [0, 1).
    """

    slots = ("v", "u")

    def __init__(self, params: ParamsT, lr: float = 0.001, rho: float = 0.9, *, momentum: float = 0.0) -> None:
        super().__init__(params, lr=lr, rho=rho, momentum=momentum)

    def update(self, group: dict[str, Any], w: Tensors, g: Tensors, *states: Tensors) -> None:
        v, u = states
        torch._foreach_mul_(v, group["rho"])
        torch._foreach_addcmul_(v, g, g, 1 - group["rho"])
        torch._foreach_mul_(u, group["momentum"])
        torch._foreach_addcdiv_(u, g, _root(v), group["lr"])
        torch._foreach_sub_(w, u)


class SGD(KerasOptimizer):
    """Gradient descent with the rate inside the velocity: torch's has it outside, which differs when it decays.

    v = μv - lr·g;  w += v

    Source: Keras 3, keras/src/optimizers/sgd.py.

    Args:
        lr: learning rate.
        momentum: μ, in [0, 1).
    """

    slots = ("v",)

    def __init__(self, params: ParamsT, lr: float = 0.01, momentum: float = 0.0) -> None:
        super().__init__(params, lr=lr, momentum=momentum)

    def update(self, group: dict[str, Any], w: Tensors, g: Tensors, *states: Tensors) -> None:
        (v,) = states
        torch._foreach_mul_(v, group["momentum"])
        torch._foreach_add_(v, g, alpha=-group["lr"])
        torch._foreach_add_(w, v)


def make_optimizer(name: str, params: Iterable[Tensor], lr: float, *, momentum: float | None = None) -> Optimizer:
    """Return an optimizer by its name in the catalog.

    Args:
        name: Adam, Adagrad, RMSprop or SGD (Keras's rules), or `torch.optim.<Name>`.
        lr: learning rate.
        momentum: the first beta if there are betas (the Adam family), else `momentum`, in [0, 1); None is the
            optimizer's own default.

    Raises:
        ValueError: no such optimizer, a value out of range, or a momentum for an optimizer that has none.
    """
    optimizer = catalog.resolve("optimizer", name)
    settings = inspect.signature(optimizer).parameters
    chosen: dict[str, Any] = {"lr": lr}
    if momentum is not None:
        require(0 <= momentum < 1, f"momentum must be at least 0 and below 1, not {momentum!r}")
        if "betas" in settings:
            chosen["betas"] = (momentum, *settings["betas"].default[1:])
        elif "momentum" in settings:
            chosen["momentum"] = momentum
        else:
            raise ValueError(f"{name} has no momentum: leave momentum at None")
    made: Optimizer = optimizer(params, **chosen)
    return made


def _root(squares: Tensors) -> Tensors:
    """√(x + 1e-7) of each tensor."""
    return list(torch._foreach_sqrt(torch._foreach_add(squares, EPSILON)))
