"""Early stopping: end the training when validation accuracy has stopped rising.

Patience is how many epochs without a better value are borne; none trains to the end. A short patience mistakes a
wobble for the end, a long one saves little. The trial goes back to the weights of its best epoch; what the last ones
score, which the article keeps, is where its curve ends: one training tells both (`--base.restore_best False` keeps the
last). The base learns at 0.01 in batches of 2000, which is quick and restless.
"""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._claims import difference, p_against
from sweeps._judged import corrected_for, judged

METRIC = "val_accuracy"


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
    """Tell what each patience saves in epochs, what it costs in accuracy, and what the best weights give back."""
    cells = [cell for cell in cells if cell.ranked]
    whole = next((cell for cell in cells if cell.values["patience"] is None), None)
    if whole is None:
        return ""
    if (before := last_and_best(whole).get("last")) is None:
        return "What the last weights score is not in this ledger: an earlier version made it (--fresh makes it anew)."
    compared = {
        (cell.values["patience"], weights): (cell, values)
        for cell in cells
        for weights, values in last_and_best(cell).items()
        if cell is not whole or weights == "best"
    }
    p_values = dict(zip(compared, p_against(before, list(compared.values())), strict=True))
    corrected = corrected_for(compared)
    seeds = "one seed, which decides nothing" if whole.trials == 1 else f"{whole.trials} seeds"
    how = f"; p of paired t-tests, {corrected}" if whole.trials > 1 else ""
    epochs = f"{whole.mean_epochs:.0f} epochs"
    lines = [f"Early stopping, all held against {epochs} and their last weights ({seeds}{how}):"]
    for cell in cells:
        patience = cell.values["patience"]
        parts = [f"{cell.mean_epochs:.0f} epochs"]
        for weights, of in (("last", " of val_accuracy"), ("best", "")):
            if (patience, weights) in compared:
                tested = f" (p={p_values[patience, weights]:.2g})" if whole.trials > 1 else ""
                gain = difference(before, compared[patience, weights][1])
                parts.append(f"{gain}{of} with the {weights} weights{tested}")
        lines.append(f"{'no patience' if patience is None else f'patience {patience}'}: {', '.join(parts)}")
    longest = max((p for p, weights in compared if p is not None and weights == "best"), default=None)
    if longest is not None:
        stopped, after = compared[longest, "best"]
        question = f"Does it pay to stop (patience {longest}, best weights) and not to train to the end (last weights)?"
        best, last, kept = (statistics.fmean(of) for of in (after, before, compared[None, "best"][1]))
        seeds = f" ({min(before):.3f} to {max(before):.3f} by seed)" * (whole.trials > 1)
        number = f"it reaches val_accuracy {best:.3f} in {stopped.mean_epochs:.0f} of {epochs}, the whole training "
        number += f"{last:.3f} with its last weights{seeds} and {kept:.3f} with its best"
        p = p_values[longest, "best"]
        lines.insert(0, judged(question, number, after, before=before, cell=stopped, p=p, corrected=corrected))
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
