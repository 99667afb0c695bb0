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
from sweeps._study.judged import judged

NEXT_TO_NONE = 1e-6  # a strength below which a penalty is as good as none


def drives_to_zero(cells: Sequence[Cell]) -> str:
    """Whether at one strength l1 drives more weights to zero than l2, and l2 makes them smaller than at its least."""
    known = {(cell.values["reg_type"], cell.values["reg"]): cell for cell in cells if _logged(cell)}
    least = min((strength for kind, strength in known if kind == "l2"), default=0)
    lines = []
    for strength in dict.fromkeys(strength for _, strength in known):
        l1, l2 = (known.get((kind, strength)) for kind in ("l1", "l2"))
        if l1 is None or l2 is None or not (l1.ranked and l2.ranked):
            continue
        shares = [cell.values_of("weight_sparsity") for cell in (l1, l2)]
        question = f"Does l1 drive more weights to zero than l2, at {strength:g}?"
        lines.append(judged(question, "; ".join(map(_measured, (l1, l2))), shares[0], before=shares[1], cell=l1))
        if strength > least:
            small, large = _in_common(l2, known["l2", least])
            little = f"with next to none ({least:g})" if least < NEXT_TO_NONE else f"at {least:g}"
            number = f"mean size {statistics.fmean(small):.4f} with it, {statistics.fmean(large):.4f} {little}"
            question = f"Does l2 make weights smaller, at {strength:g}?"
            lines.append(judged(question, number, large, before=small, cell=l2.first(len(small))))
    return "\n".join(lines)


def _in_common(*cells: Cell) -> list[list[float]]:
    """The sizes of the weights, with those seeds that all of the cells have."""
    sizes = [{cell.repeat(result): result.final("weight_size") for result in cell.completed} for cell in cells]
    return [[of[repeat] for repeat in sizes[0] if all(repeat in other for other in sizes)] for of in sizes]


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
