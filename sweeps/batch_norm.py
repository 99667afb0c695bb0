"""Batch normalization: each unit's output is shifted and scaled to mean 0 and variance 1 over the batch.

It is said to let a network train at higher learning rates: so it is off and on at the base's rate and at one a
hundred times higher. It stands after the activation, as the article has it.
"""

from collections.abc import Sequence

from nnhp_torch.cli import main
from nnhp_torch.grid import Sweep
from nnhp_torch.summary import Cell
from sweeps._base import FINAL


def verdict(cells: Sequence[Cell]) -> str:
    """Whether batch normalization gains more at the higher rate, as the claim would have it."""
    accuracy = {(cell.values["lr"], cell.values["batch_norm"]): cell.mean("val_accuracy") for cell in cells}
    rates = sorted(lr for lr, norm in accuracy if norm and (lr, False) in accuracy)
    if len(rates) < 2:
        return ""
    low, high = (accuracy[lr, True] - accuracy[lr, False] for lr in (rates[0], rates[-1]))
    holds = high > max(low, 0)
    claim = "it lets a network train at higher learning rates"
    return (
        f"Batch normalization changes val_accuracy by {low:+.4f} at lr={rates[0]}, by {high:+.4f} at lr={rates[-1]}, "
        f"which {'bears out' if holds else 'does not bear out'} that {claim}."
    )


SWEEP = Sweep(
    name="batch_norm",
    base=FINAL,
    axes={"lr": [0.001, 0.1], "batch_norm": [False, True]},
    build="nnhp_torch.experiment:build",
    about=__doc__,
    verdict=verdict,
)

if __name__ == "__main__":
    main(SWEEP)
