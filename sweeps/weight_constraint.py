"""Weight constraints: a bound on each unit's incoming weights, kept after every step.

max_norm lets no norm grow beyond 2, unit_norm makes every norm 1, min_max_norm keeps it between 0 and 1 (Keras's
defaults).
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL

SWEEP = Sweep(
    name="weight_constraint",
    base=FINAL,
    axes={"weight_constraint": ["none", "max_norm", "unit_norm", "min_max_norm"]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
)

if __name__ == "__main__":
    main(SWEEP)
