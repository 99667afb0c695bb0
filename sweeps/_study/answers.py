"""Verdicts on what is said of a hyperparameter, each computed from the cells of its sweep; empty if they lack it."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from nnhp_torch import Cell, Sweep
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.stats.pairs import holm
from nnhp_torch.core.stats.units import chance
from nnhp_torch.core.stats.verdict import verdicts
from sweeps._base import FINAL
from sweeps._study.judged import corrected_for, judged, judged_count, judged_each, least_of_all

POOR = 0.6  # a val_accuracy at which a network has learned little
FALL = 0.001  # what counts as a fall of val_accuracy from one epoch to the next,
SETTLED = 10  # after so many epochs
SCORED = "trained_accuracy"  # of the training images with the final weights, as val_accuracy is; older ledgers lack it


def regularizes(what: str, cells: Sequence[Cell], *, running: bool = False) -> str:
    """Whether more of something does what is said of a regularizer: it narrows the gap, and helps on images not seen.

    Args:
        what: its name.
        cells: from the least of it to the most.
        running: whether a running mean may do for the accuracy of training.
    """
    return "\n".join(filter(None, (narrows(what, cells, running=running), helps(what, cells))))


def narrows(what: str, cells: Sequence[Cell], *, running: bool = False) -> str:
    """Whether training is less far above validation with more of it.

    Empty if only a running mean knows training, unless that may do, because training has no noise of its own.
    """
    least, *more = cells
    training = training_accuracy(cells)
    if not more or not all(cell.ranked for cell in cells) or not (running or training == SCORED):
        return ""
    gaps = {_amount(cell): gaps_of(cell, training) for cell in cells}
    which = ("", ", both with the final weights") if training == SCORED else (" (running mean)", "")
    number = f"training accuracy{which[0]} minus validation accuracy{which[1]}, in points: {_listed(gaps)}"
    if statistics.fmean(gaps[_amount(least)]) <= 0:
        there = f"At {least.label}" if any(least.values.values()) else f"Without {what}"
        number += f". {there} training does not score above validation: there is no overfitting to prevent"
    compared = {name: (gaps[_amount(least)], gap) for name, gap in gaps.items() if name != _amount(least)}
    return judged_each(f"Does {what} narrow the gap between training and validation?", number, compared, least)


def helps(what: str, cells: Sequence[Cell]) -> str:
    """Whether more of it is better on images not seen, by the verdict of the sweep's table."""
    least, *more = cells
    more = [cell for cell in more if cell.ranked]
    if not more or not least.ranked:
        return ""
    before, best = least.values_of("val_accuracy"), max(more, key=lambda cell: cell.mean("val_accuracy"))
    picked = f", the best of {len(more)}" if len(more) > 1 else ""
    tested = best.mean("test_accuracy") - least.mean("test_accuracy")
    test = f" ({100 * tested:+.2f} on the test images)" if math.isfinite(tested) else ""
    after = best.values_of("val_accuracy")
    number = f"{difference(before, after)} of validation accuracy from {least.label} to {best.label}{picked}{test}"
    grid = {axis: [cell.values[axis] for cell in cells] for axis in least.values}
    found = verdicts(cells, Sweep("table", FINAL, grid, build="its"))
    behind = next(v for v in found if v.cell is (best if found[0].kind == "best" else least))
    p = 1.0 if behind.kind == "as good" else behind.p
    question, by = f"Does {what} help on images not seen?", corrected_for(more)
    return judged(question, number, after, before=before, cell=best, p=p, corrected=by)


def _amount(cell: Cell) -> str:
    """How much of its one hyperparameter a cell has."""
    (text,) = cell.texts.values()
    return text


def gaps_of(cell: Cell, training: str) -> list[float]:
    """How far training is above validation in the end, of each of a cell's runs."""
    return [t - v for t, v in zip(cell.values_of(training), cell.values_of("val_accuracy"), strict=True)]


