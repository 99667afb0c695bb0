"""Batch normalization: each unit's output is shifted and scaled to mean 0 and variance 1 over the batch.

It is said to let a network train at higher learning rates: so it is off and on at the base's rate and at one a
hundred times higher. It stands after the activation, as the article has it.
"""

from functools import partial

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL, allows_higher_rates

SWEEP = Sweep(
    name="batch_norm",
    base=FINAL,
    axes={"lr": [0.001, 0.1], "batch_norm": [False, True]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    verdict=partial(allows_higher_rates, "batch normalization", "batch_norm"),
)

if __name__ == "__main__":
    main(SWEEP)
