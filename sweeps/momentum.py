"""Momentum: how much of the past gradients goes into each step.

The article's grid goes to Adam's beta1 here, the decay of its running mean of the gradients: 0.9 averages some ten
steps, 0.1 hardly more than the last. (The article's own code passes it to an option that Keras ignores, so that its
sweep could show nothing.)
"""

from collections.abc import Sequence

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, after, before
from sweeps._study.speed import faster


def claim(cells: Sequence[Cell]) -> str:
    """Whether training is faster with more momentum than the least there is."""
    least, *more = sorted(cells, key=lambda cell: cell.values["momentum"] or 0)
    return faster(f"more momentum than {least.values['momentum']}", least, more)


SWEEP = Sweep(
    name="momentum",
    base=before("momentum"),
    axes={"momentum": [0.99, 0.9, 0.5, 0.1]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=claim,
    next_steps=after("momentum"),
)

if __name__ == "__main__":
    main(SWEEP)
