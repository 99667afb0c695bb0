"""Learning rate decay: long steps first, short ones later.

constant keeps the rate; step divides it by ten after a half and again after three quarters of the epochs; exponential
falls to a hundredth by the end, cosine to zero.
"""

from dataclasses import replace

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL

SWEEP = Sweep(
    name="learning_rate_decay",
    base=replace(FINAL, lr=0.01),
    axes={"lr_decay": ["constant", "step", "exponential", "cosine"]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
)

if __name__ == "__main__":
    main(SWEEP)
