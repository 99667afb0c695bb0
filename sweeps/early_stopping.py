"""Early stopping: end the training when validation accuracy has stopped rising.

Patience is how many epochs without a better value are borne; none trains to the end. A short patience mistakes a
wobble for the end, a long one saves little. The trial goes back to the weights of its best epoch; what the last ones
score, which the article keeps, is where its curve ends: one training tells both (`--base.restore_best False` keeps the
last). The base learns at 0.01 in batches of 2000, which is quick and restless.
"""

import itertools
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
    """Tell whether stopping is better than training to the end, which then keeps its best weights or its last ones."""
    cells = [cell for cell in cells if cell.ranked]
    whole = next((cell for cell in cells if cell.values["patience"] is None), None)
    if whole is None or len(cells) < 2:
        return ""
    weights = "best" if all("best" in last_and_best(cell) for cell in cells) else "last"
    kept = {cell.texts["patience"]: (cell, last_and_best(cell)[weights]) for cell in cells if cell is not whole}
    said = ", ".join(f"{error(values)} in {cell.mean_epochs:.0f}" for cell, values in kept.values())
    number = f"an error of {said} epochs with patience {', '.join(kept)}"
    lines: list[str] = []
    for which, before in last_and_best(whole).items():
        with_it = "both with their" if which == weights else "which then has its"
        question = f"Is it better to stop than to train all {whole.mean_epochs:.0f} epochs, {with_it} {which} weights?"
        seeds = f" ({error([max(before)])} to {error([min(before)])} by seed)" * (which != weights and whole.trials > 1)
        of_whole = f"no stopping {error(before)}{seeds}"
        compared = {patience: (values, before) for patience, (_, values) in kept.items()}
        told = f"{number}; {of_whole}" if which == weights else of_whole
        lines.insert(0 if which == weights else 1, judged_each(question, told, compared, whole, "with patience"))
    on_test = {patience: (cell.values_of(TEST), whole.values_of(TEST)) for patience, (cell, _) in kept.items()}
    if weights == "best" and all(map(math.isfinite, itertools.chain(*itertools.chain(*on_test.values())))):
        errors = ", ".join(error(values) for values, _ in on_test.values())
        number = f"an error of {errors} with patience {', '.join(kept)}; no stopping {error(whole.values_of(TEST))}"
        question = "Is it better on the test images, which have chosen no epoch?"
        lines.insert(1, judged_each(question, number, on_test, whole, "with patience"))
    return "\n".join(lines)


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
