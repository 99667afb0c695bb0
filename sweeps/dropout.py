"""Dropout: the share of units switched off at random in every training step.

No unit can rely on another, which is meant to prevent overfitting: the network does worse on the training images,
where units are missing, and better on those it has not seen. It is laid on every hidden layer but the first.
"""

from collections.abc import Sequence

from nnhp_torch.cli import main
from nnhp_torch.config import TrialConfig
from nnhp_torch.grid import Sweep
from nnhp_torch.summary import Cell


def verdict(cells: Sequence[Cell]) -> str:
    """Whether the claim that dropout reduces overfitting holds in this run."""
    gaps = [cell.mean("train_accuracy") - cell.mean("val_accuracy") for cell in cells]
    return (
        f"Dropout: the gap between training and validation accuracy goes from {gaps[0]:.4f} "
        f"({cells[0].label}) to {gaps[-1]:.4f} ({cells[-1].label}), which "
        f"{'bears out' if gaps[-1] < gaps[0] else 'does not bear out'} that dropout reduces overfitting."
    )


SWEEP = Sweep(
    name="dropout",
    base=TrialConfig(lr=0.001, momentum=0.1, reg_type="l2", reg=1e-4, max_epochs=80),
    axes={"dropout": [0.1, 0.25, 0.5, 0.75]},
    build="nnhp_torch.experiment:build",
    about=__doc__,
    verdict=verdict,
)

if __name__ == "__main__":
    main(SWEEP)
