"""Verdicts on how soon a training reaches an accuracy."""

import statistics
from collections.abc import Sequence

from nnhp_torch import Cell
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.report.ends import values_of
from nnhp_torch.report.plotting.curves import epochs_to
from sweeps._study.judged import judged_each

REACHED = 0.9  # the accuracy by which training is called faster or slower
NAMES = {"val_accuracy": "validation accuracy", "train_accuracy": "training accuracy"}


def faster(what: str, slow: Cell, others: Sequence[Cell], *, metric: str = "val_accuracy") -> str:
    """Whether each of some cells reaches an accuracy in fewer epochs than another one does.

    Args:
        what: what they have more of, or that the other is without.
        slow: that one.
        metric: the accuracy; by another one than validation's a single cell is judged, and by validation's, too.
    """
    others = [cell for cell in others if cell.ranked and slow.ranked]
    if unreached := _unreached([slow, *others], metric):
        return f"Is training faster with {what}? {unreached}" if others else ""
    before = [float(_epochs(result, metric)) for result in slow.completed]
    after = [[float(_epochs(result, metric)) for result in cell.completed] for cell in others]
    number = f"epochs to {NAMES[metric]} {REACHED}: {_listed([slow, *others], metric)}"
    compared = {values_of(cell): (before, epochs) for cell, epochs in zip(others, after, strict=True)}
    if metric != "val_accuracy":
        (cell,) = others
        without, with_it = ([float(_epochs(result)) for result in of.completed] for of in (slow, cell))
        later = sum(late > soon for soon, late in zip(without, with_it, strict=True))
        soon, late = (
            f"{_epochs_in_words(slow, of)} without it, with it {_epochs_in_words(cell, of)}"
            for of in (metric, "val_accuracy")
        )
        slower = f"by validation accuracy it is slower in {later} of {cell.trials} runs"
        number = f"epochs to {NAMES[metric]} {REACHED}: {soon}; {slower}: {late}"
        compared = {NAMES[metric]: (before, after[0]), NAMES["val_accuracy"]: (without, with_it)}
    link = "with" if metric == "val_accuracy" else "by"
    return judged_each(f"Is training faster with {what}?", number, compared, slow, link)


def _unreached(cells: Sequence[Cell], metric: str = "val_accuracy") -> str:
    """Say that no cell has come to the accuracy that speed is told by; empty if one has."""
    results = [result for cell in cells for result in cell.completed]
    if any(_epochs(result, metric) <= result.epochs for result in results):
        return ""
    epochs = max((result.epochs for result in results), default=0)
    return f"Cannot be told: none reaches {NAMES[metric]} {REACHED} within {epochs} epochs."


def _epochs(result: TrialResult, metric: str = "val_accuracy") -> int:
    return epochs_to(result.curve(metric), REACHED)


def _listed(cells: Sequence[Cell], metric: str = "val_accuracy") -> str:
    return "; ".join(f"{cell.label} {_epochs_in_words(cell, metric)}" for cell in cells)


def _epochs_in_words(cell: Cell, metric: str) -> str:
    needed = [epochs for result in cell.completed if (epochs := _epochs(result, metric)) <= result.epochs]
    if len(needed) == len(cell.completed):
        return f"{statistics.fmean(needed):.1f}"
    if not needed:
        return "never"
    others = "other one" if len(cell.completed) - len(needed) == 1 else "others"
    reached = f"{statistics.fmean(needed):.1f} in {len(needed)} of {len(cell.completed)} runs"
    return f"{reached}, in the {others} not within {cell.completed[0].epochs}"
