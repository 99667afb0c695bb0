"""Simulate races (`--seeds auto`): what they claim and cost: `python tests/races.py 300`.

How often it says of equal cells that any is worse, though it looks again and again; and, on the article's seven sweeps
drawn anew from what the reference study has of them, what it finds beside ten seeds of every cell, for how many trials.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence

import numpy as np
from false_claims import CELLS, EQUAL, Values, seed_of

from nnhp_torch.core.stats.interim import CHANCE, FIRST, chance_of_deciding, looks
from nnhp_torch.core.stats.significance import LEVEL, AgainstBest

MOST, MATTERS = 20, 0.001
DECIDED = ("worse", "as good")


def judge(
    values: Values, level: float, left: Sequence[Sequence[float]] = (), most: int = 0, draws: int = 399, seed: int = 0
) -> list[tuple[str, float]]:
    """The verdict on each row, and the chance that it is decided if it is undecided."""
    order = np.argsort(-values.mean(axis=1), kind="stable")
    found = AgainstBest(draws, seed).judge(values[order].tolist(), level, left=left)
    kinds = [("best", 0.0)] * len(values)
    for rank, row in enumerate(order[1:], 1):
        gap, error, reach = found.gap[rank], found.error[rank], found.reach[rank]
        chance = chance_of_deciding(gap, error, reach, units=values.shape[1], most=most, matters=MATTERS)
        kind = "worse" if found.p[rank] < level else "undecided"
        kinds[row] = ("as good" if gap + reach <= MATTERS else kind, chance)
    return kinds


def race(values: Values, draws: int = 399, seed: int | None = None) -> tuple[list[str], list[int]]:
    """Each row's last verdict in a race, and how many of its values that took; a row a cell, a column a seed."""
    most = values.shape[1]
    there, kinds, seeds = list(range(len(values))), [""] * len(values), [0] * len(values)
    for looked in looks(most):
        left = [
            values[c][: seeds[c]].tolist() for c in range(len(values)) if c not in there and kinds[c] == "undecided"
        ]
        chosen = seed_of(values[:, looked - 1 :]) if seed is None else seed
        found = judge(values[there][:, :looked], LEVEL / len(looks(most)), left, most, draws, chosen)
        for cell, (kind, _) in zip(there, found, strict=True):
            kinds[cell], seeds[cell] = kind, looked
        hope = [kind == "undecided" and chance >= CHANCE for kind, chance in found]
        if not any(hope):
            break
        there = [c for c, (kind, _), h in zip(there, found, hope, strict=True) if h or kind in ("best", "as good")]
    return kinds, seeds


def false_claims(name: str, cells: int, sweeps: int) -> tuple[float, float]:
    """The share of races of equal cells in which any is said to be worse, and the seeds of a cell on average."""
    random = np.random.default_rng([cells, MOST])
    raced = [race(EQUAL[name](cells, MOST, random)) for _ in range(sweeps)]
    return statistics.fmean("worse" in kinds for kinds, _ in raced), statistics.fmean(np.mean(s) for _, s in raced)


def beside_ten(means: Values, spreads: Values, sweeps: int) -> dict[str, float]:
    """The cost and the findings of races of such cells, beside ten seeds of every cell, on average."""
    random = np.random.default_rng(len(means))
    drawn = means[:, None] + spreads[:, None] * random.standard_normal((sweeps, len(means), MOST))
    raced = [race(values) for values in drawn]
    fixed = [[kind for kind, _ in judge(values[:, :10], LEVEL)] for values in drawn]
    pairs = [list(zip(f, r, strict=True)) for f, (r, _) in zip(fixed, raced, strict=True)]
    foresight = statistics.fmean(trials_with_foresight(values[:, :10]) for values in drawn)
    return {
        "foresight": foresight,
        "trials": statistics.fmean(sum(seeds) for _, seeds in raced),
        "decided": statistics.fmean(sum(r in DECIDED for r in kinds) for kinds, _ in raced),
        "decided by ten": statistics.fmean(sum(f in DECIDED for f in kinds) for kinds in fixed),
        "of these": statistics.fmean(sum(f in DECIDED and r in DECIDED for f, r in pair) for pair in pairs),
    }


def trials_with_foresight(values: Values) -> int:
    """The trials that would do if it were known beforehand when each row is decided for good, looked at only once then.

    No race can do with less: a row that is never decided has its first seeds, the best as many as the last of the rest.
    """
    seeds = range(FIRST, values.shape[1] + 1)
    found = [[kind for kind, _ in judge(values[:, :many], LEVEL)] for many in seeds]
    needed = []
    for kinds in zip(*found, strict=True):
        changes = [many for many, kind in zip(seeds, kinds, strict=True) if kind != kinds[-1]]
        needed.append(max(changes, default=FIRST - 1) + 1 if kinds[-1] in DECIDED else FIRST)
    needed[[kinds[-1] for kinds in zip(*found, strict=True)].index("best")] = max(needed)
    return sum(needed)


def main() -> None:
    from sweeps._base import CHAIN
    from sweeps.reference import outcome

    sweeps = int(sys.argv[1]) if sys.argv[1:] else 300
    limit = LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / sweeps)
    print(f"Seven sweeps drawn {sweeps} times; ten seeds of every cell, and a race to at most {MOST}")
    print("| sweep | trials of ten seeds | of the race | with foresight | decided by ten | by the race | by both |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in CHAIN:
        values = np.array([cell.values_of("val_accuracy") for cell in outcome(name).summary.cells])
        found = beside_ten(values.mean(axis=1), values.std(axis=1, ddof=1), sweeps)
        numbers = [found[what] for what in ("decided by ten", "decided", "of these")]
        texts = " | ".join(f"{number:.1f}" for number in numbers)
        trials = f"{10 * len(values)} | {found['trials']:.0f} | {found['foresight']:.0f}"
        print(f"| {name} | {trials} | {texts} |", flush=True)
    print(f"\nFalse claims in {sweeps} races of equal cells; at most {limit:.1%} is {LEVEL:.0%} and two errors")
    print("| cells are | cells | false claims | seeds of a cell |\n| --- | --- | --- | --- |")
    for name in EQUAL:
        for number in CELLS:
            share, seeds = false_claims(name, number, sweeps)
            print(f"| {name} | {number} | {share:.1%}{' **too many**' * (share > limit)} | {seeds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
