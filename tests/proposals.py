"""Simulate loops of proposals: what is kept, and at how many runs.

    python tests/proposals.py 400            prints it; --page puts it into the statistics' page

A loop tries one change after another against what it has, and keeps what looks better: by the gate of `--proposal`, by
three or four seeds and a bootstrap at 95%, or by one seed. The baseline moves on to whatever is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from false_claims import main, table

from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.stats.proposals import HOPE, KNOWN, MOST, Proposal, level_of

Values = np.ndarray  # a value a seed
Gate = Callable[..., tuple[bool, int]]  # baseline, proposal, history, the baseline's seeds so far → kept, seeds
Level = Callable[[list[bool]], float]  # which proposals before it were kept → its level


def gate(base: Values, new: Values, kept: list[bool], ran: int, *, level: Level = level_of) -> tuple[bool, int]:
    """The race of a proposal, as a sweep with `--proposal` runs it."""
    known = float(base[:ran].std(ddof=1)) if ran >= KNOWN else None
    proposal = Proposal("simulated", len(kept) + 1, level(kept), known)
    for seeds in proposal.looks(MOST):
        behind = (base - new)[:seeds]
        gap, error = float(behind.mean()), float(behind.std(ddof=1)) / seeds**0.5 if seeds > 1 else 0.0
        share = proposal.share(seeds, MOST)
        if gap < 0 and share < np.inf:
            found = proposal.judge([base[:seeds].tolist(), new[:seeds].tolist()], proposal.level / share)
            if found.p[1] * share < proposal.level:
                return True, seeds
        if proposal.chance(gap, error, units=seeds, most=MOST) < HOPE:
            return False, seeds
    return False, MOST


def bootstrap(base: Values, new: Values, *_: object, seeds: int) -> tuple[bool, int]:
    """Keep what is better in 97.5% of all resampled means of the paired differences."""
    drawn = np.array(np.meshgrid(*[(new - base)[:seeds]] * seeds)).reshape(seeds, -1).mean(axis=0)
    return bool(np.quantile(drawn, 0.025) > 0), seeds


def one_seed(base: Values, new: Values, *_: object) -> tuple[bool, int]:
    return bool(new[0] > base[0]), 1


def loop(
    gains: Values, keeps: Gate, random: np.random.Generator, *, common: float, alike: float
) -> tuple[list[bool], int]:
    """Which proposals are kept, and how many trials that takes, the baselines' among them.

    Args:
        gains: of each proposal over the baseline that it meets, in standard deviations of a seed.
        common: the share of a seed's variance that is the same in all cells.
        alike: the share of a proposal's own that is that of the proposal before, of which it is a variant.
    """
    noise = random.normal(size=(len(gains) + 1, MOST))
    for number in range(2, len(noise)):
        noise[number] = np.sqrt(alike) * noise[number - 1] + np.sqrt(1 - alike) * noise[number]
    values = np.sqrt(1 - common) * noise + np.sqrt(common) * random.normal(size=MOST)
    base, mean, ran, trials = values[0], 0.0, 0, 0
    kept: list[bool] = []
    for gain, own in zip(gains, values[1:], strict=True):
        new = mean + gain + own
        better, seeds = keeps(base, new, kept, ran)
        trials, ran = trials + seeds + max(0, seeds - ran), max(ran, seeds)
        kept.append(better)
        if better:
            base, mean, ran = new, mean + gain, seeds
    return kept, trials


def loops(
    keeps: Gate,
    proposals: int,
    count: int,
    *,
    helping: int = 0,
    gain: float = 2.0,
    rest: float = 0.0,
    common: float = 0.0,
    alike: float = 0.0,
) -> tuple[float, float, float]:
    """The share of loops that keep anything useless, the share of the helping proposals kept, trials a proposal."""
    random, wrong, found, trials = np.random.default_rng([proposals, helping]), 0, 0, 0
    for _ in range(count):
        gains = np.full(proposals, rest)
        gains[random.permutation(proposals)[:helping]] = gain
        kept, took = loop(gains, keeps, random, common=common, alike=alike)
        wrong += any(k and g <= 0 for k, g in zip(kept, gains, strict=True))
        found += sum(k and g > 0 for k, g in zip(kept, gains, strict=True))
        trials += took
    return wrong / count, found / max(1, helping) / count, trials / proposals / count


def _fallback(kept: list[bool], share: Callable[[int], float]) -> float:
    carried = _fallback(kept[:-1], share) if kept and kept[-1] else 0.0
    return LEVEL * share(len(kept) + 1) + carried


LEVELS: dict[str, Level] = {
    "online fallback, 50 / ((49 + n) (50 + n)) (used)": level_of,
    "alpha spending, the same shares": lambda kept: level_of([False] * len(kept)),
    "online fallback, 6 / (pi n)^2": partial(_fallback, share=lambda n: 6 / (np.pi * n) ** 2),
    "online fallback, n^-1.6": partial(_fallback, share=lambda n: n**-1.6 / 2.2857),
    "online fallback, 1 / 100 each, which ends": partial(_fallback, share=lambda n: 0.01 * (n <= 100)),
}
GATES: dict[str, Gate] = {
    "`--proposal`": gate,
    "three seeds and a bootstrap": partial(bootstrap, seeds=3),
    "four seeds and a bootstrap": partial(bootstrap, seeds=4),
    "one seed": one_seed,
}
LOOPS: dict[str, tuple[int, dict[str, float]]] = {
    "20 useless": (20, {}),
    "100 useless": (100, {}),
    "100 useless, each a variant of the one before": (100, {"alike": 0.8}),
    "100 useless, half of a seed's effect common": (100, {"common": 0.5}),
    "5 of 30 help by 2": (30, {"helping": 5}),
    "5 of 100 help by 2": (100, {"helping": 5}),
    "5 of 100 help by 3": (100, {"helping": 5, "gain": 3.0}),
    "5 of 100 help by 2, the others harm by a half": (100, {"helping": 5, "rest": -0.5}),
    "5 of 100 help by 0.7, nine tenths of a seed's effect common": (100, {"helping": 5, "gain": 0.7, "common": 0.9}),
}


def _rows(of: Mapping[str, Gate], kinds: Sequence[str], count: int) -> Iterator[tuple[str, ...]]:
    for said in kinds:
        proposals, kind = LOOPS[said]
        found = [loops(keeps, proposals, count, **kind) for keeps in of.values()]
        helps = "helping" in kind
        yield said, *(f"{wrong:.1%}{f', {right:.0%}' * helps}, {trials:.1f}" for wrong, right, trials in found)


def of_proposals(count: int) -> Iterator[str]:
    yield "Loops that keep anything useless, of those that help the share that is kept, and trials a proposal, the"
    yield f"baselines' among them; {count} loops each:"
    yield ""
    yield from table(f"proposals | {' | '.join(GATES)}", _rows(GATES, list(LOOPS), count))


def of_shares(count: int) -> Iterator[str]:
    yield f"The same by other shares of the 5% and without handing them on, {count} loops each:"
    yield ""
    of = {name: partial(gate, level=level) for name, level in LEVELS.items()}
    kinds = ["5 of 30 help by 2", "5 of 100 help by 2"]
    shown = [list(row) for row in _rows(of, kinds, count)]
    rows = zip(of, *(row[1:] for row in shown), strict=True)
    yield from table(f"shares | {' | '.join(kinds)}", rows)


if __name__ == "__main__":
    main({"proposals": of_proposals, "shares": of_shares})
