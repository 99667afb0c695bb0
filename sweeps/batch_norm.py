"""Batch normalization: each unit's output is shifted and scaled to mean 0 and variance 1 over the batch.

It is said to let a network train at higher learning rates: so it is off and on at the base's rate and at one a
hundred times higher. It stands after the activation, as the article has it.
"""

import statistics
from collections.abc import Sequence

from nnhp_torch.cli.run import main
from nnhp_torch.core.grid import Sweep
from nnhp_torch.core.significance import paired_t_test
from nnhp_torch.core.summary import Cell
from sweeps._base import FINAL, judged


def verdict(cells: Sequence[Cell]) -> str:
    """Whether batch normalization gains more at the higher rate, as the claim would have it."""
    accuracy = {(cell.values["lr"], cell.values["batch_norm"]): cell.values_of("val_accuracy") for cell in cells}
    rates = sorted(lr for lr, norm in accuracy if norm and (lr, False) in accuracy)
    if len(rates) < 2:
        return ""
    low, high = (
        [on - off for on, off in zip(accuracy[lr, True], accuracy[lr, False], strict=True)]
        for lr in (rates[0], rates[-1])
    )
    # It must gain at the higher rate, and more than it does at the lower one.
    needed = low if statistics.fmean(low) > 0 else [0.0] * len(low)
    effects = [gain - least for gain, least in zip(high, needed, strict=True)]
    p = paired_t_test(high, needed) if len(high) > 1 else 1.0
    return (
        f"Batch normalization changes val_accuracy by {statistics.fmean(low):+.4f} at lr={rates[0]}, "
        f"by {statistics.fmean(high):+.4f} at lr={rates[-1]}. "
    ) + judged("batch normalization lets a network train at higher learning rates", effects, p)


SWEEP = Sweep(
    name="batch_norm",
    base=FINAL,
    axes={"lr": [0.001, 0.1], "batch_norm": [False, True]},
    build="nnhp_torch.article.experiment:build",
    about=__doc__,
    verdict=verdict,
)

if __name__ == "__main__":
    main(SWEEP)
