"""How often the statistics err, and what they find: `python tests/false_claims.py 1000` prints their page's tables.

Of the test that the sweeps use, of the one that they used before, and of Holm's correction of the comparisons with the
winner; in sweeps of equal cells, of poor cells beside good ones, and over folds.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from nnhp_torch.core.stats.significance import LEVEL, AgainstBest, Judgement, holm, paired_t_test

Values = np.ndarray  # a row a cell, a column a seed
Test = Callable[[Values], list[float]]  # p-value of each row
CELLS, SEEDS = (4, 9, 16, 37), (3, 5, 10)
MATTERS = 0.001


def normal(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return 0.95 + 0.003 * (random.normal(size=(cells, seeds)) + random.normal(size=seeds) / 2)


def _spread(factors: Callable[[int, np.random.Generator], Values]) -> Callable[..., Values]:
    """Normal noise, each row with its factor."""

    def values(cells: int, seeds: int, random: np.random.Generator) -> Values:
        return 0.95 + factors(cells, random)[:, None] * (normal(cells, seeds, random) - 0.95)

    return values


def failing(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return np.where(random.random((cells, seeds)) < 0.1, 0.1, normal(cells, seeds, random))


def skewed(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return 0.95 - 0.003 * np.exp(random.normal(size=(cells, seeds)))


def tied(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return np.round(0.95 + (normal(cells, seeds, random) - 0.95) / 15, 4)


EQUAL = {
    "normal": normal,
    "one of 50 times the spread": _spread(lambda cells, _: np.where(np.arange(cells) == 0, 50.0, 1.0)),
    "half of 30 times the spread": _spread(lambda cells, _: np.where(np.arange(cells) < cells // 2, 30.0, 1.0)),
    "one of a 30th of the spread": _spread(lambda cells, _: np.where(np.arange(cells) == 0, 1 / 30, 1.0)),
    "spreads from 1 to 100": _spread(lambda cells, _: np.geomspace(1, 100, cells)),
    "spreads drawn, lognormal": _spread(lambda cells, random: np.exp(1.5 * random.normal(size=cells))),
    "one in ten fails": failing,
    "skewed": skewed,
    "ties": tied,
}


def seed_of(values: Values) -> int:
    """Other draws for each sweep, so that fewer of them keep the same level on average."""
    return int(1e9 * abs(float(values.ravel()[0]))) % 2**32


def judged(values: Values, **options: object) -> Judgement:
    """The Judgement that the sweeps use, with a fifth of the draws."""
    return AgainstBest(399, seed_of(values)).judge(values.tolist(), **options)


def now_used(values: Values) -> list[float]:
    return judged(values).p


def holms(values: Values) -> list[float]:
    """Holm's correction of the comparisons with the winner."""
    best = int(values.mean(axis=1).argmax())
    others = [row for row in range(len(values)) if row != best]
    p_values = holm([paired_t_test(values[best].tolist(), values[row].tolist()) for row in others])
    return [dict(zip(others, p_values, strict=True)).get(row, 1.0) for row in range(len(values))]


def former(values: Values) -> list[float]:
    return former_judged(values)[0]


def former_judged(values: Values, draws: int = 399) -> tuple[list[float], Values, Values]:
    """What was used before: pooled spreads alone, seeds' effects by the median over rows, intervals of the first step.

    The p-values, the gaps, and how far the intervals reach.
    """

    def behind(rows: Values) -> tuple[Values, Values]:
        rows = rows - np.median(rows, axis=-2, keepdims=True)
        differences = np.take_along_axis(rows, rows.mean(axis=-1).argmax(axis=-1)[..., None, None], -2) - rows
        typical = 2 * np.median(rows.var(axis=-1, ddof=1), axis=-1, keepdims=True)
        variances = np.maximum(np.maximum(differences.var(axis=-1, ddof=1), typical), 1e-12)
        return differences.mean(axis=-1), np.sqrt(variances / rows.shape[-1])

    def largest(rows: Values) -> Values:
        own = (rows - np.median(rows, axis=0)).var(axis=1, ddof=1)
        spreads = np.sqrt(np.maximum(own, np.median(own)))[:, None]
        gap, error = behind(np.random.default_rng(seed_of(values)).normal(size=(draws, *rows.shape)) * spreads)
        return np.sort((gap / error).max(axis=-1))

    (gaps, errors), first = behind(values), largest(values)
    p, alike, least = np.ones(len(values)), np.arange(len(values)), 0.0
    while len(alike) > 1:
        gap, error = behind(values[alike])
        more = 1 + draws - np.searchsorted(largest(values[alike]), gap / error * (1 - 1e-9))
        p[alike] = np.maximum(least, np.where(gap > 1e-12, more / (1 + draws), 1.0))
        worse = p[alike] < LEVEL
        if not worse.any():
            break
        least, alike = p[alike][worse].max(), alike[~worse]
    return p.tolist(), gaps, first[-math.ceil(LEVEL * (1 + draws)) + 1] * errors


