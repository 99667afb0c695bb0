"""Optimizer: the rule that turns gradients into steps.

Adam, Adagrad and RMSprop scale each weight's step by the gradients it has seen; SGD takes the gradient as it is, and
at the same learning rate is therefore much slower. All four follow Keras's rules, which the article relies on.
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, after, before
from sweeps._study.answers import smoothest

SWEEP = Sweep(
    name="optimizer",
    base=before("optimizer"),
    axes={"optimizer": ["Adam", "Adagrad", "RMSprop", "SGD"]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=smoothest,
    next_steps=after("optimizer"),
)

if __name__ == "__main__":
    main(SWEEP)
