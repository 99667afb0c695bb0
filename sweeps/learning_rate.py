"""Learning rate: how long each step of the optimizer is.

Too long a step overshoots and may never settle; too short a step has not arrived when the epochs are over. The
article tries four powers of ten. (How the rate may fall during training is the sweep learning_rate_decay.)
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, after, before
from sweeps._study.answers import settles_and_arrives

SWEEP = Sweep(
    name="learning_rate",
    base=before("learning_rate"),
    axes={"lr": [1e-1, 1e-2, 1e-3, 1e-4]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=settles_and_arrives,
    next_steps=after("learning_rate"),
)

if __name__ == "__main__":
    main(SWEEP)
