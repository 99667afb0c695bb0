"""Names that a configuration may use, and what each stands for.

Importing this module imports neither torch nor Lightning, so that the command line can check a name at once;
`resolve` imports what a name stands for.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

from nnhp_torch import checks


def _in(module: str, *names: str) -> dict[str, str]:
    """Names that a module of this folder has under the same name."""
    return {name: f"nnhp_torch.network.{module}:{name}" for name in names}


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
    "loss": _in("losses", "cross_entropy", "kl_divergence", "mse"),
    "optimizer": _in("optimizers", "Adam", "Adagrad", "RMSprop", "SGD"),
    "lr_decay": _in("schedules", "constant", "step", "exponential", "cosine"),
    "weight_constraint": _in("constraints", "none", "max_norm", "unit_norm", "min_max_norm", "non_neg"),
    "reg_type": _in("losses", "l1", "l2"),
    "activity_reg_type": _in("losses", "l1", "l2"),
}

_TORCH = "torch.optim."


def names(kind: str) -> tuple[str, ...]:
    """Return the names of one kind, which is called as the setting that takes them: activation, loss, optimizer, ….

    Every optimizer of torch.optim has a name beside these: its full one.
    """
    return tuple(_TABLES[kind])


def check(kind: str, name: str) -> None:
    """Raise ValueError, with the names there are and the nearest of them, unless the name is one of its kind.

    Only a name such as `torch.optim.AdamW` makes this import torch.
    """
    if kind != "optimizer":
        checks.choice(kind, name, sorted(names(kind)))
    elif isinstance(name, str) and name.startswith(_TORCH):
        checks.choice(kind, name, sorted(_torch_optimizers()))
    else:
        checks.choice(kind, name, sorted(names(kind)), also=f" or {_TORCH}<Name>")


def resolve(kind: str, name: str) -> Any:
    """Look a name up: a torch.nn.Module class, an optimizer class, or a function.

    Raises:
        ValueError: there is no such name.
    """
    check(kind, name)
    return resolve_name(_TABLES[kind].get(name, name.replace(_TORCH, "torch.optim:")))


def _torch_optimizers() -> list[str]:
    from torch import optim

    return [
        _TORCH + name
        for name, value in vars(optim).items()
        if isinstance(value, type) and issubclass(value, optim.Optimizer) and value is not optim.Optimizer
    ]
