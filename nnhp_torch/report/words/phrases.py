"""What is said of a sweep in words, apart from the answer to its question."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.spec.protocols import InWords
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.steadiness import Jumps
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.units import Sources
from nnhp_torch.core.stats.verdict import CONTROL, Verdict, units_of


def amount(difference: float, objective: Objective) -> str:
    """A difference as people say it: `1.2 points` of an accuracy, else in the metric's own unit."""
    return f"{100 * difference:.2f} points" if objective.is_accuracy else f"{difference:.4g}"


def interval(verdict: Verdict, objective: Objective, *, ahead: bool = False) -> str:
    """How far a cell is behind, and from what to what if that is known: `0.52 (0.10 to 0.94)`, of points.

    Args:
        ahead: say how far it is ahead instead.
    """
    ends = [verdict.gap, verdict.low, verdict.high]
    ends = [0.0 - ends[0], 0.0 - ends[2], 0.0 - ends[1]] if ahead else ends
    if math.isnan(verdict.p):
        return amount(ends[0], objective).removesuffix(" points")
    gap, low, high = _alike(ends, objective)
    if math.inf == verdict.high == -verdict.low:
        return f"{gap} (how far is not known)"
    than, end = ("more", low) if (verdict.kind == "worse") is not ahead else ("less", high)
    if verdict.kind in ("worse", "better") and (not verdict.bounded or not any(map(int, filter(str.isdigit, end)))):
        return f"{gap} ({than} than 0)"  # of some cells told apart no more is known; and none begins at 0.00
    return f"{gap} ({low} to {high})"


def _alike(ends: Sequence[float], objective: Objective) -> list[str]:
    """Differences with as many decimals as the first one needs for the digits that it is said with."""
    if objective.is_accuracy:
        return [f"{100 * end:.2f}" for end in ends]
    decimals = 3 - math.floor(math.log10(abs(ends[0]))) if ends[0] and math.isfinite(ends[0]) else 4
    return [f"{end:.{max(0, decimals)}f}" if decimals < 10 else f"{end:.4g}" for end in ends]


def lead(summary: Summary) -> tuple[str, str, str]:
    """Who has won, or leads so far: the beginning of the sentence, the cell's name, the rest."""
    best, monitor = summary.leader, summary.sweep.monitor
    if best is None or (summary.finished and summary.why_no_winner):
        return f"No winner: {summary.why_no_winner}", "", ""
    old = ", by stale results" * bool(summary.stale)
    if not summary.finished:
        compared = next(c for c in summary.compared if c.values == best.values)
        value = f" leads, with {monitor}={compared.text(monitor)} {_in_common(summary, compared)}"
        return f"So far{old and f'{old},'} ", best.label, value
    of_best = summary.sweep.baseline is None
    equals = [v.cell.label for v in summary.verdicts if v.cell is best or (of_best and v.gap == 0)]
    test = best.text(summary.test)
    beside = f" (test {test})" if test and len(equals) == 1 else ""
    value = f" with {monitor}={best.text(monitor)}{beside}{', of an earlier call' * best.earlier}"
    return f"Winner{old}: " if of_best else f"The best mean{old}: ", " and ".join(equals), value


def _in_common(summary: Summary, best: Cell) -> str:
    """The trials that the leader of an unfinished sweep was compared by."""
    begun = sum(bool(cell.ended) for cell in summary.cells)
    of = "all" if begun == len(summary.cells) else f"{begun} of {len(summary.cells)}"
    return f"by {best.repeated} that {of} cells have: more are to come."


def sources(summary: Summary) -> dict[str, list[str]]:
    """Column → its values, of the table of the sources of variance; empty without several cells, folds and seeds."""
    ranked = [verdict for verdict in summary.verdicts if verdict.kind != "unranked"]
    best = next((verdict for verdict in ranked if verdict.kind in CONTROL), None)
    units = best and units_of([verdict.cell for verdict in ranked], summary.sweep, best.cell)
    found = units and Sources.of(units)
    if not units or not found:
        return {}

    def said(difference: float) -> str:
        return amount(difference, summary.sweep.objective)

    known = f"a difference of two cells has a standard error of {said(found.error())}, with one more"
    return {
        f"source of variance ({units.names})": ["cells", "folds", "cell × fold", "seeds"],
        "standard deviation": [*map(said, (found.cell, found.fold, found.both, found.seed))],
        "what to add next": [
            "nothing: it is what is asked about",
            "nothing: it is the same for all cells, which are paired",
            f"folds: {known} {said(found.error(more_folds=1))}",
            f"seeds: with one more {said(found.error(more_seeds=1))}. {found.advice}",
        ],
    }


def spent(summary: Summary) -> str:
    """The trials that a race has cost once it has ended, beside those of all seeds; empty of any other sweep."""
    most = summary.sweep.max_seeds
    if most is None or not summary.finished:
        return ""
    trials, every = len(summary.trials), sum(most * cell.trials_per_seed for cell in summary.cells)
    return f"Seeds where they decide: {trials} trials; {most} seeds of every cell would have been {every}."


def of_jumps(jumps: Jumps, objective: Objective) -> str:
    """The caveat about a training that jumps: mean and standard deviation say little of it."""
    failed = f" far behind the rest: {jumps.failed} of {jumps.cell.trials} trials;" if jumps.failed else ""
    return (
        f"{jumps.cell.label} jumps: median {jumps.median:.4f} ({jumps.low:.4f} to {jumps.high:.4f});{failed} "
        f"from one epoch to the next it gets worse by up to {amount(jumps.fall, objective)}, late in the training."
    )


def same_in_words(summary: Summary) -> str:
    """The settings that are the same in all cells: as the configuration's `in_words` says them if it has that."""
    base, same = summary.sweep.base, summary.in_use
    if isinstance(base, InWords):
        return base.in_words(without=vars(base).keys() - same.keys())
    return ", ".join(f"{name}={value}" for name, value in same.items())


def in_the_end(summary: Summary) -> str:
    """Say of which weights a trial's value is: kept may be those of its best epoch; runs made elsewhere do not tell."""
    if summary.sweep.elsewhere:
        return "in the end"
    restored = any(result.restored for result in summary.shown)
    return "with the weights that were kept" if restored else "with the final weights"


def why_undrawn(summary: Summary) -> str:
    """Why there is no figure; empty if there is one."""
    why = "the table has no curves" if summary.sweep.elsewhere else "no trial has finished an epoch"
    return "" if any(result.history for result in summary.shown) else f"none, because {why}"


def duration(seconds: float) -> str:
    """Seconds as people say them: `48 s`, `7 min 41 s`, `3 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def up_to(outcome: Outcome) -> str:
    """The words before the number of trials that are left, if a race may end before."""
    return "up to " if outcome.unchosen and outcome.sweep.max_seeds is not None else ""


def count(number: int, noun: str) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
