"""Weight regularization: a price on large weights.

l1 (the sum of the absolute weights) drives many weights to zero, l2 (the sum of their squares) keeps all of them
small. Too high a price, and the network learns nothing but to be cheap. It is laid on every hidden layer but the
first; TensorBoard has a histogram of the weights that it is laid on.
"""

import math
import statistics
from collections.abc import Sequence

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, after, before
from sweeps._judged import judged


def drives_to_zero(cells: Sequence[Cell]) -> str:
    """Whether at one strength l1 drives more weights to zero than l2, and l2 makes them smaller than no penalty."""
    known = {(c.values["reg_type"], c.values["reg"]): c for c in cells if c.ranked and _logged(c)}
    without = known.get(("l2", 0))
    lines = []
    for strength in dict.fromkeys(strength for _, strength in known if strength):
        pair = [known[kind, strength] for kind in ("l1", "l2") if (kind, strength) in known]
        if len(pair) < 2:
            continue
        shares, sizes = ([cell.values_of(name) for cell in pair] for name in ("weight_sparsity", "weight_size"))
        measured = "; ".join(map(_measured, pair))
        question = f"Does l1 drive more weights to zero than l2, at {strength:g}?"
        lines.append(judged(question, measured, shares[0], before=shares[1], cell=pair[0]))
        if without is not None:
            before = without.values_of("weight_size")
            number = f"mean size {statistics.fmean(sizes[1]):.4f}, without a penalty {statistics.fmean(before):.4f}"
            question = f"Does l2 make weights smaller, at {strength:g}?"
            lines.append(judged(question, number, before, before=sizes[1], cell=pair[1]))
    return "\n".join(lines)


def _logged(cell: Cell) -> bool:
    """Whether its ledger knows the weights; those from before it was logged do not."""
    return not math.isnan(cell.mean("weight_sparsity"))


def _measured(cell: Cell) -> str:
    share, size = 100 * cell.mean("weight_sparsity"), cell.mean("weight_size")
    return f"{cell.values['reg_type']} {share:.1f}% of penalized weights below 0.001, mean size {size:.4f}"


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
