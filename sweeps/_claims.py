"""Verdicts on what is said of a hyperparameter, each computed from the cells of its sweep.

A verdict answers first, then gives the number, then the test; it is empty if the cells cannot tell.
"""

import itertools
import math
import statistics
from collections.abc import Sequence

from nnhp_torch import Cell
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.stats.significance import LEVEL, paired_t_test

REACHED = 0.9  # the val_accuracy by which training is called faster or slower
FALL = 0.001  # what counts as a fall of val_accuracy from one epoch to the next,
SETTLED = 10  # after so many epochs


def judged(
    question: str, number: str, after: Sequence[float], *, before: Sequence[float], cell: Cell, of: int = 1
) -> str:
    """The answer to a question, the number behind it, and how that was tested, in lines.

    Args:
        question: answered with yes if `after` is more than `before` by more than chance, with no if it is less.
        number: what stands behind the answer.
        after, before: a value for each trial of a cell.
        cell: one of those that are compared; it says how the trials repeat it.
        of: how many comparisons this one was picked from by what it shows.
    """
    if len(after) == 1:
        return f"{question} Cannot be told from one seed: {number}.\n(--seeds 5 decides more)"
    p = min(1.0, of * paired_t_test(after, before))
    picked = f", corrected for the best of {of}" if of > 1 else ""
    test = f"({cell.repeated}, paired t-test, p={p:.2g}{picked})"
    if p < LEVEL:
        more = statistics.fmean(after) > statistics.fmean(before)
        return f"{question} {'Yes' if more else 'No, the opposite'}: {number}.\n{test}"
    return f"{question} Cannot be told: {number}.\n{test}"


def regularizes(what: str, cells: Sequence[Cell]) -> str:
    """Whether more of something does what is said of a regularizer: help on images that were not trained on.

    Args:
        what: its name.
        cells: from the least of it to the most.
    """
    least, *more = cells
    more = [cell for cell in more if cell.ranked]
    if not more or not least.ranked:
        return ""
    best = max(more, key=lambda cell: cell.mean("val_accuracy"))
    before, after = (cell.values_of("val_accuracy") for cell in (least, best))
    training = training_accuracy(cells)
    above = [100 * (cell.mean(training) - cell.mean("val_accuracy")) for cell in (least, best)]
    measured = "" if training == "trained_accuracy" else f", measured under {what},"
    # The best of several was picked by what it scored: the correction makes up for that.
    picked = f", the best of {len(more)}" if len(more) > 1 else ""
    number = (
        f"{_points(before, after)} of val_accuracy from {least.label} to {best.label}{picked}; "
        f"training accuracy{measured} minus val_accuracy: {above[0]:+.1f}, then {above[1]:+.1f} points"
    )
    return judged(f"Does {what} help on images not seen?", number, after, before=before, cell=best, of=len(more))


def training_accuracy(cells: Sequence[Cell]) -> str:
    """The metric to hold against val_accuracy: scored at the end as that is, or else the last epoch's running mean."""
    scored = all(math.isfinite(value) for cell in cells for value in cell.values_of("trained_accuracy"))
    return "trained_accuracy" if scored else "train_accuracy"


