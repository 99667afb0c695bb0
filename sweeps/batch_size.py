"""Batch size: how many images the network sees before each step of the optimizer.

A small batch takes many noisy steps per epoch, a large one few and exact ones. With the number of epochs fixed, the
small batch therefore gets further, and each of its epochs costs more time. The article tries 2000 to 30000.
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, after, before
from sweeps._study.answers import small_batches_regularize

SWEEP = Sweep(
    name="batch_size",
    base=before("batch_size"),
    axes={"batch_size": [2_000, 5_000, 10_000, 30_000]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=small_batches_regularize,
    next_steps=after("batch_size"),
)

if __name__ == "__main__":
    main(SWEEP)
