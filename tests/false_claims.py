"""How often the statistics err, and what they find, in simulated sweeps: the tables of their page.

    python tests/false_claims.py 1000             prints all tables
    python tests/false_claims.py 1000 power luck  two of them
    python tests/false_claims.py 1000 --page      puts what it prints into nnhp_torch/core/stats/README.md

Of the test that the sweeps use, of the one that they used until November 2026, and of Holm's correction of the
comparisons with the winner.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import ndtri, stdtr

from nnhp_torch.core.interfaces import Judgement
from nnhp_torch.core.spec.interim import A_LOOK, LEVEL
from nnhp_torch.core.stats.against_baseline import AgainstBaseline
from nnhp_torch.core.stats.against_best import AgainstBest, _behind, _factor
from nnhp_torch.core.stats.luck import unlucky
from nnhp_torch.core.stats.pairs import holm, paired_t_test, step_of
from nnhp_torch.core.stats.units import Units
from sweeps._study.claims import with_block

Values = np.ndarray  # a row a cell, a column a seed
Test = Callable[[Values], list[float]]  # p-value of each row
CELLS, SEEDS = (4, 9, 16), (3, 5)
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


def uniform(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return 0.95 + 0.01 * (random.random((cells, seeds)) - 0.5) * 10.0 ** random.uniform(-1, 1, size=(cells, 1))


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
    "uniform, spreads drawn": uniform,
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


def former_judged(values: Values, level: float = LEVEL, draws: int = 399) -> tuple[list[float], Values, Values]:
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
        worse = p[alike] < level
        if not worse.any():
            break
        least, alike = p[alike][worse].max(), alike[~worse]
    return p.tolist(), gaps, first[-math.ceil(level * (1 + draws)) + 1] * errors


def against_baseline(values: Values, draws: int = 199, **options: float) -> list[float]:
    """The p-values that the sweeps use if the first row is the baseline.

    Args:
        options: of the judge, in place of its own.
    """
    judge = AgainstBaseline(draws, seed_of(values))
    vars(judge).update(options)
    return judge.judge(values.tolist()).p


def may_claim(sets: Values) -> Values:
    """Of which sweeps the test may claim anything: where some t is above a normal's bound, which all bounds are above.

    That is for one comparison if spreads are told apart, for all if they are not.
    """
    (cells, seeds), judge = sets.shape[1:], AgainstBaseline()
    gap, error = _behind(sets, 0.0, judge.control(sets), _factor(seeds, judge.alike))
    own = sets - sets.mean(axis=2, keepdims=True)
    pooled = ((own - own.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2)) / (cells - 1) / (seeds - 1)
    apart, alike = (-ndtri(LEVEL * part / 2) for part in (judge.apart, judge.pooled / (cells - 1)))
    bounds = np.minimum(apart * error, alike * np.sqrt(2 * pooled / seeds)[:, None])
    claims: Values = (abs(gap) > bounds).any(axis=1)
    return claims


def holms_against_baseline(values: Values) -> list[float]:
    """Holm's correction of the paired t-tests against the first row."""
    pairs, step = values[0] - values[1:], step_of(values.ravel().tolist())
    error = np.maximum(pairs.std(axis=1, ddof=1), max(step / math.sqrt(6), 1e-15)) / math.sqrt(values.shape[1])
    return [1.0, *holm((2 * stdtr(values.shape[1] - 1, -abs(pairs.mean(axis=1)) / error)).tolist())]


def pooled(values: Values) -> list[float]:
    """Holm's correction of t-tests against the first row that have one spread for all rows."""
    own = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    freedom = (len(values) - 1) * (values.shape[1] - 1)
    error = math.sqrt(max(2 * float((own**2).sum()) / freedom / values.shape[1], 1e-30))
    gaps = abs(values[1:].mean(axis=1) - values[0].mean())
    return [1.0, *holm((2 * stdtr(freedom, -gaps / error)).tolist())]


def welch(values: Values) -> list[float]:
    """Holm's correction of t-tests against the first row without pairs, with Satterthwaite's degrees of freedom."""
    errors = np.maximum(values.var(axis=1, ddof=1), 1e-30) / values.shape[1]
    both, gaps = errors[0] + errors[1:], abs(values[1:].mean(axis=1) - values[0].mean())
    freedom = (values.shape[1] - 1) * both**2 / (errors[0] ** 2 + errors[1:] ** 2)
    return [1.0, *holm((2 * stdtr(freedom, -gaps / np.sqrt(both))).tolist())]


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
        count["as good"] += now.gap[other] + now.half_width[other] <= MATTERS
        count["was"] += gaps[other] + reaches[other] <= MATTERS
        count["claims"] += best < 2 and now.p[other] < LEVEL
        count["miss"] += _misses(now, (means[best] - means)[:, 0])
    return {what: number / sweeps for what, number in count.items()}