def allows_higher_rates(what: str, setting: str, cells: Sequence[Cell]) -> str:
    """Whether something gains more at a higher learning rate, as is said of it.

    Args:
        what: its name.
        setting: the axis on which it is off (False or None) or on, beside an axis of rates.
        cells: those of the sweep; only rates at which all have completed are compared.
    """
    question = f"Does {what} let a network train at higher learning rates?"
    accuracy = {
        (cell.values["lr"], bool(cell.values[setting])): cell.values_of("val_accuracy") for cell in cells if cell.ranked
    }
    rates = sorted(lr for lr, on in accuracy if on and (lr, False) in accuracy)
    for cell in cells:
        rate = cell.values["lr"]
        if not cell.values[setting] and set(cell.troubles) == {"diverged"} and (rate, True) in accuracy:
            reached = statistics.fmean(accuracy[rate, True])
            number = f"at lr={rate} it diverges without and reaches val_accuracy={reached:.4f} with it"
            diverged = cell.troubles["diverged"]
            if diverged < 2:
                return f"{question} Cannot be told from one seed: {number}.\n(--seeds 5 decides more)"
            runs = "seeds" if cell.trials_per_seed == 1 else "runs"
            return f"{question} Yes: {number}.\n({diverged} of {cell.trials} {runs} diverge without it, none with it)"
    if len(rates) < 2:
        return ""
    changes = [(accuracy[lr, False], accuracy[lr, True]) for lr in (rates[0], rates[-1])]
    low, high = ([on - off for off, on in zip(*change, strict=True)] for change in changes)
    # It must gain at the higher rate, and more than it does at the lower one.
    needed = low if statistics.fmean(low) > 0 else [0.0] * len(low)
    without, reached = map(statistics.fmean, changes[1])
    number = f"{_points(*changes[0])} of val_accuracy at lr={rates[0]}, {_points(*changes[1])} at lr={rates[-1]}"
    number += f" ({without:.3f} without, {reached:.3f} with it)"
    return judged(question, number, high, before=needed, cell=cells[0])


def _points(before: Sequence[float], after: Sequence[float]) -> str:
    return f"{100 * (statistics.fmean(after) - statistics.fmean(before)):+.2f} points"


def overfits(cells: Sequence[Cell]) -> str:
    """Whether validation falls while training rises, in the cell in which it falls most over the last quarter."""
    cells = [cell for cell in cells if cell.ranked]
    if not cells:
        return ""
    falls = {id(cell): [_late_change(result, "val_accuracy") for result in cell.completed] for cell in cells}
    most = min(cells, key=lambda cell: statistics.fmean(falls[id(cell)]))
    down = [-change for change in falls[id(most)]]
    up = statistics.fmean(_late_change(result, "train_accuracy") for result in most.completed)
    falling = sum(statistics.fmean(changes) < 0 for changes in falls.values())
    number = (
        f"over the last quarter of the epochs val_accuracy falls in {falling} of {len(cells)} cells; at worst it "
        f"changes by {-100 * statistics.fmean(down):+.2f} points, training accuracy (running mean) by {100 * up:+.2f}, "
        f"in {most.label}"
    )
    no_fall = [0.0] * len(down)
    return judged("Does validation fall while training rises?", number, down, before=no_fall, cell=most, of=len(cells))


