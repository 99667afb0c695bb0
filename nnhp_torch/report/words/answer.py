"""The answer to a sweep's question, and how it was tested: is it the best, is any better, is a proposal kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.interim import A_LOOK, CHANCE, LEVEL, MOST
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.spec.objective import Objective
from nnhp_torch.core.stats.against_best import FEWEST
from nnhp_torch.core.stats.proposals import HOPE, Proposal, left_after
from nnhp_torch.core.stats.steadiness import one_seed_moves
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.core.stats.verdict import CONTROL, Kind, Verdict, judge_of, looked, most_seeds, units_of
from nnhp_torch.report.words.phrases import amount, interval

Kinds = Mapping[str, Sequence[Verdict]]
NAMED = 4  # cells that a line names; more are counted


def _by(verdict: Verdict, objective: Objective, *, ahead: bool = False) -> str:
    """The same in a sentence: `0.52 points (0.10 to 0.94)`."""
    gap, between = interval(verdict, objective, ahead=ahead).split(" ", 1)
    return f"{gap} points {between}" if objective.is_accuracy else f"{gap} {between}"


def answer(summary: Summary) -> str:
    """Whether the best is the best: yes, no or cannot be told; each verdict's cells; how that was tested."""
    sweep, others = summary.sweep, summary.others
    if sweep.baseline is not None and summary.control is None and summary.finished:
        return f"Nothing was compared: the baseline, {label(sweep.baseline)}, has not completed with all its seeds."
    if not others or summary.why_no_winner:
        return ""
    first = next(verdict for verdict in summary.verdicts if verdict.kind in CONTROL)
    if sweep.proposal is not None:
        return _of_proposal(sweep, others, sweep.proposal)
    few = all(math.isnan(verdict.p) for verdict in others)
    if few and first.kind == "baseline":
        few_seeds = f"{_repeated(sweep, first)} {'is' if first.seeds == 1 else 'are'} too few for any test"
        return f"{_any_better(first)} Cannot be told: {few_seeds}.\n{_five(sweep)}"
    if few:
        return _of_few(sweep, first, others, known=summary.known.values())
    kinds: Kinds = {kind: [v for v in others if v.kind == kind] for kind in get_args(Kind)}
    if first.kind == "baseline":
        left = [f"Not compared: {v.cell.label} ({v.cell.trouble})." for v in summary.verdicts if v.kind == "unranked"]
        return "\n".join([*_against_baseline(sweep, first, kinds), *left, f"({_how(sweep, first, others)})"])
    old = "By stale results. " * bool(summary.stale)
    lines = [f"Is it the best? {old}{_answer(sweep, first, others, kinds=kinds)}"]
    if kinds["worse"] and len(kinds["worse"]) < len(others):
        lines.append(f"Worse: {_named(kinds['worse'], sweep.objective)}.")
    return "\n".join([*lines, *of_luck(summary), f"({_how(sweep, first, others)})"])


def _against_baseline(sweep: SweepBase, baseline: Verdict, kinds: Kinds) -> list[str]:
    """Whether any cell is better than the baseline, and a line for each other verdict."""
    better, undecided = kinds["better"], kinds["undecided"]
    said = "Cannot be told yet" if undecided else "No"
    if better:
        others = sum(map(len, kinds.values()))
        said = f"Yes: {len(better)} of {others}, {_named(better, sweep.objective, ahead=True)}"
    lines = [f"{_any_better(baseline)} {said}."]
    for kind in ("as good", "worse", "undecided"):
        if kinds[kind]:
            named = _named(kinds[kind], sweep.objective, ahead=kind != "worse")
            lines.append(f"{kind.capitalize()}: {named}.")
    return [*lines, _more(sweep, undecided)] if undecided else lines


def _of_proposal(sweep: SweepBase, others: Sequence[Verdict], proposal: Proposal) -> str:
    """Whether a proposal is kept, and what is left of the 5% for those that follow."""
    better = [verdict for verdict in others if verdict.kind == "better"]
    seeds = max(verdict.seeds for verdict in others)
    said = f"Kept: {_named(better, sweep.objective, ahead=True)}"
    if not better:
        given_up = seeds < (sweep.max_seeds or 0)
        said = f"Not kept, after {'1 seed' if seeds == 1 else f'{seeds} seeds'}"
        said += f": the chance that more would show it better is below {HOPE:.0%}" if given_up else ""
    return (
        f"{said}.\n(proposal {proposal.number} of {proposal.ledger}: one-sided paired t-test at a level of "
        f"{proposal.level:.2g}, its share by online fallback of {LEVEL:.0%} for all proposals; "
        f"{left_after(proposal.number):.2%} is left for those to come)"
    )


def _any_better(baseline: Verdict) -> str:
    return f"Is any better than the baseline, {baseline.cell.label}?"


def _of_few(sweep: SweepBase, best: Verdict, others: Sequence[Verdict], *, known: Iterable[TrialResult]) -> str:
    """How far it leads, how far one seed is known to move such a lead, and the command that decides."""
    nearest = min(others, key=lambda verdict: verdict.gap)
    lead = f"ahead of {nearest.cell.label} by {amount(nearest.gap, sweep.objective)}"
    if not nearest.gap:
        lead = f"equal to {'; '.join(verdict.cell.label for verdict in others if not verdict.gap)}"
    if best.seeds > 1:
        every = "both" if best.seeds == 2 else f"all {best.seeds} trials"
        agree = "agree" if nearest.behind == nearest.seeds else "do not agree"
        few = f"{_repeated(sweep, best)} are too few for any test: {lead}" + f"; {every} {agree}" * sweep.paired
        return f"Is it the best? Cannot be told, {few}.\n{_five(sweep)}"
    moves = math.sqrt(2) * one_seed_moves([verdict.cell for verdict in (best, *others)], known, sweep.monitor)
    noise = "How far another seed moves that, one seed cannot tell."
    if math.isfinite(moves):
        noise = f"One seed moves such a lead by {amount(moves, sweep.objective)} (standard deviation, from the ledger)."
    more = _five(sweep)
    if sweep.sampled:
        more = "Part of its lead is luck: --confirm 5 runs the best five on other seeds."
    return f"Is it the best? Cannot be told from one seed: {lead}.\n{noise} {more}"


