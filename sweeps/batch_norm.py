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
    low_off, low_on, high_off, high_on = (cell.mean("val_accuracy") for cell in cells)
    low, high = low_on - low_off, high_on - high_off
    holds = high > low and high_on > high_off
    return (
        f"Batch normalization changes val_accuracy by {low:+.4f} at the lower rate and by {high:+.4f} at the higher one, "
        f"which {'bears out' if holds else 'does not bear out'} that it lets a network train at higher learning rates."
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
