"""Activity regularization: a price on what the hidden units put out.

It is said to make representations sparse: most units silent for most images. val_sparsity is the share of hidden
outputs that are exactly zero. The strengths begin at 0, for relu alone silences a good half.
"""

from dataclasses import replace

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._study.answers import makes_sparse

SWEEP = Sweep(
    name="activity_regularization",
    base=replace(FINAL, log_sparsity=True),
    axes={"activity_reg_type": ["l1", "l2"], "activity_reg": [0.0, 1e-4, 1e-3, 1e-2]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    extra_metrics=["val_sparsity"],
    claim=makes_sparse,
)

if __name__ == "__main__":
    main(SWEEP)
