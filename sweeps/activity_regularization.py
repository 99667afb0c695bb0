"""Activity regularization: a price on what the hidden units put out.

At strength 0 both types are the same network, which therefore counts twice among the cells. val_sparsity is the share
of hidden outputs that are exactly zero; relu alone makes some.
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
