"""Activity regularization: a price on what the hidden units put out.

It is said to make representations sparse: most units silent for most images. val_sparsity is the share of hidden
outputs that are exactly zero. The strengths begin at 0, for relu alone silences a good half.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL


def verdict(cells: Sequence[Cell]) -> str:
    """Whether a higher price makes more units silent."""
    words = []
    for kind in ("l1", "l2"):
        shares = [cell.mean("val_sparsity") for cell in cells if cell.values["activity_reg_type"] == kind]
        rises = all(after > before for before, after in itertools.pairwise(shares))
        listed = ", ".join(f"{share:.2f}" for share in shares)
        words.append(f"{kind} {'bears it out' if rises else 'does not bear it out'} (zeros by strength: {listed})")
    return f"That a price on activity makes it sparse: {'; '.join(words)}."


SWEEP = Sweep(
    name="activity_regularization",
    base=replace(FINAL, log_sparsity=True),
    axes={"activity_reg_type": ["l1", "l2"], "activity_reg": [0.0, 1e-4, 1e-3, 1e-2]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    verdict=verdict,
)

if __name__ == "__main__":
    main(SWEEP)
