"""What several sweeps share: where the article's chain of choices ends, and how a regularizer is judged."""

from collections.abc import Sequence

from nnhp_torch.config import TrialConfig
from nnhp_torch.summary import Cell

# The base of the hyperparameters that the article describes without a grid.
FINAL = TrialConfig(lr=0.001, momentum=0.1, reg_type="l2", reg=1e-4, max_epochs=80)


def regularizes(what: str, cells: Sequence[Cell]) -> str:
    """Whether more of something does what is said of a regularizer: help on images that were not trained on.

    Args:
        what: its name.
        cells: from the least of it to the most.
    """
    least, *more = cells
    if not more:
        return ""
    best = max(more, key=lambda cell: cell.mean("val_accuracy"))
    (train_0, val_0), (train_1, val_1) = (
        (cell.mean("train_accuracy"), cell.mean("val_accuracy")) for cell in (least, best)
    )
    return (
        f"{what.capitalize()}: from {least.label} to {best.label}, the best of the others, val_accuracy goes from "
        f"{val_0:.4f} to {val_1:.4f} and what training accuracy (measured under {what}) is above it from "
        f"{train_0 - val_0:+.4f} to {train_1 - val_1:+.4f}. This "
        f"{'bears out' if val_1 > val_0 else 'does not bear out'} that {what} helps on images not seen."
    )
