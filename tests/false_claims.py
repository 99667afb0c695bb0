"""How often equal cells are said to differ, and how often a better one is found: `python tests/false_claims.py 1000`.

Of the test that the sweeps use, and beside it of Holm's correction of the comparisons with the winner.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import numpy as np

from nnhp_torch.core.stats.significance import LEVEL, against_best, holm, paired_t_test

Values = np.ndarray  # a row a cell, a column a seed
Test = Callable[[Sequence[Sequence[float]]], list[float]]  # of rows whose first is the best; p-value of each
CELLS, SEEDS = (4, 9, 16, 37), (2, 3, 5, 10)


def normal(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return 0.95 + 0.003 * (random.normal(size=(cells, seeds)) + random.normal(size=seeds) / 2)


def one_wild(cells: int, seeds: int, random: np.random.Generator) -> Values:
    values = normal(cells, seeds, random)
    values[0] = 0.95 + 50 * (values[0] - 0.95)
    return values


def failing(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return np.where(random.random((cells, seeds)) < 0.1, 0.1, normal(cells, seeds, random))


def tied(cells: int, seeds: int, random: np.random.Generator) -> Values:
    return np.round(0.95 + (normal(cells, seeds, random) - 0.95) / 15, 4)


EQUAL = {"normal": normal, "one of 50 times the spread": one_wild, "one in ten fails": failing, "ties": tied}


def now_used(values: Sequence[Sequence[float]]) -> list[float]:
    """With fewer draws, other ones each time: it keeps the same level on average, and takes a fifth of the time."""
    return against_best(values, draws=399, seed=_seed(values)).p


def _seed(values: Sequence[Sequence[float]]) -> int:
    return int(1e9 * abs(values[0][0])) % 2**32


def former(values: Sequence[Sequence[float]]) -> list[float]:
    return [1.0, *holm([paired_t_test(values[0], row) for row in values[1:]])]


def found(test: Test, values: Values) -> set[int]:
    """The cells that are said to be worse than the winner."""
    order = np.argsort(-values.mean(axis=1), kind="stable")
    p_values = test(values[order].tolist())
    return {int(cell) for cell, p in zip(order, p_values, strict=True) if p < LEVEL}


def false_claims(test: Test, equal: Callable[..., Values], cells: int, seeds: int, sweeps: int) -> float:
    """The share of sweeps of equal cells in which any is said to differ."""
    random = np.random.default_rng([cells, seeds])
    return sum(bool(found(test, equal(cells, seeds, random))) for _ in range(sweeps)) / sweeps


def missed(cells: int, seeds: int, sweeps: int) -> float:
    """The share of sweeps in which some true difference from the best is not in its interval; cells in steps."""
    random = np.random.default_rng([cells, seeds])
    means, spreads, misses = -np.arange(cells) / 2, np.linspace(1, 3, cells)[:, None], 0
    for _ in range(sweeps):
        values = random.normal(size=(cells, seeds)) * spreads + means[:, None]
        found = against_best(values.tolist(), draws=399, seed=_seed(values.tolist()))
        true = means[values.mean(axis=1).argmax()] - means
        misses += bool((abs(true - found.gap) > found.critical * np.array(found.error) + 1e-12).any())
    return misses / sweeps


def power(test: Test, means: Sequence[float], seeds: int, sweeps: int) -> float:
    """The share of the cells worse than the best that are found to be so; means in standard deviations."""
    random = np.random.default_rng([len(means), seeds])
    worse = {cell for cell, mean in enumerate(means) if mean < max(means)}
    drawn = (random.normal(size=(len(means), seeds)) + np.array(means)[:, None] for _ in range(sweeps))
    return sum(len(found(test, values) & worse) for values in drawn) / len(worse) / sweeps


def main() -> None:
    sweeps = int(sys.argv[1]) if sys.argv[1:] else 1000
    print(f"False claims in {sweeps} sweeps of equal cells; at most {_limit(sweeps):.1%} is {LEVEL:.0%} and two errors")
    print("| cells are | cells | seeds | now | Holm |\n| --- | --- | --- | --- | --- |")
    for name, equal in EQUAL.items():
        for cells in CELLS:
            for seeds in SEEDS:
                now, holms = (false_claims(t, equal, cells, seeds, sweeps) for t in (now_used, former))
                mark = " **too many**" if now > _limit(sweeps) else ""
                print(f"| {name} | {cells} | {seeds} | {now:.1%}{mark} | {holms:.1%} |", flush=True)
    print("\n| cells in steps, of spreads from 1 to 3 | seeds | an interval misses |\n| --- | --- | --- |")
    for cells in CELLS:
        for seeds in SEEDS:
            print(f"| {cells} | {seeds} | {missed(cells, seeds, sweeps):.1%} |", flush=True)
    print("\n| worse cells found | seeds | now | Holm |\n| --- | --- | --- | --- |")
    for cells in (4, 16):
        cases = {f"one of {cells} better by {lead}": [float(lead)] + [0.0] * (cells - 1) for lead in (1, 2, 3)}
        for name, means in (cases | {f"{cells} in steps of 1": [float(-c) for c in range(cells)]}).items():
            for seeds in SEEDS:
                now, holms = (power(t, means, seeds, max(1, sweeps // 5)) for t in (now_used, former))
                print(f"| {name} | {seeds} | {now:.0%} | {holms:.0%} |", flush=True)


def _limit(sweeps: int) -> float:
    return LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / sweeps)


if __name__ == "__main__":
    main()
