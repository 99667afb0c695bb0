"""Shared parts of the sweeps: the article's chain of choices, and where it ends."""

import dataclasses
import itertools
from pkgutil import iter_modules
from typing import Any

import sweeps
from nnhp_torch import TrialConfig

# The article's chain, and what it chooses after each sweep.
CHAIN: dict[str, dict[str, Any]] = {
    "layers_nodes": {"n_layers": 2, "n_nodes": 128},
    "optimizer": {"optimizer": "Adam"},
    "batch_size": {"batch_size": 30_000},
    "learning_rate": {"lr": 0.001},
    "momentum": {"momentum": 0.1},
    "weight_regularization": {"reg_type": "l2", "reg": 1e-4},
    "dropout": {},
}

# The hyperparameters that the article only describes, in its order.
DESCRIBED = (
    *("learning_rate_decay", "loss", "activation", "early_stopping", "batch_norm", "weight_constraint"),
    *("activity_regularization", "noise"),
)
NO_GRIDS = ("search", "reference", "gradient_noise")  # or none of a hyperparameter of its own
# Behind them those that it does not have: whatever other file there is.
OTHERS = (
    *DESCRIBED,
    *sorted(
        {file.name for file in iter_modules(sweeps.__path__) if file.name[0] != "_"} - {*CHAIN, *DESCRIBED, *NO_GRIDS}
    ),
)

# Flag → what the data module reads in its environment: where the data is or goes (else a cache).
DATA = {"data_dir": "NNHP_DATA_DIR"}


def before(sweep: str | None) -> TrialConfig:
    """The article's settings when it comes to one of its sweeps: all that it chose until then; None: at the end."""
    chosen: dict[str, Any] = {}
    for name in itertools.takewhile(lambda name: name != sweep, CHAIN):
        chosen |= CHAIN[name]
    return TrialConfig(**chosen, max_epochs=80)


def after(sweep: str) -> str:
    """Return the sentence about what the article does after one of its sweeps."""
    names = list(CHAIN)
    chosen = ", ".join(f"{name}={value}" for name, value in CHAIN[sweep].items())
    if sweep == names[-1]:
        return "This is the article's last grid. `python -m sweeps` also has what it only describes."
    following = names[names.index(sweep) + 1]
    carried = f"--base.{next(iter(CHAIN[sweep]))} takes another value there"
    return f"The article, whatever wins here, goes on from {chosen}: python -m sweeps.{following} ({carried})"


# The base of the hyperparameters that the article describes without a grid: its choices, but with Adam's own beta1. The
# 0.1 that it chose makes training jump by points, whatever is swept; `--base.momentum 0.1` brings it back.
FINAL = dataclasses.replace(before(None), momentum=None)