def _listed(gaps: Mapping[str, Sequence[float]]) -> str:
    return ", ".join(f"{100 * statistics.fmean(gap):.2f} at {name}" for name, gap in gaps.items())


def training_accuracy(cells: Sequence[Cell]) -> str:
    """The metric to hold against val_accuracy: scored at the end as that is, or else the last epoch's running mean."""
    scored = all(math.isfinite(value) for cell in cells for value in cell.values_of(SCORED))
    return SCORED if scored else "train_accuracy"


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
            after, diverged = accuracy[rate, True], cell.troubles["diverged"]
            number = (
                f"at lr={rate:g}, {diverged} of {cell.trials} runs diverge without it and 0 of {len(after)} with it, "
            )
            number += f"which end with an error of {error(after)}"
            if statistics.fmean(after) < POOR:
                return f"{question} No: {number}, which is no training either."
            return judged_count(question, number, diverged, len(after), cell)
    if len(rates) < 2:
        return ""
    changes = [(accuracy[lr, False], accuracy[lr, True]) for lr in (rates[0], rates[-1])]
    low, high = ([on - off for off, on in zip(*change, strict=True)] for change in changes)
    # It must gain at the higher rate, and more than it does at the lower one.
    needed = low if statistics.fmean(low) > 0 else [0.0] * len(low)
    without, reached = map(statistics.fmean, changes[1])
    number = f"{difference(*changes[0])} of validation accuracy at lr={rates[0]:g}, {difference(*changes[1])} at "
    number += f"lr={rates[-1]:g} (an error of {error([without])} without, {error([reached])} with it)"
    return judged(question, number, high, before=needed, cell=cells[0])


def error(accuracies: Sequence[float]) -> str:
    """Return the mean error, in percent, with as many digits as the pictures have."""
    percent = 100 * (1 - statistics.fmean(accuracies))
    return f"{percent:.1f}%" if percent >= 9.95 else f"{percent:#.3g}%"


def difference(before: Sequence[float], after: Sequence[float]) -> str:
    """Return how far the mean of an accuracy has moved, in points."""
    return f"{100 * (statistics.fmean(after) - statistics.fmean(before)):+.2f} points"


def overfits(cells: Sequence[Cell]) -> str:
    """Whether validation falls while training rises, over the last quarter of the epochs, in any cell."""
    cells = [cell for cell in cells if cell.ranked and cell.mean_epochs > SETTLED]
    if not cells:
        return ""
    falls = {id(cell): [_late_change(result, "val_accuracy") for result in cell.completed] for cell in cells}
    most = min(cells, key=lambda cell: statistics.fmean(falls[id(cell)]))
    down = [-change for change in falls[id(most)]]
    up = statistics.fmean(_late_change(result, "train_accuracy") for result in most.completed)
    falling = sum(statistics.fmean(changes) < 0 for changes in falls.values())
    how = f"falls in {falling} of {len(cells)} cells, most" if falling else f"rises in all {len(cells)} cells, least"
    number = (
        f"over the last quarter of the epochs validation accuracy {how} in {most.label}: by "
        f"{100 * abs(statistics.fmean(down)):.2f} points, where training accuracy (running mean) "
        f"{'rises' if up > 0 else 'falls'} by {100 * abs(up):.2f}"
    )
    no_fall, question = [0.0] * len(down), "Does validation fall while training rises?"
    p_values = [chance(changes, no_fall, most) for changes in falls.values()]
    if falling == 0 and max(p_values) < LEVEL:  # it rises in each: no correction, because all must do so
        tested = f"({most.repeated}, paired t-tests, each p below {max(p_values):.2g})"
        return f"{question} No: {number}.\n{tested}"
    p = dict(zip(falls, holm(p_values), strict=True))[id(most)]
    return judged(question, number, down, before=no_fall, cell=most, p=p, corrected=corrected_for(cells))


