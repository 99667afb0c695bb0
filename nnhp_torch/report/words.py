"""A sweep's verdicts in words: the answer first, then the numbers, then the test."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.spec.plan import Plan
from nnhp_torch.core.stats.interim import looks
from nnhp_torch.core.stats.significance import LEVEL
from nnhp_torch.core.stats.steadiness import Jumps, counting_error, learned_nothing, one_seed_moves
from nnhp_torch.core.stats.summary import Cell, shared
from nnhp_torch.core.stats.verdict import Verdict

NAMED = 4  # cells that a line names; more are counted


def amount(difference: float, objective: Objective) -> str:
    """A difference as people say it: `1.2 points` of an accuracy, else in the metric's own unit."""
    return f"{100 * difference:.2f} points" if objective.is_accuracy else f"{difference:.4g}"


def interval(verdict: Verdict, objective: Objective) -> str:
    """How far a cell is behind the best, and from what to what that may be: `0.52 (0.10 to 0.94)`, of points."""
    gap, low, high = (
        amount(value, objective).removesuffix(" points") for value in (verdict.gap, verdict.low, verdict.high)
    )
    return f"{gap} ({low} to {high})"


def _by(verdict: Verdict, objective: Objective) -> str:
    """The same in a sentence: `0.52 points (0.10 to 0.94)`."""
    gap, between = interval(verdict, objective).split(" ", 1)
    return f"{gap} points {between}" if objective.is_accuracy else f"{gap} {between}"


def why_no_winner(sweep: Plan, found: Sequence[Verdict]) -> str:
    """Why the best cell is not called the winner; empty if it is."""
    best = next((verdict for verdict in found if verdict.kind == "best"), None)
    if best is None:
        return "no cell has completed with all its seeds."
    if len(found) > 1 and all(verdict.same for verdict in found):
        return f"the same in all {len(found)}, to the last digit: {', '.join(sweep.axes)} changes nothing here."
    if learned_nothing(best.cell, sweep.objective):
        return f"even the best, {best.cell.label}, learned nothing: it ends no better than after its first epoch."
    return ""


def answer(sweep: Plan, found: Sequence[Verdict], known: Iterable[TrialResult] = ()) -> str:
    """Whether the best is the best: yes, no or cannot be told; each verdict's cells; how that was tested.

    Args:
        known: all that the ledger has, which tells by how much one seed moves.
    """
    best = next((verdict for verdict in found if verdict.kind == "best"), None)
    others = [verdict for verdict in found if verdict.kind not in ("best", "unranked")]
    if best is None or not others or why_no_winner(sweep, found):
        return ""
    if best.seeds < 2:
        return _of_one_seed(sweep, best, others, known=known)
    kinds = {kind: [v for v in others if v.kind == kind] for kind in ("worse", "as good", "undecided")}
    lines = [f"Is it the best? {_answer(sweep, best, others, kinds=kinds)}"]
    if kinds["worse"] and len(kinds["worse"]) < len(others):
        lines.append(f"Worse: {_named(kinds['worse'], sweep.objective)}.")
    return "\n".join([*lines, _test(sweep, best, others)])


def _of_one_seed(sweep: Plan, best: Verdict, others: Sequence[Verdict], *, known: Iterable[TrialResult]) -> str:
    """How far it leads, how far one seed is known to move, and the command that decides."""
    objective, metric = sweep.objective, sweep.monitor
    nearest = min(others, key=lambda verdict: verdict.gap)
    moves = one_seed_moves([verdict.cell for verdict in (best, *others)], known, metric)
    count, error = counting_error(best.cell, metric)
    noise = "A seed moves such values by more than one would think."
    if math.isfinite(moves):
        noise = f"One seed moves a cell by {amount(moves, objective)} (standard deviation, from the ledger)."
    elif objective.is_accuracy and count:
        noise = f"{count} examples alone leave a doubt of {amount(error, objective)} (standard error)."
    lead = f"ahead of {nearest.cell.label} by {amount(nearest.gap, objective)}"
    if not nearest.gap:
        lead = f"equal to {'; '.join(verdict.cell.label for verdict in others if not verdict.gap)}"
    more = "--seeds 5 decides more."
    if sweep.drawn:
        more = "Part of its lead is luck: --confirm 5 runs the best five on other seeds."
    return f"Is it the best? Cannot be told from one seed: {lead}.\n{noise} {more}"


def _answer(sweep: Plan, best: Verdict, others: Sequence[Verdict], *, kinds: dict[str, list[Verdict]]) -> str:
    objective, undecided = sweep.objective, kinds["undecided"]
    if len(kinds["worse"]) == len(others):
        nearest = min(others, key=lambda verdict: verdict.gap)
        return f"Yes: every other cell is worse, the next by {_by(nearest, objective)}."
    equals = f"As good: {_named(kinds['as good'], objective)}. " if kinds["as good"] else ""
    if not undecided:
        return f"No. {equals.strip()}"
    what = _named(undecided, objective)
    if not any(verdict.gap for verdict in others):
        return "Cannot be told: all of them end with the same mean, on different curves."
    if len(undecided) == len(others):
        largest = amount(max(verdict.gap for verdict in others), objective)
        what = f"any other cell: {best.cell.repeated} are too few for {largest}, the largest difference"
    return f"{equals}Cannot be told from {what}. {_more(sweep, undecided)}"