def found(test: Test, values: Values) -> set[int]:
    """The cells that are said to be worse than the winner."""
    return {cell for cell, p in enumerate(test(values)) if p < LEVEL}


def drawn(equal: Callable[..., Values], cells: int, seeds: int, sweeps: int) -> Iterator[Values]:
    random = np.random.default_rng([cells, seeds])
    return (equal(cells, seeds, random) for _ in range(sweeps))


def false_claims(test: Test, equal: Callable[..., Values], cells: int, seeds: int, sweeps: int) -> float:
    """The share of sweeps of equal cells in which any is said to differ."""
    return sum(bool(found(test, values)) for values in drawn(equal, cells, seeds, sweeps)) / sweeps


def missed(cells: int, seeds: int, sweeps: int) -> float:
    """The share of sweeps in which some true difference from the best is not in its interval; cells in steps."""
    random = np.random.default_rng([cells, seeds])
    means, spreads, misses = -np.arange(cells) / 2, np.linspace(1, 3, cells)[:, None], 0
    for _ in range(sweeps):
        values = random.normal(size=(cells, seeds)) * spreads + means[:, None]
        misses += _misses(judged(values), means[values.mean(axis=1).argmax()] - means)
    return misses / sweeps


def _misses(found: Judgement, true: Values) -> bool:
    """Whether a true difference is outside its interval, but for the best's own."""
    return any(
        not low - 1e-12 <= is_ <= high + 1e-12
        for low, high, is_, gap in zip(found.low, found.high, true, found.gap, strict=True)
        if gap
    )


def power(test: Test, means: Sequence[float], seeds: int, sweeps: int) -> float:
    """The share of the cells worse than the best that are found to be so; means in standard deviations."""
    random = np.random.default_rng([len(means), seeds])
    worse = {cell for cell, mean in enumerate(means) if mean < max(means)}
    sets = (random.normal(size=(len(means), seeds)) + np.array(means)[:, None] for _ in range(sweeps))
    return sum(len(found(test, values) & worse) for values in sets) / len(worse) / sweeps


# Means and spreads of cells, in points: poor ones beside two good ones, which differ by 0 or by a tenth of a point.
POOR = {
    "three poor, wild": ([97.0, 97.0, 60.0, 40.0, 20.0], [0.03, 0.03, 15.0, 15.0, 5.0]),
    "one poor and steady, one wild between": ([97.0, 97.0, 11.35, 60.0], [0.03, 0.03, 0.03, 25.0]),
    "three wild that may be the best": ([97.0, 97.0, 90.0, 90.0, 90.0], [0.03, 0.03, 10.0, 10.0, 10.0]),
}


def beside_poor(name: str, seeds: int, sweeps: int) -> dict[str, float]:
    """Of the two good cells: how often they are called as good, told apart though equal, or an interval misses."""
    means, spreads = (np.array(column)[:, None] / 100 for column in POOR[name])
    random, count = np.random.default_rng([len(means), seeds]), dict.fromkeys(("as good", "was", "claims", "miss"), 0)
    for _ in range(sweeps):
        values = np.clip(random.normal(size=(len(means), seeds)) * spreads + means, 0, 1)
        now, (_, gaps, reaches) = judged(values), former_judged(values)
        best = int(values.mean(axis=1).argmax())
        other = 1 - best if best < 2 else 0
        count["as good"] += now.gap[other] + now.reach[other] <= MATTERS
        count["was"] += gaps[other] + reaches[other] <= MATTERS
        count["claims"] += best < 2 and now.p[other] < LEVEL
        count["miss"] += _misses(now, (means[best] - means)[:, 0])
    return {what: number / sweeps for what, number in count.items()}


