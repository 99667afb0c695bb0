"""Early stopping: end the training when validation accuracy has stopped rising.

Patience is how many epochs without a better value are borne; none trains to the end. A short patience mistakes a
wobble for the end, a long one saves little. The weights are then those of the last epoch, some epochs behind the best,
as in the article; `restore_best` goes back to the best ones. It changes no step: the two trials of a patience train
alike, and differ in their last weights alone. The base learns at 0.01 in batches of 2000, which is quick and restless.
"""

from collections.abc import Sequence
from dataclasses import replace

from nnhp_torch import Cell, Sweep, main
from sweeps._base import DATA, FINAL
from sweeps._claims import corrected_for, judged, p_against


def claim(cells: Sequence[Cell]) -> str:
    """Tell what each patience saves in epochs, what it costs in accuracy, and what the best weights give back."""
    found = {(cell.values["patience"], cell.values["restore_best"]): cell for cell in cells if cell.ranked}
    whole = found.get((None, False))
    if whole is None:
        return ""
    seeds = "one seed, which decides nothing" if whole.trials == 1 else f"{whole.trials} seeds"
    stopped = [cell for cell in found.values() if cell is not whole]
    p_values = {id(cell): p for cell, p in zip(stopped, p_against(whole, stopped), strict=True)}
    tested = {known: f" (p={p:.2g})" for known, p in p_values.items() if whole.trials > 1}
    longest = max((p for p, restored in found if p is not None and restored), default=None)
    pays = ""
    if longest is not None:
        kept = found[longest, True]
        number = f"{points(kept, whole)} of val_accuracy in {kept.mean_epochs:.0f} of {whole.mean_epochs:.0f} epochs"
        question = f"Does stopping with the best weights (patience {longest}) beat the last ones of all epochs?"
        after, before = kept.values_of("val_accuracy"), whole.values_of("val_accuracy")
        p, corrected = p_values[id(kept)], corrected_for(stopped)
        pays = judged(question, number, after, before=before, cell=kept, p=p, corrected=corrected) + "\n"

    lines = []
    for (patience, restored), cell in found.items():
        if not restored:
            parts = [f"{cell.mean_epochs:.0f} epochs"]
            if cell is not whole:
                parts.append(f"{points(cell, whole)} of val_accuracy with the last weights{tested.get(id(cell), '')}")
            if (best := found.get((patience, True))) is not None:
                parts.append(f"{points(best, whole)} with the best weights{tested.get(id(best), '')}")
            lines.append(f"{'no patience' if patience is None else f'patience {patience}'}: {', '.join(parts)}")
    how = f"; p of paired t-tests, Holm's correction of {len(stopped)}" if tested else ""
    head = (
        f"{pays}Early stopping, all held against {whole.mean_epochs:.0f} epochs and their last weights ({seeds}{how}):"
    )
    return "\n".join([head, *lines])


def points(cell: Cell, whole: Cell) -> str:
    """Say how far a cell is ahead of the training to the end."""
    return f"{100 * (cell.mean('val_accuracy') - whole.mean('val_accuracy')):+.2f} points"


SWEEP = Sweep(
    name="early_stopping",
    base=replace(FINAL, batch_size=2_000, lr=0.01),
    axes={"patience": [None, 1, 3, 5, 10], "restore_best": [False, True]},
    build="nnhp_torch.article.experiment:build",
    environment=DATA,
    about=__doc__,
    claim=claim,
)

if __name__ == "__main__":
    main(SWEEP)
