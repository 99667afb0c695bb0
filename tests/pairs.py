"""Every pair of options in few cases, and what a case must give: a perceptron trained by its formulas alone.

Nothing here comes from the library, so that both cannot be wrong in the same way.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Case = dict[str, Any]


def covering(options: Mapping[str, Sequence[Any]], sense: Callable[[Case], bool], seed: int = 0) -> list[Case]:
    """Cases in which every two values of two options meet, unless these make no sense together.

    Greedy: each case begins with a pair that is still to come and takes, option by option, what meets most of the rest.
    """
    rng = random.Random(seed)
    values = [[(name, i) for i in range(len(there))] for name, there in options.items()]

    def makes_sense(*chosen: tuple[str, int]) -> bool:
        return sense({name: options[name][i] for name, i in chosen})

    met = [pair for ones, others in itertools.combinations(values, 2) for pair in itertools.product(ones, others)]
    left = dict.fromkeys(frozenset(pair) for pair in met if makes_sense(*pair))  # a set that keeps its order
    cases = []
    while left:
        chosen = sorted(next(iter(left)))
        for some in rng.sample(values, len(values)):
            if some[0][0] not in dict(chosen):
                usable = [value for value in rng.sample(some, len(some)) if makes_sense(value, *chosen)]
                chosen.append(max(usable, key=lambda value: sum(frozenset((value, c)) in left for c in chosen)))
        for pair in itertools.combinations(chosen, 2):
            left.pop(frozenset(pair), None)
        cases.append({name: options[name][dict(chosen)[name]] for name in options})
    return cases


class Perceptron:
    """What a case's network must do, from the tensors that it begins with."""

    def __init__(self, tensors: Mapping[str, Tensor], case: Case, chunk: int) -> None:
        self.tensors = {name: w.detach().clone() for name, w in tensors.items()}
        self.weights = [name for name in tensors if "running" not in name and "tracked" not in name]
        self.case, self.chunk = case, chunk
        self.moments: dict[str, list[Tensor]] = {}
        self.steps = 0

    def logits(self, x: Tensor, train: bool) -> tuple[Tensor, list[Tensor]]:
        t, case, hidden = self.tensors, self.case, []
        if train and case["noise"]:
            x = x + case["noise"] * torch.randn_like(x)
        x = x.reshape(len(x), -1)
        for i in range(len(case["hidden_sizes"])):
            x = ACTIVATIONS[case["activation"]](x @ t[f"hidden.{i}.linear.weight"].T + t[f"hidden.{i}.linear.bias"])
            hidden.append(x)
            if case["batch_norm"]:
                x, low = _exact(x), x.dtype
                mean, var = (t[f"hidden.{i}.norm.running_{part}"] for part in ("mean", "var"))
                if train:
                    moved, (mean, var) = (mean, var), (x.mean(0), x.var(0, correction=0))
                    for part, old, new in zip(("mean", "var"), moved, (mean, var), strict=True):
                        t[f"hidden.{i}.norm.running_{part}"] = (0.99 * old + 0.01 * new).detach()
                normal = (x - mean) / (var + 1e-3).sqrt()
                x = (normal * t[f"hidden.{i}.norm.weight"] + t[f"hidden.{i}.norm.bias"]).to(low)
            x = F.dropout(x, case["dropout"], train)
        return x @ t["output.weight"].T + t["output.bias"], hidden

    def loss(self, x: Tensor, y: Tensor, train: bool) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The mean loss with its penalties, the logits and the hidden activations."""
        case, y = self.case, y.long()
        with _precision(case["precision"]):
            x = x.float() / 255 if x.dtype == torch.uint8 else x
            logits, hidden = self.logits(x.to(self.tensors["output.bias"].dtype), train)
        logits, hidden = (_exact(logits), [_exact(h) for h in hidden])
        classes, smoothing = logits.shape[1], case["label_smoothing"]
        t = torch.eye(classes)[y].to(logits.dtype) * (1 - smoothing) + smoothing / classes
        p = logits.softmax(1)
        if case["loss"] == "mse":
            losses = (t - p).square().mean(1)
        elif case["loss"] == "kl_divergence":
            t, p = t.clamp(1e-7, 1), p.clamp(1e-7, 1)
            losses = (t * (t / p).log()).sum(1)
        else:
            losses = -(t * logits.log_softmax(1)).sum(1)
        if train and case["class_weights"]:
            losses = losses * torch.tensor([1 + (k % 3) / 2 for k in range(classes)]).to(losses.dtype)[y]
        loss = losses.mean()
        reg = case["reg"] if isinstance(case["reg"], tuple) else [case["reg"]] * len(hidden)
        for i, strength in enumerate(reg):
            loss = loss + strength * PENALTIES[case["reg_type"]](_exact(self.tensors[f"hidden.{i}.linear.weight"]))
        for h in hidden:
            loss = loss + case["activity_reg"] * PENALTIES[case["activity_reg_type"]](h) / len(h)
        return loss, logits.detach(), hidden

    def train(self, batches: list[tuple[Tensor, Tensor]], epoch: int, epochs: int) -> tuple[float, float]:
        """One epoch; its running loss and accuracy."""
        case, total, right, examples = self.case, 0.0, 0, 0
        rate = case["lr"] * DECAYS[case["lr_decay"]](epoch / epochs)
        every = case["accumulate"]
        sums = {name: torch.zeros_like(self.tensors[name]) for name in self.weights}
        for number, (x, y) in enumerate(batches, 1):
            torch.manual_seed(number - 1)
            size = len(x) if case["batch_norm"] else self.chunk
            for some_x, some_y in zip(x.split(size), y.split(size), strict=True):
                for name in self.weights:
                    self.tensors[name].requires_grad_()
                loss, logits, _ = self.loss(some_x, some_y, train=True)
                share = len(some_y) / len(y)
                gradients = torch.autograd.grad(loss * share / every, [self.tensors[n] for n in self.weights])
                for name, gradient in zip(self.weights, gradients, strict=True):
                    self.tensors[name] = self.tensors[name].detach()
                    sums[name] += gradient
                total += loss.item() * len(some_y)
                right += int((logits.argmax(1) == some_y).sum())
                examples += len(some_y)
            if number % every == 0 or number == len(batches):
                self._step(_clipped(sums, case["clip"]), rate)
                sums = {name: torch.zeros_like(w) for name, w in sums.items()}
        return total / examples, right / examples

    def score(self, x: Tensor, y: Tensor) -> dict[str, float]:
        with torch.no_grad():
            loss, logits, hidden = self.loss(x, y, train=False)
        found = {"loss": loss.item(), "accuracy": (logits.argmax(1) == y).double().mean().item()}
        if self.case["log_sparsity"]:
            found["sparsity"] = torch.cat([h.flatten() for h in hidden]).eq(0).double().mean().item()
        return found

    def _step(self, gradients: dict[str, Tensor], lr: float) -> None:
        self.steps += 1
        kind, momentum, t = self.case["optimizer"], self.case["momentum"], self.steps
        b1 = 0.9 if momentum is None else momentum
        for name, g in gradients.items():
            w = self.tensors[name]
            zeros = torch.zeros_like(w)
            one, two = self.moments.get(name, [zeros + 0.1 if kind == "Adagrad" else zeros, zeros])
            if kind in ("Adam", "torch.optim.AdamW"):
                one, two = b1 * one + (1 - b1) * g, 0.999 * two + 0.001 * g * g
                if kind == "Adam":
                    w = w - one * lr * math.sqrt(1 - 0.999**t) / (1 - b1**t) / (two.sqrt() + 1e-7)
                else:
                    w = w * (1 - 0.01 * lr) - lr * one / (1 - b1**t) / ((two / (1 - 0.999**t)).sqrt() + 1e-8)
            elif kind == "Adagrad":
                one = one + g * g
                w = w - lr * g / (one + 1e-7).sqrt()
            elif kind == "RMSprop":
                one = 0.9 * one + 0.1 * g * g
                two = (momentum or 0) * two + lr * g / (one + 1e-7).sqrt()
                w = w - two
            else:
                one = (momentum or 0) * one - lr * g
                w = w + one
            self.moments[name] = [one, two]
            self.tensors[name] = CONSTRAINTS[self.case["constraint"]](w) if w.ndim == 2 else w


def _exact(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _precision(name: str) -> contextlib.AbstractContextManager[Any]:
    return torch.autocast("cpu", dtype=torch.bfloat16) if name == "bf16-mixed" else contextlib.nullcontext()


def _clipped(gradients: dict[str, Tensor], clip: tuple[str, float] | None) -> dict[str, Tensor]:
    if clip is None:
        return gradients
    how, most = clip
    if how == "value":
        return {name: g.clamp(-most, most) for name, g in gradients.items()}
    norm = math.sqrt(sum(g.double().square().sum().item() for g in gradients.values()))
    return {name: g * min(1.0, most / (norm + 1e-6)) for name, g in gradients.items()}


def _unit(w: Tensor) -> Tensor:
    return w.norm(dim=1, keepdim=True)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda x: torch.where(x > 0, x, 0),  # at 0 of slope 0, as which torch 2.6 has 1 for clamp
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "tanh": lambda x: x.tanh(),
    "linear": lambda x: x,
    "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + (-x).exp()),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
}
PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {"l1": lambda w: w.abs().sum(), "l2": lambda w: w.square().sum()}
DECAYS: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "step": lambda t: 1.0 if t < 0.5 else 0.1,
    "exponential": lambda t: 0.01**t,
    "cosine": lambda t: (1 + math.cos(math.pi * t)) / 2,
}
CONSTRAINTS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda w: w,
    "max_norm": lambda w: w * _unit(w).clamp(max=2.0) / (1e-7 + _unit(w)),
    "unit_norm": lambda w: w / (1e-7 + _unit(w)),
    "min_max_norm": lambda w: w * _unit(w).clamp(max=1.0) / (1e-7 + _unit(w)),
    "non_neg": lambda w: w.clamp(min=0),
}
