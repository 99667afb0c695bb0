"""Shared parts of the sweeps: the article's chain of choices, and how a claim is judged."""

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any

from nnhp_torch import Cell, TrialConfig
from nnhp_torch.core.significance import LEVEL, more_pairs, paired_t_test

# The article's chain, and what it chooses after each sweep.
CHAIN: dict[str, dict[str, Any]] = {
    "layers_nodes": {"n_layers": 2, "n_nodes": 128},
    "optimizer": {"optimizer": "Adam"},
    "batch_size": {"batch_size": 30_000},
    "learning_rate": {"lr": 0.001},
    "momentum": {"momentum": 0.1},
    "weight_regularization": {"reg_type": "l2", "reg": 1e-4},
    "dropout": {},
}

# The hyperparameters that the article only describes, in its order, then those that it does not have.
OTHERS = (
    *("learning_rate_decay", "loss", "activation", "early_stopping", "batch_norm", "weight_constraint"),
    *("activity_regularization", "noise", "label_smoothing", "gradient_clipping"),
)

# Flag → what the data module reads in its environment: where the data is or goes (else a cache).
DATA = {"data_dir": "NNHP_DATA_DIR"}


def before(sweep: str | None) -> TrialConfig:
    """The article's settings when it comes to one of its sweeps: all that it chose until then; None: at the end."""
    chosen: dict[str, Any] = {}
    for name in itertools.takewhile(lambda name: name != sweep, CHAIN):
        chosen |= CHAIN[name]
    return TrialConfig(**chosen, max_epochs=80)


# The base of the hyperparameters that the article describes without a grid: its choices, but with Adam's own beta1. The
# 0.1 that it chose makes training jump by points, whatever is swept; `--base.momentum 0.1` brings it back.
FINAL = dataclasses.replace(before(None), momentum=None)


def judged(question: str, number: str, after: Sequence[float], before: Sequence[float], of: int = 1) -> str:
    """The answer to a question, the number behind it, and how that was tested, in lines.

    Args:
        question: answered with yes if `after` is more than `before` by more than chance, with no if it is less.
        number: what stands behind the answer.
        after, before: a value a seed.
        of: how many comparisons this one was picked from by what it shows.
    """
    seeds = len(after)
    if seeds == 1:
        return f"{question} Cannot be told from one seed: {number}.\n(--seeds 5 decides more)"
    p = min(1.0, of * paired_t_test(after, before))
    picked = f", corrected for the best of {of}" if of > 1 else ""
    test = f"({seeds} seeds, paired t-test, p={p:.2g}{picked})"
    if p < LEVEL:
        more = statistics.fmean(after) > statistics.fmean(before)
        return f"{question} {'Yes' if more else 'No, the opposite'}: {number}.\n{test}"
    missing = more_pairs(after, before, LEVEL / of)
    needed = f" --seeds {seeds + missing} might decide." if missing else ""
    return f"{question} Cannot be told: {number}.{needed}\n{test}"


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
    number = (
        f"{_points(before, after)} of val_accuracy from {least.label} to {best.label}, the best of {len(more)}; "
        f"training accuracy{measured} minus val_accuracy: {above[0]:+.1f}, then {above[1]:+.1f} points"
    )
    return judged(f"Does {what} help on images not seen?", number, after, before, len(more))


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
            return f"{question} Yes: {number}.\n({diverged} of {cell.trials} seeds diverge without it, none with it)"
    if len(rates) < 2:
        return ""
    changes = [(accuracy[lr, False], accuracy[lr, True]) for lr in (rates[0], rates[-1])]
    low, high = ([on - off for off, on in zip(*change, strict=True)] for change in changes)
    # It must gain at the higher rate, and more than it does at the lower one.
    needed = low if statistics.fmean(low) > 0 else [0.0] * len(low)
    number = f"{_points(*changes[0])} of val_accuracy at lr={rates[0]}, {_points(*changes[1])} at lr={rates[-1]}"
    return judged(question, number, high, needed)


def _points(before: Sequence[float], after: Sequence[float]) -> str:
    return f"{100 * (statistics.fmean(after) - statistics.fmean(before)):+.2f} points"