def _late_change(result: TrialResult, metric: str) -> float:
    """Return how a metric changes over the last quarter of the epochs; each end is a mean over a twentieth of them."""
    curve = result.curve(metric)
    few = max(1, len(curve) // 20)
    start = 3 * len(curve) // 4
    return statistics.fmean(curve[-few:]) - statistics.fmean(curve[start - few // 2 :][:few])


def smoothest(cells: Sequence[Cell]) -> str:
    """Whether those cells that fall least often from one epoch to the next do so less than each other one.

    Cells that fall as seldom are smoothest together.
    """
    cells = [cell for cell in cells if cell.ranked and cell.mean_epochs > SETTLED]
    if len(cells) < 2:
        return ""
    falls = {id(cell): [falls_of(result) for result in cell.completed] for cell in cells}
    ordered = sorted(cells, key=lambda cell: statistics.fmean(falls[id(cell)]))
    best = [cell for cell in ordered if falls[id(cell)] == falls[id(ordered[0])]]
    others = [falls[id(cell)] for cell in ordered[len(best) :]]
    if not others:
        return ""
    listed = ", ".join(
        f"{cell.label} {statistics.fmean(falls[id(cell)]):.1f} (final error {error(cell.values_of('val_accuracy'))})"
        for cell in ordered
    )
    ends = {id(cell): cell.mean("val_accuracy") for cell in cells}
    highest = max(cells, key=lambda cell: ends[id(cell)])
    if max(ends[id(cell)] for cell in best) < min(ends[id(cell)] for cell in ordered[len(best) :]):
        behind = (f"{cell.label} by {100 * (ends[id(highest)] - ends[id(cell)]):.1f} points" for cell in best)
        listed += f". But what is smoothest learns least, and ends behind {highest.label}: {', '.join(behind)}"
    fell = f"falls of validation accuracy by more than {100 * FALL:.1f} points, per run, after epoch {SETTLED}"
    question = "Do they differ in how smoothly they train?"
    return least_of_all(question, f"{fell}: {listed}", best[0], falls[id(best[0])], others)


def settles_and_arrives(cells: Sequence[Cell]) -> str:
    """Whether validation falls more often at the highest rate than at the best, and still rises more at the lowest."""
    cells = sorted((c for c in cells if c.ranked and c.mean_epochs > SETTLED), key=lambda cell: cell.values["lr"])
    if len(cells) < 2:
        return ""
    best = max(cells, key=lambda cell: cell.mean("val_accuracy"))
    said = []
    if (high := cells[-1]) is not best:
        falls, of_best = ([falls_of(result) for result in cell.completed] for cell in (high, best))
        ends = high.values_of("val_accuracy")
        each = ", ".join(error([end]) for end in sorted(ends, reverse=True))
        number = (
            f"validation accuracy falls in {statistics.fmean(falls):.1f} of the {high.mean_epochs - SETTLED:.0f} "
            f"epochs after epoch {SETTLED}, with the best ({best.label}) in {statistics.fmean(of_best):.1f}; the "
            f"error in the end is {error(ends)}, by seed {each}"
        )
        said.append(judged(f"Does {high.label} fail to settle?", number, falls, before=of_best, cell=high))
    if (low := cells[0]) is not best:
        late, of_best = ([_late_change(result, "val_accuracy") for result in cell.completed] for cell in (low, best))
        rises = [f"{100 * statistics.fmean(changes):+.2f} points" for changes in (late, of_best)]
        number = (
            f"over the last quarter of the epochs validation accuracy changes by {rises[0]}, with the best "
            f"({best.label}) by {rises[1]}; the error in the end is {error(low.values_of('val_accuracy'))}"
        )
        said.append(judged(f"Is {low.label} still improving in the end?", number, late, before=of_best, cell=low))
    return "\n".join(said)


def falls_of(result: TrialResult) -> float:
    """In how many epochs, once it has settled, the validation of a run falls."""
    late = itertools.pairwise(result.curve("val_accuracy")[SETTLED - 1 :])
    return float(sum(before - after > FALL for before, after in late))


def widens(cells: Sequence[Cell]) -> str:
    """Whether more nodes, and more layers, train further, and whether they open the gap to validation.

    Each is averaged over the values of the other, so that a run's number counts once for either.
    """
    if not cells or not all(cell.ranked for cell in cells):
        return ""
    training = training_accuracy(cells)
    running = "" if training == SCORED else " (running mean)"
    asked: dict[str, tuple[str, Callable[[Cell], list[float]]]] = {
        "Do more nodes, and more layers, represent more?": (
            f"training accuracy{running}",
            lambda cell: cell.values_of(training),
        ),
        "Is the gap between training and validation wider with more of them?": (
            f"training accuracy{running} minus validation accuracy, in points",
            lambda cell: gaps_of(cell, training),
        ),
    }
    return "\n".join(filter(None, (_by_each(question, *of, cells) for question, of in asked.items())))


def _by_each(question: str, what: str, of: Callable[[Cell], list[float]], cells: Sequence[Cell]) -> str:
    """Whether a number of each run is larger with the most nodes than with the fewest, and so with layers."""
    listed, compared = [], {}
    for axis, name in (("n_nodes", "nodes"), ("n_layers", "layers")):
        means = {
            value: [statistics.fmean(of_seed) for of_seed in zip(*map(of, alike), strict=True)]
            for value in sorted({cell.values[axis] for cell in cells})
            if (alike := [cell for cell in cells if cell.values[axis] == value])
        }
        if len(means) > 1:
            least, *_, most = means.values()
            compared[name] = (most, least)
            numbers = ", ".join(f"{100 * statistics.fmean(values):.2f}" for values in means.values())
            listed.append(f"{numbers} with {', '.join(map(str, means))} {name}")
    return judged_each(question, f"{what}: {'; '.join(listed)}", compared, cells[0]) if compared else ""


def small_batches_regularize(cells: Sequence[Cell]) -> str:
    """Whether a smaller batch does what is said of a regularizer."""
    cells = sorted((cell for cell in cells if cell.ranked), key=lambda cell: -cell.values["batch_size"])
    return regularizes("a smaller batch", cells, running=True) if len(cells) > 1 else ""


def noise_of(result: TrialResult) -> float:
    """How far a batch's gradient is from that of all images, in its lengths: at the weights that all begin with."""
    return result.curve("gradient_noise")[0]


def small_batches_are_noisy(cells: Sequence[Cell]) -> str:
    """Whether the gradient of the smallest batch is further from that of all images than the largest one's."""
    cells = sorted((cell for cell in cells if cell.ranked), key=lambda cell: cell.values["batch_size"])
    if len(cells) < 2:
        return ""
    noise = [[noise_of(result) for result in cell.completed] for cell in cells]
    found = ", ".join(f"{100 * statistics.fmean(of):.0f}%" for of in noise)
    number = (
        f"a batch's gradient is off that of all images by {found} of its length at {', '.join(map(_amount, cells))}, "
        "at the first step, when all have the same weights"
    )
    return judged("Are small batches noisy?", number, noise[0], before=noise[-1], cell=cells[0])


def makes_sparse(cells: Sequence[Cell]) -> str:
    """Whether a higher price on activity makes more units silent, by its kind."""
    shares = {
        kind: {
            cell.values["activity_reg"]: cell.values_of("val_sparsity")
            for cell in cells
            if cell.ranked and cell.values["activity_reg_type"] == kind
        }
        for kind in ("l1", "l2")
    }
    found = {kind: [*of.values()] for kind, of in shares.items() if len(of) > 1}
    if not found:
        return ""
    listed = [f"{kind} {', '.join(f'{statistics.fmean(values):.2f}' for values in of)}" for kind, of in found.items()]
    strengths = ", ".join(f"{strength:g}" for strength in next(iter(shares.values())))
    number = f"the share of zeros at {strengths}: {'; '.join(listed)}"
    compared = {kind: (most, none) for kind, (none, *_, most) in found.items()}
    return judged_each("Does a price on activity make it sparse?", number, compared, cells[0])
