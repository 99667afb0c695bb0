"""Label smoothing: how much of each label is spread over all classes.

A network that is asked for certainty grows its weights for ever to come nearer to it; one that is asked for 0.9
stops. Not in the article, which ends before it: 0.1 is the share that Szegedy et al. (2016, "Rethinking the Inception
architecture") introduced it with.
"""

from functools import partial

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._study.answers import regularizes

SWEEP = Sweep(
    name="label_smoothing",
    base=FINAL,
    axes={"label_smoothing": [0.0, 0.05, 0.1, 0.2]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=partial(regularizes, "label smoothing"),
)

if __name__ == "__main__":
    main(SWEEP)
