"""Dropout: the share of units switched off at random in every training step.

No unit can rely on another, which is meant to prevent overfitting: the network does worse on the training images,
where units are missing, and better on those it has not seen. It is laid on every hidden layer but the first.
"""

from functools import partial

from nnhp_torch import Sweep, main
from sweeps._base import DATA, after, before
from sweeps._study.answers import regularizes

SWEEP = Sweep(
    name="dropout",
    base=before("dropout"),
    axes={"dropout": [0.1, 0.25, 0.5, 0.75]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    next_steps=after("dropout"),
    claim=partial(regularizes, "dropout"),
)

if __name__ == "__main__":
    main(SWEEP)