def _late_change(result: TrialResult, metric: str) -> float:
    """How a metric changes over the last quarter of the epochs; each end is a mean over a twentieth of them."""
    curve = result.curve(metric)
    few = max(1, len(curve) // 20)
    start = 3 * len(curve) // 4
    return statistics.fmean(curve[-few:]) - statistics.fmean(curve[start - few // 2 :][:few])


def smoothest(cells: Sequence[Cell]) -> str:
    """Which cells' validation falls least often from one epoch to the next, and how far they get."""
    cells = [cell for cell in cells if cell.ranked and cell.mean_epochs > SETTLED]
    if len(cells) < 2:
        return ""
    falls = {id(cell): statistics.fmean(map(_falls, cell.completed)) for cell in cells}
    ordered = sorted(cells, key=lambda cell: falls[id(cell)])
    best = " and ".join(cell.label for cell in ordered if falls[id(cell)] == falls[id(ordered[0])])
    listed = "; ".join(
        f"{cell.label} {falls[id(cell)]:.1f}, ends at {cell.mean('val_accuracy'):.3f}" for cell in ordered
    )
    return (
        f"Which is smoothest? {best}. Epochs after epoch {SETTLED} in which val_accuracy falls by more than "
        f"{100 * FALL:.1f} points, per run: {listed}.\n({cells[0].repeated})"
    )


def _falls(result: TrialResult) -> int:
    late = itertools.pairwise(result.curve("val_accuracy")[SETTLED - 1 :])
    return sum(before - after > FALL for before, after in late)


def small_batches_regularize(cells: Sequence[Cell]) -> str:
    """Whether the gap between training and validation is smaller with the smallest batch than with the largest."""
    cells = sorted((cell for cell in cells if cell.ranked), key=lambda cell: cell.values["batch_size"])
    if len(cells) < 2:
        return ""
    training = training_accuracy(cells)
    gaps = [
        [t - v for t, v in zip(cell.values_of(training), cell.values_of("val_accuracy"), strict=True)] for cell in cells
    ]
    listed = ", ".join(
        f"{100 * statistics.fmean(gap):.2f} at {cell.values['batch_size']}"
        for gap, cell in zip(gaps, cells, strict=True)
    )
    running = "" if training == "trained_accuracy" else " (running mean)"
    number = f"training accuracy{running} minus val_accuracy, in points, by batch size: {listed}"
    return judged("Does a small batch regularize?", number, gaps[-1], before=gaps[0], cell=cells[0])


def fastest(cells: Sequence[Cell]) -> str:
    """Which cell is the first to reach an accuracy, and whether it is faster than the next one."""
    cells = [cell for cell in cells if cell.ranked]
    if len(cells) < 2:
        return ""
    first, second, *_ = sorted(cells, key=lambda cell: statistics.fmean(map(_epochs, cell.completed)))
    number = f"epochs to val_accuracy {REACHED}: {_listed(cells)}"
    after, before = (list(map(_epochs, cell.completed)) for cell in (second, first))
    return judged(f"Is {first.label} the fastest?", number, after, before=before, cell=first, of=len(cells) - 1)


def faster(what: str, slow: Cell, others: Sequence[Cell], *, metric: str = "val_accuracy") -> str:
    """Whether each of some cells reaches an accuracy in fewer epochs than another one does.

    Args:
        what: what they have more of, or that the other is without.
        slow: that one.
        metric: the accuracy.
    """
    lines = []
    for cell in others:
        if cell.ranked and slow.ranked:
            number = f"epochs to {metric} {REACHED}: {_listed([slow, cell], metric)}"
            if metric != "val_accuracy":
                number += f"; to val_accuracy {REACHED}: {_listed([slow, cell])}"
            before, after = ([_epochs(result, metric) for result in c.completed] for c in (slow, cell))
            question = f"Is training faster with {what} ({cell.label})?"
            lines.append(judged(question, number, before, before=after, cell=cell, of=len(others)))
    return "\n".join(lines)


def _epochs(result: TrialResult, metric: str = "val_accuracy") -> float:
    """Epochs until the accuracy is reached; one more than there were if it never is."""
    curve = result.curve(metric)
    return next((epoch for epoch, value in enumerate(curve, 1) if value >= REACHED), len(curve) + 1)


def _listed(cells: Sequence[Cell], metric: str = "val_accuracy") -> str:
    return "; ".join(f"{cell.label} {_epochs_in_words(cell, metric)}" for cell in cells)


def _epochs_in_words(cell: Cell, metric: str) -> str:
    needed = [epochs for result in cell.completed if (epochs := _epochs(result, metric)) <= result.epochs]
    if len(needed) == len(cell.completed):
        return f"{statistics.fmean(needed):.1f}"
    return f"in {len(needed)} of {len(cell.completed)} runs" if needed else "never"


def drives_to_zero(cells: Sequence[Cell]) -> str:
    """Whether l1 drives more weights to zero than l2 does at the same strength, and which of them shrinks weights."""
    found = {(cell.values["reg_type"], cell.values["reg"]): cell for cell in cells if cell.ranked}
    lines = []
    for strength in dict.fromkeys(strength for _, strength in found):
        pair = [found.get((kind, strength)) for kind in ("l1", "l2")]
        if None in pair or any(math.isnan(cell.mean("weight_sparsity")) for cell in pair if cell):
            continue
        l1, l2 = (cell for cell in pair if cell)
        number = "; ".join(
            f"{cell.values['reg_type']} {100 * cell.mean('weight_sparsity'):.1f}% of penalized weights below 0.001, "
            f"mean size {cell.mean('weight_size'):.4f}"
            for cell in (l1, l2)
        )
        question = f"Does l1 drive more weights to zero than l2, at {strength:g}?"
        after, before = (cell.values_of("weight_sparsity") for cell in (l1, l2))
        lines.append(judged(question, number, after, before=before, cell=l1))
    return "\n".join(lines)
