"""How often the statistics err, and what they find: `python tests/false_claims.py 1000` prints their page's tables.

Of the test that the sweeps use, of the one that they used before, and of Holm's correction of the comparisons with the
winner; in sweeps of equal cells, of poor cells beside good ones, and over folds.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from nnhp_torch.core.stats.judge import AgainstBaseline
from nnhp_torch.core.stats.luck import unlucky
from nnhp_torch.core.stats.significance import LEVEL, AgainstBest, Judgement, holm, paired_t_test
from nnhp_torch.core.stats.units import Units

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


def against_baseline(values: Values) -> list[float]:
    """The p-values that the sweeps use if the first row is the baseline."""
    return AgainstBaseline(399, seed_of(values)).judge(values.tolist()).p


def holms_against_baseline(values: Values) -> list[float]:
    """Holm's correction of the paired t-tests against the first row."""
    return [1.0, *holm([paired_t_test(values[0].tolist(), row) for row in values[1:].tolist()])]


def told_by_the_best(values: Values) -> list[float]:
    """What the comparison with the best says of the first row and each other: something only if one of them wins."""
    p, best = now_used(values), int(values.mean(axis=1).argmax())
    return p if best == 0 else [p[0] if row == best else 1.0 for row in range(len(values))]


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


def over_folds(share: float, cells: int, folds: int, *, seeds: int, random: np.random.Generator) -> Values:
    """Equal cells × seeds × folds; `share`: a cell's own variance of a fold, in those of the seeds."""
    both = math.sqrt(share) * random.normal(size=(cells, 1, folds))
    return 0.95 + 0.003 * (random.normal(size=(cells, seeds, folds)) + both + random.normal(size=(1, 1, folds)))


def claims_over_folds(share: float, cells: int, *, folds: int, seeds: int, sweeps: int) -> tuple[float, float]:
    """False claims of what holds on other data: with folds as units, and if every trial counted as one."""
    random, now, was = np.random.default_rng([cells, folds, seeds]), 0, 0
    for _ in range(sweeps):
        values = over_folds(share, cells, folds, seeds=seeds, random=random)
        now += min(judged(values.mean(axis=1), shared=1 / (folds - 1)).p) < LEVEL
        was += bool(found(former, values.reshape(cells, -1)))
    return now / sweeps, was / sweeps


def luck_of(cells: int, seeds: int, between: float, sweeps: int) -> dict[str, float]:
    """By how much the winner's mean is too high, and what is left of that without its luck, in seeds' deviations.

    Beside it the chance that it is said to be the best, and how often it is.
    """
    random, told = np.random.default_rng([cells, seeds]), []
    for _ in range(sweeps):
        true = between * random.normal(size=cells)
        values = random.normal(size=(cells, seeds)) + true[:, None]
        order = np.argsort(-values.mean(axis=1))
        values, true = values[order], true[order]
        rivals = values[[row == 0 or p >= LEVEL for row, p in enumerate(judged(values).p)]]
        value, chance, _ = (
            unlucky(Units(rivals[:, :, None], "", 1), 0) if len(rivals) > 1 else (rivals.mean(), 1.0, 1.0)
        )
        told.append((values[0].mean() - true[0], value - true[0], chance, true[0] == true.max()))
    return dict(zip(("mean", "without", "chance", "best"), np.mean(told, axis=0).tolist(), strict=True))


def _without(rivals: Values) -> tuple[float, float, float]:
    return unlucky(Units(rivals[:, :, None], "", 1), 0) if len(rivals) > 1 else (float(rivals.mean()), 1.0, 1.0)


def held_out() -> tuple[float, float, int]:
    """By how much the winner of three seeds is worse on the reference's two others, in the mean of all its sweeps."""
    from sweeps.reference import findings

    lost = []
    for finding in findings():
        rows = [cell.values_of("val_accuracy") for cell in finding.summary.cells]
        values, losses = np.array([row for row in rows if len(row) == 5]), []
        for chosen in itertools.combinations(range(5), 3):
            order = np.argsort(-values[:, chosen].mean(axis=1))
            first, rest = values[order][:, chosen], np.delete(values[order[0]], chosen).mean()
            rivals = first[[row == 0 or p >= LEVEL for row, p in enumerate(judged(first).p)]]
            losses.append((first[0].mean() - rest, _without(rivals)[0] - rest))
        lost.append(np.mean(losses, axis=0))
    mean, without = np.mean(lost, axis=0).tolist()
    return mean, without, len(lost)


def ladder(cells: int, sweeps: int, rungs: Sequence[int] = (3, 5, 10, 20)) -> tuple[float, float]:
    """False claims of whoever adds seeds until something is claimed, paying for the looks before or not."""
    random, paid, free = np.random.default_rng([cells, 99]), 0, 0
    for _ in range(sweeps):
        values = normal(cells, rungs[-1], random)
        least = [min(judged(values[:, :seeds], level=LEVEL / 2**look).p) for look, seeds in enumerate(rungs)]
        paid += any(p < LEVEL / 2**look for look, p in enumerate(least))
        free += min(least) < LEVEL
    return paid / sweeps, free / sweeps


def table(head: str, rows: Iterable[Sequence[object]]) -> None:
    """Print a table while it is being computed."""
    print(f"\n| {head} |\n|{' --- |' * (head.count('|') + 1)}")
    for row in rows:
        print(f"| {' | '.join(f'{x:.1%}' if isinstance(x, float) else str(x) for x in row)} |", flush=True)