def far_beside_wild(test: Test, cells: int, seeds: int, sweeps: int, *, behind: float = 100) -> float:
    """How often a cell ten standard deviations worse is found beside poor cells of 30 times the spread.

    Args:
        behind: by how many these are.
    """
    random, hits = np.random.default_rng([cells, seeds]), 0
    for _ in range(sweeps):
        values = random.normal(size=(cells, seeds)) * np.array([1.0, 1.0] + [30.0] * (cells - 2))[:, None]
        values[1] -= 10
        values[2:] -= behind
        hits += 1 in found(test, values)
    return hits / sweeps


def over_folds(share: float, cells: int, folds: int, *, seeds: int, random: np.random.Generator) -> Values:
    """Equal cells × seeds × folds; `share`: a cell's own variance of a fold, in those of the seeds."""
    both = math.sqrt(share) * random.normal(size=(cells, 1, folds))
    return 0.95 + 0.003 * (random.normal(size=(cells, seeds, folds)) + both + random.normal(size=(1, 1, folds)))


def claims_over_folds(share: float, cells: int, *, folds: int, seeds: int, sweeps: int) -> tuple[float, float]:
    """False claims of what holds on other data: with folds as units, and with each trial as one, as before."""
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
        value, chance, _ = _without(rivals)
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
    """False claims of whoever adds seeds until something is claimed, who pays for it, and who does not."""
    random, paid, free = np.random.default_rng([cells, 99]), 0, 0
    for _ in range(sweeps):
        values = normal(cells, rungs[-1], random)
        levels = [LEVEL / A_LOOK**look for look in range(len(rungs))]
        paid += any(min(judged(values[:, :n], level=x).p) < x for n, x in zip(rungs, levels, strict=True))
        free += any(min(former(values[:, :n])) < LEVEL for n in rungs)
    return paid / sweeps, free / sweeps


