"""Noise: Gaussian noise added to the training images.

The network never sees the same image twice, which is meant to regularize it. The standard deviation counts in pixels
from 0 to 1; evaluation is without noise.
"""

from collections.abc import Sequence

from nnhp_torch.cli import main
from nnhp_torch.grid import Sweep
from nnhp_torch.summary import Cell
from sweeps._base import FINAL


def verdict(cells: Sequence[Cell]) -> str:
    """Whether the claim that noise regularizes holds in this run."""
    gaps = [cell.mean("train_accuracy") - cell.mean("val_accuracy") for cell in cells]
    return (
        f"Noise: the gap between training and validation accuracy goes from {gaps[0]:.4f} "
        f"({cells[0].label}) to {gaps[-1]:.4f} ({cells[-1].label}), which "
        f"{'bears out' if gaps[-1] < gaps[0] else 'does not bear out'} that noise regularizes."
    )


SWEEP = Sweep(
    name="noise",
    base=FINAL,
    axes={"noise": [0.0, 0.1, 0.2, 0.4]},
    build="nnhp_torch.experiment:build",
    about=__doc__,
    verdict=verdict,
)

if __name__ == "__main__":
    main(SWEEP)
