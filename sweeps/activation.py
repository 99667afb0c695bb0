"""Activation: what makes the hidden layers more than one linear map.

The article names relu, the logistic sigmoid, tanh and linear (with which the whole network is a linear model); gelu
and silu are what many networks use today.
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL

SWEEP = Sweep(
    name="activation",
    base=FINAL,
    axes={"activation": ["relu", "sigmoid", "tanh", "linear", "gelu", "silu"]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
)

if __name__ == "__main__":
    main(SWEEP)
