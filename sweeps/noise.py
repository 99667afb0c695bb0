"""Noise: Gaussian noise added to the training images.

The network never sees the same image twice, which is meant to regularize it. The standard deviation counts in pixels
from 0 to 1; evaluation is without noise.
"""

from functools import partial

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._study.answers import regularizes

SWEEP = Sweep(
    name="noise",
    base=FINAL,
    axes={"noise": [0.0, 0.1, 0.2, 0.4]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=partial(regularizes, "noise"),
)

if __name__ == "__main__":
    main(SWEEP)