def table(head: str, rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a table while it is being computed."""
    yield f"| {head} |"
    yield f"|{' --- |' * (head.count('|') + 1)}"
    for row in rows:
        yield f"| {' | '.join(f'{x:.1%}' if isinstance(x, float) else str(x) for x in row)} |"


TESTS: tuple[Test, ...] = (now_used, former, holms)


def of_noise(sweeps: int) -> Iterator[str]:
    yield f"False claims in {sweeps} sweeps of equal cells, at most over {CELLS[0]}, {CELLS[1]} and {CELLS[2]} cells"
    yield f"({LEVEL:.0%} and two of its errors are {LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / sweeps):.1%}):"
    yield ""
    yield from table(
        "noise | 3 seeds: now | before | Holm | 5 seeds: now | before | Holm",
        (
            (
                name,
                *(
                    max(false_claims(test, equal, cells, seeds, sweeps) for cells in CELLS)
                    for seeds in SEEDS
                    for test in TESTS
                ),
            )
            for name, equal in EQUAL.items()
        ),
    )


def of_poor(sweeps: int) -> Iterator[str]:
    yield f"Two good cells, equal, and what stands beside them, in {sweeps} sweeps each:"
    yield ""
    yield from table(
        "beside them | seeds | as good | before | told apart | an interval misses",
        ((name, seeds, *beside_poor(name, seeds, sweeps).values()) for name in POOR for seeds in (*SEEDS, 10)),
    )
    missing = max(missed(cells, seeds, sweeps) for cells in CELLS for seeds in SEEDS)
    yield ""
    yield f"Of cells in steps, with spreads from one to three, an interval misses in at most {missing:.1%}."


def of_baseline(sweeps: int) -> Iterator[str]:
    tests = (against_baseline, holms_against_baseline)
    yield f"Equal cells against a baseline that is the first of them, or the last: false claims in {sweeps} sweeps"
    yield "each, at most over 4, 9 and 16 cells:"
    yield ""
    yield from table(
        "noise | 3 seeds: now | Holm | 5 seeds: now | Holm | 10 seeds: now | Holm",
        (
            (name, *(max(_either_end(test, equal, seeds, sweeps)) for seeds in (*SEEDS, 10) for test in tests))
            for name, equal in EQUAL.items()
        ),
    )
    yield ""
    yield f"Of the cells that differ from the baseline so many are found, in {sweeps} sweeps each, beside Holm's"
    yield "correction and what the comparison with the best says of them:"
    yield ""
    cases = {f"one of {n} better by {lead}": [0.0, float(lead)] + [0.0] * (n - 2) for n in (4, 9) for lead in (2, 3)}
    cases |= {f"all but the baseline of {n} better by 2": [0.0] + [2.0] * (n - 1) for n in (4, 9)}
    every = (*tests, told_by_the_best)
    yield from table(
        "cells | seeds | now | Holm | against the best",
        (
            (name, seeds, *(_apart(test, means, seeds, sweeps) for test in every))
            for name, means in cases.items()
            for seeds in SEEDS
        ),
    )


def of_trade(sweeps: int) -> Iterator[str]:
    """What 5% whatever the noise would cost."""
    yield f"Four cells, three seeds, {sweeps} sweeps each: false claims at most over nine noises and both ends, those"
    yield "of uniform noise, and of one cell and of three that are better than the baseline how many are found:"
    yield ""

    def of(p_values: dict[str, list[float]]) -> dict[str, list[float]]:
        kind, alone = p_values["kind"], p_values["Holm"]
        both = [max(p, other / 2) for p, other in zip(kind, alone, strict=True)]
        return p_values | {"both": both, "at 2.5%": [2 * p for p in kind]}

    names = {
        "Holm": "each pair's own spread, Holm",
        "welch": "each cell's own spread, no pairs (Welch, Satterthwaite), Holm",
        "pooled": "one spread for all, Holm",
        "kind": "the spread of its kind",
        "both": "the same, and each pair's own spread at 10%",
        "at 2.5%": "the spread of its kind at 2.5%",
        "now": "the same where spreads are told apart, else one spread for all at 4% (used)",
    }
    tests = {
        "Holm": holms_against_baseline,
        "welch": welch,
        "pooled": pooled,
        "kind": partial(against_baseline, equal=1.0, apart=1.0),
        "now": against_baseline,
    }

    def claims(sets: Iterable[Values], cells: set[int]) -> dict[str, tuple[float, float]]:
        """Test → the share of sweeps in which it claims anything, and of these cells the share that it finds."""
        told = []
        for values in sets:
            found_p = of({name: test(values) for name, test in tests.items()})
            hits = ([cell for cell, p in enumerate(found_p[name]) if p < LEVEL] for name in names)
            told.append([(bool(hit), len(cells & {*hit}) / max(1, len(cells))) for hit in hits])
        return dict(zip(names, map(tuple, np.mean(told, axis=0)), strict=True))

    null = {}
    for noise, equal in EQUAL.items():
        ends = [claims((v[::step] for v in drawn(equal, 4, 3, sweeps)), set()) for step in (1, -1)]
        null[noise] = {name: max(float(end[name][0]) for end in ends) for name in names}
    uniform = null.pop("uniform, spreads drawn")
    power = []
    for better in ({1}, {1, 2, 3}):
        random, means = np.random.default_rng(len(better)), np.array([[2.5 * (cell in better)] for cell in range(4)])
        power.append(claims((random.normal(size=(4, 3)) + means for _ in range(sweeps)), better))
    yield from table(
        "test | nine noises | uniform | one of 4 better by 2.5 | three of 4 better by 2.5",
        (
            (said, max(of[name] for of in null.values()), uniform[name], *(float(of[name][1]) for of in power))
            for name, said in names.items()
        ),
    )


def _either_end(test: Test, equal: Callable[..., Values], seeds: int, sweeps: int) -> Iterator[float]:
    for cells in CELLS:
        sets = np.array([*drawn(equal, cells, seeds, sweeps)])
        for of in (sets, sets[:, ::-1]):
            some = of[may_claim(of)] if test is against_baseline else of
            yield sum(bool(found(test, values)) for values in some) / sweeps


def _apart(test: Test, means: Sequence[float], seeds: int, sweeps: int) -> float:
    """The share of the cells that differ from the first of which that is said; means in standard deviations."""
    random, other = np.random.default_rng([len(means), seeds]), {i for i, mean in enumerate(means) if mean != means[0]}
    sets = (random.normal(size=(len(means), seeds)) + np.array(means)[:, None] for _ in range(sweeps))
    return sum(len(found(test, values) & other) for values in sets) / len(other) / sweeps


def of_power(sweeps: int) -> Iterator[str]:
    yield f"Of the cells that are worse so many are found, in {sweeps} sweeps each (by so many standard deviations):"
    yield ""
    cases = {f"all but one of {n}, by {lead}": [float(lead)] + [0.0] * (n - 1) for n, lead in ((4, 2), (4, 3), (16, 3))}
    cases["four in steps of 1"] = [0.0, -1.0, -2.0, -3.0]
    rows = [
        (name, n, *(power(test, means, n, sweeps) for test in TESTS)) for name, means in cases.items() for n in SEEDS
    ]
    rows += [
        (
            f"a steady one, by 10, beside {n - 2} wild ones, {behind} behind",
            seeds,
            *(far_beside_wild(test, n, seeds, sweeps, behind=behind) for test in TESTS),
        )
        for n, behind in ((5, 100), (9, 100), (9, 60))
        for seeds in SEEDS
    ]
    yield from table("worse cells | seeds | now | before | Holm", rows)


def of_folds(sweeps: int) -> Iterator[str]:
    yield "Equal cells over folds × seeds of 3 × 5, 5 × 3 and 10 × 1: false claims of what holds on other data, at most"
    yield f"over these, in {sweeps} sweeps each; *before* every trial counted as a unit:"
    yield ""
    yield from table(
        "a cell's own variance of a fold, in the seeds' | 2 cells: now | before | 4: now | before | 9: now | before | "
        "16: now | before",
        (
            (
                f"{share:g}",
                *(
                    max(of)
                    for cells in (2, 4, 9, 16)
                    for of in zip(
                        *(
                            claims_over_folds(share, cells, folds=folds, seeds=seeds, sweeps=sweeps)
                            for folds, seeds in ((3, 5), (5, 3), (10, 1))
                        ),
                        strict=True,
                    )
                ),
            )
            for share in (0.0, 0.5, 1.0)
        ),
    )


def of_unpaired(sweeps: int) -> Iterator[str]:
    yield f"Equal cells of runs without pairs, sorted by their values: false claims in {sweeps} sweeps each, at most"
    yield "over 2, 4 and 9 cells:"
    yield ""
    judges = [partial(kind, paired=False) for kind in (AgainstBest, AgainstBaseline)]
    yield from table(
        "noise | 3 runs: against the best | a baseline | 5 runs: against the best | a baseline",
        (
            (noise, *(_unpaired_claims(judge, equal, runs, sweeps) for runs in SEEDS for judge in judges))
            for noise, equal in EQUAL.items()
        ),
    )


def _unpaired_claims(judge: Callable[..., AgainstBest], equal: Callable[..., Values], runs: int, sweeps: int) -> float:
    worst = 0.0
    for cells in (2, 4, 9):
        random, claims = np.random.default_rng([cells, runs]), 0
        for _ in range(sweeps):
            values = np.array([np.sort(equal(cells, runs, random)[cell]) for cell in range(cells)])
            claims += min(judge(399, seed_of(values)).judge(values.tolist()).p) < LEVEL
        worst = max(worst, claims / sweeps)
    return worst


def of_looks(sweeps: int) -> Iterator[str]:
    yield f"Seeds added call by call, 3, 5, 10 and 20, until something is claimed of equal cells; {sweeps} sweeps each:"
    yield ""
    yield from table("cells | now | before", ((cells, *ladder(cells, sweeps)) for cells in (2, *CELLS)))


def of_luck(sweeps: int) -> Iterator[str]:
    yield f"By how much the best mean is too high, in standard deviations of a seed, in {sweeps} sweeps each:"
    yield ""
    cases = itertools.product((4, 9, 16), SEEDS, (0.0, 1.0, 3.0))
    yield from table(
        "cells | seeds | deviation between cells | too high by | without its luck | said to be the best | is the best",
        (
            (cells, seeds, f"{between:g}", *_luck_in_words(**luck_of(cells, seeds, between, sweeps=sweeps)))
            for cells, seeds, between in cases
        ),
    )
    mean, without, many = held_out()
    yield ""
    yield f"On the reference's {many} sweeps, the winner of three seeds against its two others: too high by"
    yield f"{100 * mean:.3f} points, by {100 * without:.3f} without its luck."


def _luck_in_words(mean: float, without: float, chance: float, best: float) -> tuple[str, ...]:
    return f"{mean:+.2f}", f"{without:+.2f}", f"{chance:.0%}", f"{best:.0%}"


PARTS = (of_noise, of_poor, of_power, of_baseline, of_trade, of_unpaired, of_folds, of_looks, of_luck)
SECTIONS = {part.__name__[3:]: part for part in PARTS}
PAGE = Path(__file__).parents[1] / "nnhp_torch" / "core" / "stats" / "README.md"


def main(sections: Mapping[str, Callable[[int], Iterator[str]]]) -> None:
    """Print what was asked for, and put it into the page if that is."""
    sweeps, *names = [word for word in sys.argv[1:] if word != "--page"] or ["1000"]
    for name in names or sections:
        lines = []
        for line in sections[name](int(sweeps)):
            print(line, flush=True)
            lines.append(f"{line}\n")
        print(flush=True)
        if "--page" in sys.argv:
            PAGE.write_text(with_block(PAGE.read_text(), name, "".join(lines)))


if __name__ == "__main__":
    main(SECTIONS)