def _more(sweep: Plan, undecided: Sequence[Verdict]) -> str:
    """How many more seeds would decide."""
    needed = [verdict.more for verdict in undecided]
    if None in needed:
        return "More seeds than anybody would run are needed to decide all of that."
    a_seed = undecided[0].cell.a_seed
    most = max(math.ceil(number / a_seed) for number in needed if number is not None)
    seeds = "1 more seed" if most == 1 else f"{most} more seeds"
    in_all = max(verdict.seeds + (verdict.more or 0) for verdict in undecided) / a_seed
    flag = f"--seeds {'auto --max_seeds ' if sweep.max_seeds else ''}{math.ceil(in_all)}"
    return f"About {seeds} would decide ({flag})."


def _named(found: Sequence[Verdict], objective: Objective) -> str:
    """The cells with their intervals, the nearest to the best first; the number of those that are too many to name."""
    nearest = sorted(found, key=lambda verdict: verdict.gap)
    if len(nearest) > NAMED:
        return f"{len(nearest)} cells, the next by {_by(nearest[0], objective)}"
    return "; ".join(f"{verdict.cell.label}{_told(verdict, objective)}" for verdict in nearest)


def _told(verdict: Verdict, objective: Objective) -> str:
    if verdict.same:
        return ", the same to the last digit"
    always = verdict.kind == "undecided" and verdict.behind == verdict.seeds
    return f" by {_by(verdict, objective)}{', although behind in every trial' if always else ''}"


def _test(sweep: Plan, best: Verdict, others: Sequence[Verdict]) -> str:
    matters = sweep.smallest_difference
    within = "no smallest difference that matters is given (--matters): no cell is called as good"
    if matters is not None:
        within = f"as good means within {amount(matters, sweep.objective)} (--matters {matters:g})"
    picked = f"corrected for picking the best of {len(others) + 1}, {LEVEL:.0%} level"
    seeds = best.cell.repeated
    if sweep.max_seeds is not None:
        seeds = f"up to {seeds} where they decide"
        picked += f" over {len(looks(sweep.max_seeds))} looks"
    return f"({seeds}, paired, {picked}; {within})"


def spent(outcome: Outcome, gathered: Sequence[Cell]) -> str:
    """The trials that a race has cost once it has ended, beside those of all seeds; empty of any other sweep."""
    most = outcome.sweep.max_seeds
    if most is None or outcome.left:
        return ""
    every = sum(most * cell.a_seed for cell in gathered)
    return (
        f"Seeds where they decide: {len(outcome.ordered)} trials; {most} seeds of every cell would have been {every}."
    )


def claim(sweep: Plan, gathered: Sequence[Cell]) -> str:
    """The sweep's own claim about the cells that were asked for, once all have completed or diverged.

    Of a race by the seeds that all cells have.
    """
    gathered = [cell for cell in gathered if not cell.earlier]
    if sweep.max_seeds is not None:
        common = min((cell.trials for cell in gathered), default=0)
        gathered = [cell.first(common) for cell in gathered]
    ended = all(cell.ranked or set(cell.troubles) <= {"diverged"} for cell in gathered)
    return sweep.verdict(gathered) if sweep.verdict is not None and ended else ""


def of_jumps(jumps: Jumps, objective: Objective) -> str:
    """The caveat about a training that jumps, of which mean and standard deviation say little."""
    failed = f" far behind the rest: {jumps.failed} of {jumps.cell.trials} trials;" if jumps.failed else ""
    return (
        f"{jumps.cell.label} jumps: median {jumps.median:.4f} ({jumps.low:.4f} to {jumps.high:.4f});{failed} "
        f"from one epoch to the next it falls by up to {amount(jumps.fall, objective)}, late in the training."
    )


def same_in_words(sweep: Plan, gathered: Sequence[Cell]) -> str:
    """The settings that are the same in all cells: as the configuration's `in_words` says them if it has that."""
    same = shared(sweep, gathered)
    if (in_words := getattr(sweep.base, "in_words", None)) is not None:
        return str(in_words(without=vars(sweep.base).keys() - same.keys()))
    return ", ".join(f"{name}={value}" for name, value in same.items())


def why_undrawn(gathered: Sequence[Cell]) -> str:
    """Why there is no figure of these cells; empty if there is one."""
    if not any(result.history for cell in gathered for result in cell.results):
        return "none, because no trial has finished an epoch"
    return ""
