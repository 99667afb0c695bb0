"""Early stopping: end the training when validation accuracy has stopped rising.

Patience is how many epochs without a better value are borne; none trains to the end. A short patience mistakes a
wobble for the end, a long one saves little. The trial goes back to the weights of its best epoch; what the last ones
score, which the article keeps, is where its curve ends: one training tells both (`--base.restore_best False` keeps the
last). The base learns at 0.01 in batches of 2000, which is quick and restless.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._study.answers import error
from sweeps._study.judged import judged_each

METRIC, TEST = "val_accuracy", "test_accuracy"


def last_and_best(cell: Cell) -> dict[str, list[float]]:
    """Return what a cell's trials score with their last weights and with their best ones, as far as both are known.

    A record from before a curve stayed as measured has the best score in the place of the last one.
    """
    found, of = {}, cell.completed
    keep_last = [not r.config["restore_best"] or r.best(METRIC)[1] == r.epochs for r in of]
    if all(r.restored or kept for r, kept in zip(of, keep_last, strict=True)):
        found["last"] = [r.curve(METRIC)[-1] for r in of]
    if all(r.config["restore_best"] for r in of):
        found["best"] = cell.values_of(METRIC)
    return found


def claim(cells: Sequence[Cell]) -> str:
    """Tell whether stopping is better than training to the end, which then keeps its best weights or its last ones.

    With best weights the test images tell: on validation a stopped training cannot win, because its epochs are among
    those of the whole one, with the same seed.
    """
    cells = [cell for cell in cells if cell.ranked]
    whole = next((cell for cell in cells if cell.values["patience"] is None), None)
    if whole is None or len(cells) < 2:
        return ""
    stopped = [cell for cell in cells if cell is not whole]
    epochs = f"{whole.mean_epochs:.0f} epochs"
    if not all("best" in last_and_best(cell) for cell in cells):
        question = f"Is it better to stop than to train all {epochs}, both with their last weights?"
        return _held(question, METRIC, stopped, whole, whole.values_of(METRIC))
    lines = []
    if all(math.isfinite(value) for cell in cells for value in cell.values_of(TEST)):
        question = f"Is it better on the test images to stop than to train all {epochs}?"
        lines.append(_held(question, TEST, stopped, whole, whole.values_of(TEST)))
    if last := last_and_best(whole).get("last"):
        question = f"Is it better on validation than the last weights of all {epochs}?"
        lines.append(_held(question, METRIC, stopped, whole, last))
    return "\n".join(lines)


def _held(question: str, metric: str, stopped: Sequence[Cell], whole: Cell, reached: list[float]) -> str:
    """Answer for each patience whether its trials score more than the whole training, which has reached so much."""
    kept = {cell.texts["patience"]: cell.values_of(metric) for cell in stopped}
    said = ", ".join(f"{error(cell.values_of(metric))} in {cell.mean_epochs:.0f}" for cell in stopped)
    number = f"an error of {said} epochs with patience {', '.join(kept)}; {whole.label} {error(reached)}"
    number += f" ({error([max(reached)])} to {error([min(reached)])} by seed)" * (len(reached) > 1)
    compared = {patience: (values, reached) for patience, values in kept.items()}
    return judged_each(question, number, compared, whole, "with patience")


SWEEP = Sweep(
    name="early_stopping",
    base=replace(FINAL, batch_size=2_000, lr=0.01, restore_best=True),
    axes={"patience": [None, 1, 3, 5, 10]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=claim,
)

if __name__ == "__main__":
    main(SWEEP)
