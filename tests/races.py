"""Simulate races (`--seeds auto`): what they claim and cost; `python tests/races.py 300`, as false_claims.py has it.

How often it is said of equal cells that any is worse, though they are looked at again and again; and, on the article's
seven sweeps drawn anew from what the reference study has of them, what is found beside ten seeds of every cell, for how
many trials.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from false_claims import CELLS, EQUAL, Values, former_judged, judged, main, over_folds, seed_of, table

from nnhp_torch.core.spec.interim import CHANCE, FIRST, LEVEL, looks
from nnhp_torch.core.stats.against_best import AgainstBest
from nnhp_torch.core.stats.pairs import chance_of_deciding, paired

MOST, MATTERS = 20, 0.001
DECIDED = ("worse", "as good")
Found = list[tuple[float, float, float, float]]  # of each row: gap, error, reach, p
Test = Callable[..., Found]


def now_used(
    values: Values, level: float, *, seed: int, left: Sequence[Sequence[float]] = (), draws: int = 399
) -> Found:
    found = AgainstBest(draws, seed).judge(values.tolist(), level, left=left)
    return list(zip(found.gap, found.error, found.half_width, found.p, strict=True))


def former(values: Values, level: float, **_: object) -> Found:
    p, gaps, reaches = former_judged(values, level)
    best = values[values.mean(axis=1).argmax()].tolist()
    errors = [paired(best, row)[1] for row in values.tolist()]
    return list(zip(gaps.tolist(), errors, reaches.tolist(), p, strict=True))


def kind(found: tuple[float, float, float, float], level: float) -> str:
    gap, _, reach, p = found
    return "best" if not gap else "as good" if gap + reach <= MATTERS else "worse" if p < level else "undecided"


def race(values: Values, test: Test = now_used, **options: int) -> tuple[list[str], list[int]]:
    """Each row's last verdict in a race, and how many of its values that took; a row a cell, a column a seed."""
    most, level = values.shape[1], LEVEL / len(looks(values.shape[1]))
    there, kinds, seeds = list(range(len(values))), [""] * len(values), [0] * len(values)
    for looked in looks(most):
        gone = [c for c in range(len(values)) if c not in there and kinds[c] == "undecided"]
        left = [values[cell][: seeds[cell]].tolist() for cell in gone]
        chosen = {"seed": seed_of(values[:, looked - 1 :])} | options
        hopeful = []
        for cell, found in zip(there, test(values[there][:, :looked], level, left=left, **chosen), strict=True):
            kinds[cell], seeds[cell] = kind(found, level), looked
            chance = chance_of_deciding(*found[:3], units=looked, most=most, matters=MATTERS)
            hopeful += [cell] * (kinds[cell] == "undecided" and chance >= CHANCE)
        if not hopeful:
            break
        there = [cell for cell in there if cell in hopeful or kinds[cell] in ("best", "as good")]
    return kinds, seeds


def false_claims(name: str, cells: int, sweeps: int, test: Test = now_used) -> tuple[float, float]:
    """The share of races of equal cells in which any is said to be worse, and the seeds of a cell on average."""
    random = np.random.default_rng([cells, MOST])
    raced = [race(EQUAL[name](cells, MOST, random), test) for _ in range(sweeps)]
    return statistics.fmean("worse" in kinds for kinds, _ in raced), statistics.fmean(np.mean(s) for _, s in raced)


def claims_over_folds(share: float, cells: int, folds: int, sweeps: int) -> float:
    """The same over folds, as their means with more and more seeds; no cell leaves, which claims most."""
    random, claims, level = np.random.default_rng([cells, folds, MOST]), 0, LEVEL / len(looks(MOST))
    for _ in range(sweeps):
        values = over_folds(share, cells, folds, seeds=MOST, random=random)
        means = (values[:, :seeds].mean(axis=1) for seeds in looks(MOST))
        claims += any(min(judged(rows, level=level, shared=1 / (folds - 1)).p) < level for rows in means)
    return claims / sweeps


