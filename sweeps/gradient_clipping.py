"""Gradient clipping: a bound on the norm of each step's gradient.

A gradient that is longer is shortened to the bound and keeps its direction, so that one steep place cannot throw the
weights far away. It is said to let a network train at higher learning rates (Pascanu et al., 2013, "On the difficulty
of training recurrent neural networks", for the exploding gradients of those): so it is off and on at two rates, under
SGD, for Adam divides by the gradient's size anyway.
"""

from dataclasses import replace
from functools import partial

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._study.answers import allows_higher_rates

SWEEP = Sweep(
    name="gradient_clipping",
    base=replace(FINAL, optimizer="SGD", momentum=0.9),
    axes={"lr": [0.1, 1.0], "gradient_clip": [None, 0.5]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=partial(allows_higher_rates, "gradient clipping", "gradient_clip"),
)

if __name__ == "__main__":
    main(SWEEP)
