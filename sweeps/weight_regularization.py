"""Weight regularization: a price on large weights.

l1 (the sum of the absolute weights) drives many weights to zero, l2 (the sum of their squares) keeps all of them
small. Too high a price, and the network learns nothing but to be cheap. It is laid on every hidden layer but the
first; TensorBoard has a histogram of the weights that it is laid on.
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, after, before
from sweeps._claims import drives_to_zero

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
