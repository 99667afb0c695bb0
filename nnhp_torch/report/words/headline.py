"""A sweep's finding as a headline, computed from its summary: the answer, and the doubt in it as large as the lead."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.spec.names import enumeration
from nnhp_torch.core.spec.protocols import Examples
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.units import chance
from nnhp_torch.core.stats.verdict import Verdict
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.curves import epochs_to, median_curve
from nnhp_torch.report.plotting.style import WIDE
from nnhp_torch.report.words.phrases import amount, count

FEW = 50  # optimizer steps of a trial, below which its end is still its beginning
ROOM = 80  # letters for the names of the others and what they are; if they need more, they are counted
LEVELS = (50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1)  # percent of error by which trainings are called fast or slow


def headline(summary: Summary) -> str:
    """Say what the sweep has found, in a sentence or two."""
    old = "By stale results: their source has changed since." * bool(summary.stale)
    return " ".join(filter(None, (_speed(summary), conclusion(summary), old)))


def conclusion(summary: Summary) -> str:
    """Say which cell is the best or ahead, and what the others are."""
    best, axes = summary.leader, " and ".join(name.replace("_", " ") for name in summary.sweep.axes)
    if best is None:
        return "Nothing to compare yet." if not summary.finished else "No cell has completed."
    if not summary.finished:
        return f"So far {_called(summary, best)} leads."
    if "changes nothing" in summary.why_no_winner:
        return f"{axes[:1].upper()}{axes[1:]} changes nothing here, to the last digit."
    if summary.why_no_winner:
        return "Even the best has learned nothing."
    called = _called(summary, best)
    lead = f"{called[:1].upper()}{called[1:]}" if called != best.label else called
    others = summary.others
    if summary.sweep.baseline is not None:
        return _against_baseline(summary)
    count = {kind: sum(verdict.kind == kind for verdict in others) for kind in ("worse", "as good", "undecided")}
    if not others:
        return f"{lead} is the only one that has completed."
    if count["as good"] == len(others):
        return f"It makes no difference that matters: {'both' if len(others) == 1 else 'all'} are as good."
    ties = sum(verdict.gap == 0 for verdict in others)
    if ties and not count["as good"]:
        return (
            f"{ties + 1} of {len(others) + 1} end with the same mean{', ahead of the others' * (ties < len(others))}."
        )
    if all(math.isnan(verdict.p) for verdict in others):
        return f"{lead} is ahead; {best.repeated} cannot tell whether by luck."
    if count["worse"] == len(others):
        completed = " that has completed" * (len(others) + 1 < len(summary.cells))
        return f"{lead} is the best: {'the' if len(others) == 1 else 'every'} other{completed} is worse."
    if count["undecided"] == len(others):
        return f"In the end no {axes if len(summary.sweep.axes) == 1 else 'cell'} can be told from the best."
    return f"{lead} is {'ahead' if count['undecided'] else 'the best'}: {_of_others(others)}."


def _of_others(others: Sequence[Verdict]) -> str:
    """Say which of the others may be the best and which are worse: by name if one axis is swept and they have room."""
    words = {
        "undecided": ("cannot be told from it", "cannot be told from it"),
        "as good": ("is as good", "are as good"),
        "worse": ("is worse", "are worse"),
    }
    groups = {kind: [verdict.cell for verdict in others if verdict.kind == kind] for kind in words}
    said = {kind: (cells, words[kind][len(cells) > 1]) for kind, cells in groups.items() if cells}
    named = "; ".join(f"{_listed(cells)} {verb}" for cells, verb in said.values())
    if len(others[0].cell.values) == 1 and len(named) <= ROOM:
        return named
    counted = (f"{len(cells)} {verb}" for cells, verb in said.values())
    return f"of the {len(others)} others, {' and '.join(counted)}"


def _listed(cells: Sequence[Cell]) -> str:
    """Name cells by their one value; what is called none, by its setting too."""
    names = (cell.label if "none" in cell.texts.values() else "".join(cell.texts.values()) for cell in cells)
    return enumeration(names, "and")


def _called(summary: Summary, cell: Cell) -> str:
    """The leader as a headline has room for it: its settings, or of many what it is the best of."""
    what = "trials" if summary.sweep.sampled else "cells"
    return cell.label if len(summary.sweep.axes) <= WIDE else f"the best of {len(summary.cells)} {what}"


def _against_baseline(summary: Summary) -> str:
    """Which cells are better than the baseline."""
    if summary.control is None:
        return "The baseline has not completed."
    better = [verdict.cell.label for verdict in summary.others if verdict.kind == "better"]
    than = f"better than {summary.control.label}"
    if len(better) == 1:
        return f"{better[0]} is {than}."
    if better:
        return f"{len(better)} of {len(summary.others)} are {than}."
    shown = " shown to be" if any(verdict.kind == "undecided" for verdict in summary.others) else ""
    return f"Nothing is{shown} {than}."


def numbers(summary: Summary) -> str:
    """Say in a line what the best reaches, and how far the others are behind."""
    best, monitor, objective = summary.leader, summary.sweep.monitor, summary.sweep.objective
    if best is None or (summary.finished and summary.why_no_winner):
        return f"No winner: {summary.why_no_winner}"
    axis = Axis.of_values(objective, (value for cell in summary.cells for value in cell.values_of(monitor)))
    test = best.mean(summary.test) if summary.test else math.nan
    compared = best if summary.finished else next(c for c in summary.compared if c.values == best.values)
    said = f"{best.label}: {axis.name} {axis.text(compared.mean(monitor), 3)}"
    said += f", test {axis.text(test, 3)}" if math.isfinite(test) else ""
    gaps = [] if summary.sweep.baseline is not None else [verdict.gap for verdict in summary.others]
    if not summary.finished:
        return f"{said}, by {compared.repeated} that all have; more are to come."
    if not gaps:
        return f"{said}."
    low, high = amount(min(gaps), objective), amount(max(gaps), objective)
    between = low if low == high else f"{low.removesuffix(' points')} to {high}"
    luck = all(verdict.kind in ("best", "undecided", "unranked") for verdict in summary.verdicts)
    doubt = f", which {best.repeated} cannot tell from luck" * luck
    if all(math.isnan(verdict.p) for verdict in summary.others):
        doubt = f"; how much of that is luck, {best.repeated} cannot tell"
    that = "" if len(gaps) + 1 == len(summary.cells) else " that completed"
    others = f"other{that} is" if len(gaps) == 1 else f"{len(gaps)} others{that} are" if that else "others are"
    return f"{said}. The {others} behind by {between}{doubt}."


def is_best(summary: Summary) -> bool:
    """Whether the leader is the winner, and no other cell may be better."""
    held = [verdict.kind for verdict in summary.others]
    return bool(summary.winner) and "undecided" not in held and bool(held or len(summary.cells) == 1)


def standing(summary: Summary, cell: Cell, axis: Axis) -> str:
    """Say of one cell where it ends and what the seeds allow to say of that."""
    mean = cell.mean(summary.sweep.monitor)
    if cell.trouble or not math.isfinite(mean):
        return cell.trouble or "no value"
    value, verdict = axis.text(mean, 3), summary.verdict(cell)
    if verdict.kind == "baseline":
        return f"{value} · the baseline"
    if cell is summary.leader and summary.sweep.baseline is None:
        return f"{value} · {'the best' if is_best(summary) else 'ahead'}"
    if verdict.kind == "unranked":
        return value
    where = "behind" if verdict.gap >= 0 else "ahead"
    behind = f"{value} · {where} by {amount(abs(verdict.gap), summary.sweep.objective)}"
    said = "cannot be told" if verdict.kind == "undecided" else verdict.kind
    if verdict.same:
        return f"{value} · the same to the last digit"
    return behind if math.isnan(verdict.p) else f"{behind}: {said}"


def steps(summary: Summary, cell: Cell) -> int | None:
    """How many optimizer steps an epoch of a cell has, if the configuration says how many examples it trains on."""
    return _steps(summary, next((result.config.get("batch_size") for result in cell.results), None))


def few_steps(summary: Summary) -> str:
    """Say that trials are too short for a ranking to mean much; empty if they are not, or nobody knows."""
    settings = [vars(trial.config) for trial in summary.trials]
    known = [(n, of.get("max_epochs", 1)) for of in settings if (n := _steps(summary, of.get("batch_size")))]
    each, epochs = min(known, key=math.prod, default=(FEW, 1))
    if each * epochs >= FEW:
        return ""
    few = f"A trial has {each * epochs} optimizer steps in all ({count(epochs, 'epoch')} of {each})"
    return f"{few}: so few rank how cells begin, not how they end. --max_epochs or a smaller batch gives more."


def _steps(summary: Summary, size: Any) -> int | None:
    examples = summary.sweep.base.examples if isinstance(summary.sweep.base, Examples) else None
    return math.ceil(examples / size) if isinstance(examples, int) and isinstance(size, int) and size > 0 else None


def level(summary: Summary) -> tuple[float, dict[int, int]] | None:
    """The least round error that every cell's median reaches, and each one's first epoch there."""
    monitor, cells = summary.sweep.monitor, summary.cells
    if not summary.sweep.objective.is_accuracy or len(cells) < 2:
        return None
    medians = [median_curve(cell.curves(monitor)) for cell in cells]
    reached = None
    for error in LEVELS:
        epochs = [epochs_to(curve, 1 - error / 100) for curve in medians]
        if any(many > len(curve) for many, curve in zip(epochs, medians, strict=True)):
            break
        reached = error, {id(cell): epoch for cell, epoch in zip(cells, epochs, strict=True)}
    return reached


def _speed(summary: Summary) -> str:
    """Whether the values of a single axis, in their order, order the epochs and the steps that a training needs.

    Between its two ends the seeds must tell the epochs apart.
    """
    found, axes = level(summary), list(summary.sweep.axes)
    values = [cell.values[axes[0]] for cell in summary.cells]
    if found is None or len(axes) > 1 or len(values) < 3 or not all(type(v) in (int, float) for v in values):
        return ""
    cells = sorted(summary.cells, key=lambda cell: cell.values[axes[0]])
    needed = [found[1][id(cell)] for cell in cells]
    if not (_rising(needed) or _rising(needed[::-1])) or max(needed) < 2 * min(needed):
        return ""
    least, most = (cells[0], cells[-1]) if needed[0] < needed[-1] else (cells[-1], cells[0])
    if not (least.ranked and most.ranked and least.trials == most.trials):
        return ""
    monitor = summary.sweep.monitor
    fewer, more = ([epochs_to(r.curve(monitor), 1 - found[0] / 100) for r in c.completed] for c in (least, most))
    if not chance(more, fewer, least) < LEVEL:  # NaN of one seed
        return ""
    which, name = "Small" if _rising(needed) else "Large", axes[0].replace("_", " ")
    said = f"{which} {name}{'es' if name.endswith(('s', 'x', 'ch')) else 's'} need fewer epochs"
    each = [steps(summary, cell) for cell in cells]
    if None in each or len(set(each)) == 1:
        return f"{said}."
    taken = [epochs * (count or 0) for epochs, count in zip(needed, each, strict=True)]
    also = taken[0] < taken[-1] if which == "Small" else taken[-1] < taken[0]
    return f"{said}{' and fewer steps' if also else ', not fewer steps'}."


def _rising(numbers: Sequence[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(numbers))