def beside_ten(means: Values, spreads: Values, sweeps: int) -> dict[str, float]:
    """The cost and the findings of races of such cells, beside ten seeds of every cell, on average."""
    random = np.random.default_rng(len(means))
    drawn = means[:, None] + spreads[:, None] * random.standard_normal((sweeps, len(means), MOST))
    raced = [race(values) for values in drawn]
    return {
        "trials of ten seeds": 10 * len(means),
        "of the race": statistics.fmean(sum(seeds) for _, seeds in raced),
        "with foresight": statistics.fmean(trials_with_foresight(values[:, :10]) for values in drawn),
        "decided by ten": statistics.fmean(sum(k in DECIDED for k in _kinds(values[:, :10])) for values in drawn),
        "by the race": statistics.fmean(sum(k in DECIDED for k in kinds) for kinds, _ in raced),
    }


def _kinds(values: Values) -> list[str]:
    return [kind(found, LEVEL) for found in now_used(values, LEVEL, seed=seed_of(values))]


def trials_with_foresight(values: Values) -> int:
    """The trials that would do if it were known beforehand when each row is decided for good, looked at only once then.

    No race can do with less: a row that is never decided has its first seeds, the best as many as the last of the rest.
    """
    seeds, needed = range(FIRST, values.shape[1] + 1), []
    found = [_kinds(values[:, :many]) for many in seeds]
    for kinds in zip(*found, strict=True):
        changes = [many for many, kind in zip(seeds, kinds, strict=True) if kind != kinds[-1]]
        needed.append(max(changes, default=FIRST - 1) + 1 if kinds[-1] in DECIDED else FIRST)
    needed[found[-1].index("best")] = max(needed)
    return sum(needed)


def of_races(sweeps: int) -> Iterator[str]:
    yield f"False claims in {sweeps} races of equal cells to at most {MOST} seeds, and the seeds of a cell on average"
    yield f"({LEVEL:.0%} and two of its errors are {LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / sweeps):.1%}):"
    yield ""
    few = CELLS[:2]
    yield from table(
        "noise | " + " | ".join(f"{cells} cells: now | before | seeds now | before" for cells in few),
        ((name, *itertools.chain(*(_now_and_before(name, cells, sweeps) for cells in few))) for name in EQUAL),
    )
    found = [claims_over_folds(share, 4, folds, sweeps // 2) for share, folds in itertools.product((0, 0.5, 1), (3, 5))]
    yield ""
    yield "Over 3 and 5 folds, with a cell's own variance of a fold of 0, 0.5 and 1 of the seeds': at most"
    yield f"{max(found):.1%} (4 cells, {sweeps // 2} races each)."


def _now_and_before(name: str, cells: int, sweeps: int) -> tuple[object, ...]:
    (now, seeds), (before, as_many) = (false_claims(name, cells, sweeps, test) for test in (now_used, former))
    return now, before, f"{seeds:.1f}", f"{as_many:.1f}"


def of_costs(sweeps: int) -> Iterator[str]:
    from sweeps._base import CHAIN
    from sweeps.reference import outcome

    yield f"The article's seven sweeps, drawn {sweeps} times from what the reference has of them: trials and cells"
    yield f"decided, of ten seeds of every cell and of a race to at most {MOST}; *with foresight*: if it were known"
    yield "when each cell is decided, and looked only then:"
    yield ""
    rows = []
    for name in CHAIN:
        values = np.array([cell.values_of("val_accuracy") for cell in outcome(name).summary.cells])
        rows.append((name, beside_ten(values.mean(axis=1), values.std(axis=1, ddof=1), sweeps)))
    rows.append(("all seven", {what: sum(found[what] for _, found in rows) for what in rows[0][1]}))
    numbers = (
        (name, *(f"{x:.1f}" if "by" in what else f"{x:.0f}" for what, x in found.items())) for name, found in rows
    )
    yield from table(f"sweep | {' | '.join(rows[0][1])}", numbers)


if __name__ == "__main__":
    main({"races": of_races, "costs": of_costs})