def of_noise(sweeps: int) -> None:
    print(f"False claims in {sweeps} sweeps of equal cells; at most {_limit(sweeps):.1%} is {LEVEL:.0%} and two errors")
    tests = (now_used, former, holms)
    table(
        "cells are | cells | seeds | now | before | Holm",
        (
            (name, cells, seeds, *(false_claims(test, equal, cells, seeds, sweeps) for test in tests))
            for name, equal in EQUAL.items()
            for cells in CELLS
            for seeds in SEEDS
        ),
    )


def of_intervals(sweeps: int) -> None:
    both = [(cells, seeds) for cells in CELLS for seeds in SEEDS]
    table("cells in steps | seeds | an interval misses", ((c, s, missed(c, s, sweeps)) for c, s in both))


def of_poor(sweeps: int) -> None:
    table(
        "beside two good cells | seeds | as good | before | told apart | an interval misses",
        ((name, seeds, *beside_poor(name, seeds, sweeps).values()) for name in POOR for seeds in SEEDS),
    )


def of_power(sweeps: int) -> None:
    few, tests = max(1, sweeps // 3), (now_used, former, holms)
    head = "worse cells found | seeds | now | before | Holm"
    cases = {f"one of {n} better by {lead}": [float(lead)] + [0.0] * (n - 1) for n in (4, 16) for lead in (1, 2, 3)}
    cases |= {f"{n} in steps of 1": [float(-cell) for cell in range(n)] for n in (4, 16)}
    rows = ((name, seeds, means) for name, means in cases.items() for seeds in SEEDS)
    table(head, ((name, seeds, *(power(test, means, seeds, few) for test in tests)) for name, seeds, means in rows))
    wild = [(f"ten worse, beside {cells - 2} wild and poor ones", seeds, cells) for cells in (5, 9) for seeds in SEEDS]
    table(head, ((n, seeds, *(far_beside_wild(test, cells, seeds, few) for test in tests)) for n, seeds, cells in wild))


def of_baseline(sweeps: int) -> None:
    """False claims with the first row as the baseline, and with the last; what is found, beside the other tests."""
    tests = (against_baseline, holms_against_baseline)
    table(
        "cells are | seeds | against a baseline, at most over 4, 9 and 16 cells | Holm",
        (
            (name, seeds, *(max(_either_end(test, equal, seeds, sweeps)) for test in tests))
            for name, equal in EQUAL.items()
            for seeds in SEEDS
        ),
    )
    few, every = max(1, sweeps // 2), (*tests, told_by_the_best)
    cases = {f"one of {n} better by {lead}": [0.0, float(lead)] + [0.0] * (n - 2) for n in (4, 9) for lead in (2, 3)}
    cases |= {f"{n} of {n} better by 2": [0.0] + [2.0] * (n - 1) for n in (4, 9)}
    rows = ((name, seeds, means) for name, means in cases.items() for seeds in SEEDS)
    head = "cells found that differ from the baseline | seeds | against it | Holm | against the best"
    table(head, ((name, seeds, *(_apart(test, means, seeds, few) for test in every)) for name, seeds, means in rows))


def _either_end(test: Test, equal: Callable[..., Values], seeds: int, sweeps: int) -> Iterator[float]:
    for cells in CELLS[:3]:
        yield false_claims(test, equal, cells, seeds, sweeps)
        yield false_claims(test, lambda *of: equal(*of)[::-1], cells, seeds, sweeps)


def _apart(test: Test, means: Sequence[float], seeds: int, sweeps: int) -> float:
    """The share of the cells that differ from the first of which that is said; means in standard deviations."""
    random, other = np.random.default_rng([len(means), seeds]), {i for i, mean in enumerate(means) if mean != means[0]}
    sets = (random.normal(size=(len(means), seeds)) + np.array(means)[:, None] for _ in range(sweeps))
    return sum(len(found(test, values) & other) for values in sets) / len(other) / sweeps


def of_folds(sweeps: int) -> None:
    cases = itertools.product((0.0, 0.5, 1.0), (2, 4, 9, 16), ((3, 5), (5, 3), (10, 1)))
    table(
        "cell × fold, of the seeds' variance | cells | folds × seeds | now | every trial a unit",
        (
            (f"{s:g}", c, f"{f} × {n}", *claims_over_folds(s, c, folds=f, seeds=n, sweeps=sweeps))
            for s, c, (f, n) in cases
        ),
    )


def of_looks(sweeps: int) -> None:
    head = "cells, seeds 3, 5, 10, 20 until something is claimed | paying for the looks before | not paying"
    table(head, ((cells, *ladder(cells, sweeps)) for cells in (2, 4, 9)))


def of_luck(sweeps: int) -> None:
    cases = itertools.product((4, 9, 16), (3, 5), (0.0, 0.5, 1.0, 3.0))
    table(
        "cells | seeds | between them | too high by, in deviations | without luck | said to be best | is the best",
        ((c, n, f"{b:g}", *(f"{x:+.2f}" for x in luck_of(c, n, b, sweeps=sweeps).values())) for c, n, b in cases),
    )
    mean, without, cases = held_out()
    print(
        f"\nOn seeds held out of {cases} sweeps: {100 * mean:+.3f} points too high, {100 * without:+.3f} without luck"
    )


SECTIONS = {
    part.__name__[3:]: part
    for part in (of_noise, of_intervals, of_poor, of_power, of_baseline, of_folds, of_looks, of_luck)
}


def main() -> None:
    sweeps = int(sys.argv[1]) if sys.argv[1:] else 1000
    for name in sys.argv[2:] or SECTIONS:
        SECTIONS[name](sweeps)


def _limit(sweeps: int) -> float:
    return LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / sweeps)


if __name__ == "__main__":
    main()
