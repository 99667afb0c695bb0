"""Names that a configuration may use, and what each stands for.

Importing this module imports neither torch nor Lightning, so that the command line can check a name at once;
`resolve` imports what a name stands for.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any

_TABLES: dict[str, dict[str, str]] = {
    "activation": {
        "relu": "torch.nn:ReLU",
        "sigmoid": "torch.nn:Sigmoid",
        "tanh": "torch.nn:Tanh",
        "linear": "torch.nn:Identity",
        "gelu": "torch.nn:GELU",
        "silu": "torch.nn:SiLU",
        "leaky_relu": "torch.nn:LeakyReLU",
        "elu": "torch.nn:ELU",
    },
    "loss": {
        "cross_entropy": "nnhp_torch.network.losses:cross_entropy",
        "kl_divergence": "nnhp_torch.network.losses:kl_divergence",
        "mse": "nnhp_torch.network.losses:mse",
    },
    "optimizer": {
        "Adam": "nnhp_torch.network.optimizers:Adam",
        "Adagrad": "nnhp_torch.network.optimizers:Adagrad",
        "RMSprop": "nnhp_torch.network.optimizers:RMSprop",
        "SGD": "nnhp_torch.network.optimizers:SGD",
    },
    "lr_decay": {
        "constant": "nnhp_torch.network.schedules:constant",
        "step": "nnhp_torch.network.schedules:step",
        "exponential": "nnhp_torch.network.schedules:exponential",
        "cosine": "nnhp_torch.network.schedules:cosine",
    },
    "weight_constraint": {
        "none": "nnhp_torch.network.constraints:none",
        "max_norm": "nnhp_torch.network.constraints:max_norm",
        "unit_norm": "nnhp_torch.network.constraints:unit_norm",
        "min_max_norm": "nnhp_torch.network.constraints:min_max_norm",
        "non_neg": "nnhp_torch.network.constraints:non_neg",
    },
}

_TORCH = "torch.optim."


def names(kind: str) -> tuple[str, ...]:
    """The names of one kind: activation, loss, optimizer, lr_decay or weight_constraint.

    Every optimizer of torch.optim has a name beside these: its full one.
    """
    return tuple(_TABLES[kind])


def check(kind: str, name: str) -> None:
    """Raises ValueError, with the names there are and the nearest of them, unless the name is one of its kind.

    Only a name such as `torch.optim.AdamW` makes this import torch.
    """
    if kind == "optimizer" and isinstance(name, str) and name.startswith(_TORCH):
        theirs = _torch_optimizers()
        if name not in theirs:
            raise ValueError(_complaint(kind, name, theirs))
    elif not isinstance(name, str) or name not in _TABLES[kind]:
        raise ValueError(_complaint(kind, name, names(kind)))


def resolve(kind: str, name: str) -> Any:
    """What the name stands for: a torch.nn.Module class, an optimizer class, or a function.

    Raises:
        ValueError: there is no such name.
    """
    check(kind, name)
    module, _, attribute = _TABLES[kind].get(name, name.replace(_TORCH, "torch.optim:")).partition(":")
    return getattr(import_module(module), attribute)


def _torch_optimizers() -> list[str]:
    from torch import optim

    return [
        _TORCH + name
        for name, value in vars(optim).items()
        if isinstance(value, type) and issubclass(value, optim.Optimizer) and value is not optim.Optimizer
    ]


def _complaint(kind: str, name: object, choices: Iterable[str]) -> str:
    choices = sorted(choices)
    also = " or torch.optim.<Name>" if kind == "optimizer" and not choices[0].startswith(_TORCH) else ""
    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(str(name).lower(), by_lower, n=1)
    hint = f"; did you mean {by_lower[near[0]]}?" if near else ""
    return f"{kind} must be one of {', '.join(choices)}{also}, not {name!r}{hint}"