def far_beside_wild(test: Test, cells: int, seeds: int, sweeps: int) -> float:
    """How often a cell ten standard deviations worse is found beside poor cells of 30 times the spread."""
    random, hits = np.random.default_rng([cells, seeds]), 0
    for _ in range(sweeps):
        values = random.normal(size=(cells, seeds)) * np.array([1.0, 1.0] + [30.0] * (cells - 2))[:, None]
        values[1] -= 10
        values[2:] -= 100
        hits += 1 in found(test, values)
    return hits / sweeps


def over_folds(share: float, cells: int, folds: int, seeds: int, random: np.random.Generator) -> Values:
    """Equal cells × seeds × folds; `share`: a cell's own variance of a fold, in those of the seeds."""
    both = math.sqrt(share) * random.normal(size=(cells, 1, folds))
    return 0.95 + 0.003 * (random.normal(size=(cells, seeds, folds)) + both + random.normal(size=(1, 1, folds)))


def claims_over_folds(share: float, cells: int, folds: int, seeds: int, sweeps: int) -> tuple[float, float]:
    """False claims of what holds on other data: with folds as units, and if every trial counted as one."""
    random, now, was = np.random.default_rng([cells, folds, seeds]), 0, 0
    for _ in range(sweeps):
        values = over_folds(share, cells, folds, seeds, random)
        now += min(judged(values.mean(axis=1), shared=1 / (folds - 1)).p) < LEVEL
        was += bool(found(former, values.reshape(cells, -1)))
    return now / sweeps, was / sweeps


def main() -> None:
    sweeps = int(sys.argv[1]) if sys.argv[1:] else 1000
    print(f"False claims in {sweeps} sweeps of equal cells; at most {_limit(sweeps):.1%} is {LEVEL:.0%} and two errors")
    print("\n| cells are | cells | seeds | now | before | Holm |\n| --- | --- | --- | --- | --- | --- |")
    for name, equal in EQUAL.items():
        for cells in CELLS:
            for seeds in SEEDS:
                shares = [false_claims(test, equal, cells, seeds, sweeps) for test in (now_used, former, holms)]
                print(f"| {name} | {cells} | {seeds} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    print("\n| cells in steps, of spreads from 1 to 3 | seeds | an interval misses |\n| --- | --- | --- |")
    for cells in CELLS:
        for seeds in SEEDS:
            print(f"| {cells} | {seeds} | {missed(cells, seeds, sweeps):.1%} |", flush=True)
    print("\n| beside two good cells | seeds | as good | before | told apart | an interval misses |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in POOR:
        for seeds in SEEDS:
            shares = beside_poor(name, seeds, sweeps).values()
            print(f"| {name} | {seeds} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    print("\n| worse cells found | seeds | now | before | Holm |\n| --- | --- | --- | --- | --- |")
    few = max(1, sweeps // 3)
    for cells in (4, 16):
        cases = {f"one of {cells} better by {lead}": [float(lead)] + [0.0] * (cells - 1) for lead in (1, 2, 3)}
        for name, means in (cases | {f"{cells} in steps of 1": [float(-c) for c in range(cells)]}).items():
            for seeds in SEEDS:
                shares = [power(test, means, seeds, few) for test in (now_used, former, holms)]
                print(f"| {name} | {seeds} | {' | '.join(f'{share:.0%}' for share in shares)} |", flush=True)
    for cells in (5, 9):
        for seeds in SEEDS:
            shares = [far_beside_wild(test, cells, seeds, few) for test in (now_used, former, holms)]
            shown = " | ".join(f"{share:.0%}" for share in shares)
            print(f"| ten worse, beside {cells - 2} wild and poor ones | {seeds} | {shown} |", flush=True)
    print("\n| cell × fold, of the seeds' variance | cells | folds × seeds | now | every trial a unit |")
    print("| --- | --- | --- | --- | --- |")
    for share in (0.0, 0.5, 1.0):
        for cells in (2, 4, 9, 16):
            for folds, seeds in ((3, 5), (5, 3), (10, 1)):
                now, was = claims_over_folds(share, cells, folds, seeds, sweeps)
                print(f"| {share:g} | {cells} | {folds} × {seeds} | {now:.1%} | {was:.1%} |", flush=True)


def _limit(sweeps: int) -> float:
    return LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / sweeps)


if __name__ == "__main__":
    main()