def _answer(sweep: SweepBase, best: Verdict, others: Sequence[Verdict], *, kinds: Kinds) -> str:
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
        what = f"any other cell: {_repeated(sweep, best)} are too few for {largest}, the largest difference"
    return f"{equals}Cannot be told from {what}. {_more(sweep, undecided)}"


def _five(sweep: SweepBase) -> str:
    return "Five seeds of each would decide more." if sweep.elsewhere else "--seeds 5 decides more."


def _more(sweep: SweepBase, undecided: Sequence[Verdict]) -> str:
    """The chance that more seeds decide, and the command that gives them where they may."""
    cell, chances = undecided[0].cell, sorted(round(100 * verdict.chance) for verdict in undecided)
    seeds = max(verdict.seeds for verdict in undecided) // cell.trials_per_seed
    if sweep.max_seeds is not None:
        return f"Up to {sweep.max_seeds} seeds do not decide that (--max_seeds {2 * sweep.max_seeds} goes further)."
    if cell.trials_per_seed >= FEWEST and chances[-1] < 100 * CHANCE:
        return f"More seeds would hardly decide that (chance {chances[-1]}%): what is missing is other data."
    most = most_seeds(seeds)
    flag = "" if most == MOST else f" --max_seeds {most}"
    gives = "" if sweep.elsewhere else f" (--seeds auto{flag} gives them where they may)"
    chance = f"{chances[0]} to {chances[-1]}%" if chances[0] < chances[-1] else f"{chances[0]}%"
    return f"The chance that up to {most} seeds decide is {chance}{gives}."


def _named(found: Sequence[Verdict], objective: Objective, *, ahead: bool = False) -> str:
    """The cells with their intervals, the best first; the number of those that are too many to name."""
    nearest = sorted(found, key=lambda verdict: verdict.gap)
    if len(nearest) > NAMED:
        first = "the first" if ahead else "the next"
        return f"{len(nearest)} cells, {first} by {_by(nearest[0], objective, ahead=ahead)}"
    return "; ".join(f"{verdict.cell.label}{_told(verdict, objective, ahead=ahead)}" for verdict in nearest)


def _told(verdict: Verdict, objective: Objective, *, ahead: bool) -> str:
    if verdict.same:
        return ", the same to the last digit"
    always = verdict.kind == "undecided" and verdict.behind == verdict.seeds
    return f" by {_by(verdict, objective, ahead=ahead)}{', although behind in every trial' if always else ''}"


def of_luck(summary: Summary) -> list[str]:
    """What the winner is worth without its luck, the chance that it is the best, and what one seed would have done."""
    if (known := summary.luck) is None:
        return []
    sweep, lines = summary.sweep, []
    if known.best < 1:
        close, matters = "", sweep.smallest_difference
        if matters is not None:
            close = f", that it is within {amount(matters, sweep.objective)} of the best {_percent(known.close)}"
        lines.append(
            f"Without the luck of having been picked the winner is worth {known.value:.4f}. The chance that it is the "
            f"best is {_percent(known.best)}{close}."
        )
    alone = f"One seed alone would have picked it in {known.picked} of {known.seeds} cases."
    return [*lines, alone] if sweep.paired else lines


def _percent(chance: float) -> str:
    return "above 99%" if chance > 0.99 else f"{100 * chance:.0f}%"


def tested(summary: Summary) -> str:
    """How the best was tested, in a sentence; empty if too few seeds allow no test."""
    others = [verdict for verdict in summary.others if not math.isnan(verdict.p)]
    return _how(summary.sweep, next(v for v in summary.verdicts if v.kind in CONTROL), others) if others else ""


def _repeated(sweep: SweepBase, verdict: Verdict) -> str:
    """How many trials a cell has, in words."""
    return verdict.cell.repeated if sweep.paired else f"{verdict.seeds} runs of each"


def _how(sweep: SweepBase, best: Verdict, others: Sequence[Verdict]) -> str:
    """Seeds, test, level, question and what counts as good."""
    matters = sweep.smallest_difference
    within = "no smallest difference that matters is given (--smallest_effect): no cell is called as good"
    if matters is not None:
        within = f"as good means within {amount(matters, sweep.objective)} (--smallest_effect {matters:g})"
    compared = [best.cell, *(verdict.cell for verdict in others)]
    question, before = units_of(compared, sweep, best.cell).question, looked(compared)
    level = f"{sweep.level:.0%}" if sweep.level == LEVEL else f"{sweep.level:.2g}"
    picked = f"{judge_of(sweep).describe(len(compared))}, {level} level"
    seeds = _repeated(sweep, best)
    if sweep.max_seeds is not None:
        seeds = f"up to {seeds} where they decide"
        picked += f" over {len(sweep.looks)} looks"
    elif before:
        picked += f" at the first look, {LEVEL / A_LOOK ** len(before):.2%} at this one (looked at before with "
        picked += f"{' and '.join(map(str, before))} seeds)"
    return "; ".join(filter(None, (f"{seeds}, {picked}", question, within)))
