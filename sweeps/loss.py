"""Loss: what the training makes small.

Cross-entropy and the KL divergence agree on one-hot labels up to their clipping, and so should the two cells here;
the mean squared error of the probabilities is made for regression: its gradient fades where the network is
confidently wrong.
"""

from nnhp_torch import Sweep, main
from sweeps._base import DATA, FINAL

SWEEP = Sweep(
    name="loss",
    base=FINAL,
    axes={"loss": ["cross_entropy", "kl_divergence", "mse"]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
)

if __name__ == "__main__":
    main(SWEEP)
