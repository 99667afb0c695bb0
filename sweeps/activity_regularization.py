"""Activity regularization: a price on what the hidden units put out.

It is said to make representations sparse: most units silent for most images. val_sparsity is the share of hidden
outputs that are exactly zero. The strengths begin at 0, for relu alone silences a good half.
"""

from collections.abc import Sequence
from dataclasses import replace

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._claims import judged


def claim(cells: Sequence[Cell]) -> str:
    """Whether a higher price makes more units silent."""
    lines = []
    for kind in ("l1", "l2"):
        of_kind = [cell for cell in cells if cell.values["activity_reg_type"] == kind and cell.ranked]
        if len(of_kind) < 2:
            continue
        listed = ", ".join(f"{cell.mean('val_sparsity'):.2f}" for cell in of_kind)
        none, *_, most = (cell.values_of("val_sparsity") for cell in of_kind)
        number = f"the share of zeros by strength is {listed}"
        question = f"Does a price on activity ({kind}) make it sparse?"
        lines.append(judged(question, number, most, before=none, cell=of_kind[-1]))
    return "\n".join(lines)


SWEEP = Sweep(
    name="activity_regularization",
    base=replace(FINAL, log_sparsity=True),
    axes={"activity_reg_type": ["l1", "l2"], "activity_reg": [0.0, 1e-4, 1e-3, 1e-2]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    extra_metrics=["val_sparsity"],
    claim=claim,
)

if __name__ == "__main__":
    main(SWEEP)
