"""What several sweeps share: where the article's chain of choices ends, and how a claim is judged."""

import itertools
import statistics
from collections.abc import Sequence
from typing import Any

from nnhp_torch import Cell, TrialConfig
from nnhp_torch.core.significance import LEVEL, compare_with, paired_t_test

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


# Flag → what the data module reads in its environment: where the data is or goes (else a cache).
DATA = {"data_dir": "NNHP_DATA_DIR"}


def before(sweep: str | None) -> TrialConfig:
    """The article's settings when it comes to one of its sweeps: all that it chose until then; None: at the end."""
    chosen: dict[str, Any] = {}
    for name in itertools.takewhile(lambda name: name != sweep, CHAIN):
        chosen |= CHAIN[name]
    return TrialConfig(**chosen, max_epochs=80)


# The base of the hyperparameters that the article describes without a grid.
FINAL = before(None)

NOISE = 0.005  # With one seed, accuracies less than half a point apart say nothing.


def judged(claim: str, effects: Sequence[float], p: float) -> str:
    """Whether a run bears out a claim, or cannot say.

    Args:
        claim: what follows on "that".
        effects: the accuracy of each seed that speaks for the claim, negative where it speaks against it.
        p: of such effects if there were none; not looked at with one seed.
    """
    said = f"{'bears out' if statistics.fmean(effects) > 0 else 'does not bear out'} that {claim}"
    if len(effects) == 1 and abs(effects[0]) < NOISE:
        return f"With one seed that is noise: it neither bears out nor refutes that {claim}."
    if len(effects) == 1:
        return f"As far as one seed can say, this {said}."
    if p >= LEVEL:
        return f"Over {len(effects)} seeds that is noise (p={p:.2g}): it neither bears out nor refutes that {claim}."
    return f"Over {len(effects)} seeds (p={p:.2g}), this {said}."


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
    gains = [b - a for a, b in zip(*(cell.values_of("val_accuracy") for cell in (least, best)), strict=True)]
    # The best of several was picked by what it scored: Holm's correction makes up for that.
    p = compare_with(least, cells, "val_accuracy").get(best.label, 1.0)
    return (
        f"From {least.label} to {best.label}, the best of the others, val_accuracy goes from "
        f"{val_0:.4f} to {val_1:.4f} and what training accuracy (measured under {what}) is above it from "
        f"{train_0 - val_0:+.4f} to {train_1 - val_1:+.4f}. "
    ) + judged(f"{what} helps on images not seen", gains, p)


def allows_higher_rates(what: str, setting: str, cells: Sequence[Cell]) -> str:
    """Whether something gains more at a higher learning rate, as is said of it.

    Args:
        what: its name.
        setting: the axis on which it is off (False or None) or on, beside an axis of rates.
        cells: those of the sweep; only rates at which all have completed are compared.
    """
    accuracy = {
        (cell.values["lr"], bool(cell.values[setting])): cell.values_of("val_accuracy") for cell in cells if cell.ranked
    }
    rates = sorted(lr for lr, on in accuracy if on and (lr, False) in accuracy)
    for cell in cells:
        rate = cell.values["lr"]
        if not cell.values[setting] and set(cell.troubles) == {"diverged"} and (rate, True) in accuracy:
            reached = statistics.fmean(accuracy[rate, True])
            seeds = "one seed" if cell.trials == 1 else f"{cell.trials} seeds"
            return (
                f"At lr={rate} the network diverges without {what} and reaches val_accuracy={reached:.4f} with it "
                f"({seeds}): {what} lets it train at that rate."
            )
    if len(rates) < 2:
        return ""
    low, high = (
        [on - off for on, off in zip(accuracy[lr, True], accuracy[lr, False], strict=True)]
        for lr in (rates[0], rates[-1])
    )
    # It must gain at the higher rate, and more than it does at the lower one.
    needed = low if statistics.fmean(low) > 0 else [0.0] * len(low)
    effects = [gain - least for gain, least in zip(high, needed, strict=True)]
    p = paired_t_test(high, needed) if len(high) > 1 else 1.0
    return (
        f"{what.capitalize()} changes val_accuracy by {statistics.fmean(low):+.4f} at lr={rates[0]}, "
        f"by {statistics.fmean(high):+.4f} at lr={rates[-1]}. "
    ) + judged(f"{what} lets a network train at higher learning rates", effects, p)
