"""Batch normalization: each unit's output is shifted and scaled to mean 0 and variance 1 over the batch.

It is said to let a network train at higher learning rates: so it is off and on at the base's rate and at one a
hundred times higher. It stands after the activation, as the article has it.
"""

from collections.abc import Sequence

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._study.answers import allows_higher_rates
from sweeps._study.speed import faster


def claim(cells: Sequence[Cell]) -> str:
    """Whether training is faster with it at the lowest rate, and gains more from it at the highest."""
    lowest = min(cell.values["lr"] for cell in cells)
    of_lowest = {cell.values["batch_norm"]: cell for cell in cells if cell.values["lr"] == lowest}
    speed = (
        faster(f"batch normalization at lr={lowest:g}", of_lowest[False], [of_lowest[True]], metric="train_accuracy")
        if len(of_lowest) == 2
        else ""
    )
    return "\n".join(filter(None, [speed, allows_higher_rates("batch normalization", "batch_norm", cells)]))


SWEEP = Sweep(
    name="batch_norm",
    base=FINAL,
    axes={"lr": [0.001, 0.1], "batch_norm": [False, True]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=claim,
)

if __name__ == "__main__":
    main(SWEEP)
