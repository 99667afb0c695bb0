"""Early stopping: end the training when validation accuracy has stopped rising.

Patience is how many epochs without a better value are borne; none trains to the end. A short patience mistakes a
wobble for the end, a long one saves little. The base learns at 0.01 in batches of 2000, where the peak is passed
within the 80 epochs: there is something to save.
"""

from collections.abc import Sequence
from dataclasses import replace

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL


def verdict(cells: Sequence[Cell]) -> str:
    """What each patience saves in epochs, and what it costs in accuracy."""
    cells = [cell for cell in cells if cell.ranked]
    whole = next((cell for cell in cells if cell.values["patience"] is None), None)
    if whole is None:
        return ""
    seeds = "one seed, which decides nothing: --seeds 5" if whole.trials == 1 else f"{whole.trials} seeds"
    lines = [
        f"patience {cell.values['patience']}: {cell.mean_epochs:.0f} epochs, "
        f"{100 * (cell.mean('val_accuracy') - whole.mean('val_accuracy')):+.2f} points of val_accuracy"
        for cell in cells
        if cell is not whole
    ]
    return "\n".join([f"Early stopping, against {whole.mean_epochs:.0f} epochs ({seeds}):", *lines])


SWEEP = Sweep(
    name="early_stopping",
    base=replace(FINAL, batch_size=2_000, lr=0.01, momentum=None),
    axes={"patience": [None, 1, 3, 5, 10]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    verdict=verdict,
)

if __name__ == "__main__":
    main(SWEEP)
