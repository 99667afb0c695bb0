"""Weight regularization: a price on large weights.

l1 (the sum of the absolute weights) drives many weights to zero, l2 (the sum of their squares) keeps all of them
small. Too high a price, and the network learns nothing but to be cheap. It is laid on every hidden layer but the
first; TensorBoard has a histogram of the weights that it is laid on.
"""

import math
from collections.abc import Sequence

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, after, before
from sweeps._judged import judged


def drives_to_zero(cells: Sequence[Cell]) -> str:
    """Whether l1 drives more weights to zero than l2 does at the same strength, and which of them shrinks weights."""
    found = {(cell.values["reg_type"], cell.values["reg"]): cell for cell in cells if cell.ranked}
    lines = []
    for strength in dict.fromkeys(strength for _, strength in found):
        pair = [found.get((kind, strength)) for kind in ("l1", "l2")]
        if None in pair or any(math.isnan(cell.mean("weight_sparsity")) for cell in pair if cell):
            continue
        l1, l2 = (cell for cell in pair if cell)
        number = "; ".join(
            f"{cell.values['reg_type']} {100 * cell.mean('weight_sparsity'):.1f}% of penalized weights below 0.001, "
            f"mean size {cell.mean('weight_size'):.4f}"
            for cell in (l1, l2)
        )
        question = f"Does l1 drive more weights to zero than l2, at {strength:g}?"
        after, before = (cell.values_of("weight_sparsity") for cell in (l1, l2))
        lines.append(judged(question, number, after, before=before, cell=l1))
    return "\n".join(lines)


SWEEP = Sweep(
    name="weight_regularization",
    base=before("weight_regularization"),
    axes={"reg_type": ["l1", "l2"], "reg": [1e-1, 1e-2, 1e-3, 1e-4]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    extra_metrics=["weight_sparsity", "weight_size"],
    claim=drives_to_zero,
    next_steps=after("weight_regularization"),
)

if __name__ == "__main__":
    main(SWEEP)
