"""Every cell against the best: worse, as good or undecided, and whether more seeds may decide."""

import dataclasses
import math

import pytest
from conftest import FakeLaunch, completed

from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.stats.verdict import looked
from nnhp_torch.core.sweeper import Sweeper


def _judge(sweep, store, by_lr, **changes):
    """Verdicts of a sweep over lr, with each cell's accuracies by seed; None is a trial that diverged."""
    swept = dataclasses.replace(sweep, axes={"lr": list(by_lr)}, **changes)
    trials = swept.trials(seeds=range(len(next(iter(by_lr.values())))))
    for trial in trials:
        value = by_lr[trial.cell["lr"]][trial.config.seed]
        store.append(TrialResult.of(trial, "diverged") if value is None else completed(trial, value))
    return Sweeper(FakeLaunch(), store).run(swept, trials).summary.verdicts


def _kinds(found):
    return [verdict.kind for verdict in found]


BEST = [0.9500, 0.9512, 0.9494, 0.9506, 0.9503]


def test_a_cell_far_behind_is_worse_and_its_interval_excludes_0(sweep, store):
    best, far, _ = _judge(sweep, store, {0.1: BEST, 0.2: [v - 0.05 for v in BEST[::-1]], 0.3: [0.9] * 5})
    assert (best.kind, far.kind) == ("best", "worse")
    assert 0 < far.low < far.gap < far.high
    assert far.gap == pytest.approx(0.05)
    assert far.p < 0.05
    assert (far.seeds, far.behind, far.chance) == (5, 5, 0)


def test_a_cell_whose_interval_lies_within_what_matters_is_as_good(sweep, store):
    """The same numbers are undecided if a tenth as much matters."""
    values = {0.1: BEST, 0.2: [0.9499, 0.9513, 0.9492, 0.9507, 0.9503]}
    _, close = _judge(sweep, store, values)
    assert close.kind == "as good"
    assert close.high <= 0.001
    assert _kinds(_judge(sweep, store, values, smallest_effect=0.0001)) == ["best", "undecided"]


def test_what_is_told_from_the_best_by_less_than_matters_is_as_good(sweep, store):
    values = {0.1: BEST, 0.2: [v - 0.0005 for v in BEST]}
    assert _kinds(_judge(sweep, store, values)) == ["best", "as good"]
    assert _kinds(_judge(sweep, store, values, smallest_effect=0.0004)) == ["best", "worse"]


def test_an_undecided_cell_says_how_likely_more_seeds_decide(sweep, store):
    near = [0.9480, 0.9522, 0.9464, 0.9526, 0.9493]
    _, found = _judge(sweep, store, {0.1: BEST, 0.2: near}, smallest_effect=0.0001)
    assert found.kind == "undecided"
    assert found.low < 0 < found.high
    assert 0 < found.chance < 0.3, "a third of a standard deviation"
    _, far = _judge(sweep, store, {0.1: BEST, 0.2: [v - 0.0013 for v in near]}, smallest_effect=0.0001)
    assert far.kind == "undecided"
    assert far.chance > 0.5 > 2 * found.chance


def test_an_interval_does_not_leave_what_an_accuracy_can_be(sweep, store):
    _, found = _judge(sweep, store, {0.1: [0.9, 0.8, 0.95], 0.2: [0.1, 0.9, 0.5]})
    mean = (0.9 + 0.8 + 0.95) / 3
    assert (found.low, found.high) == pytest.approx((mean - 1, mean))


def test_two_seeds_are_too_few_for_any_test(sweep, store):
    _, found = _judge(sweep, store, {0.1: [0.95, 0.951], 0.2: [0.65, 0.649]})
    assert (found.kind, found.behind) == ("undecided", 2)
    assert all(math.isnan(value) for value in (found.p, found.low, found.high))


def _over(sweep, store, values, folds, seeds=3):
    """Verdicts over folds × seeds of two cells, the second behind by what `values` gives of fold and seed."""
    swept = dataclasses.replace(sweep, axes={"lr": [0.1, 0.2]}, replicates={"width": list(folds)})
    for trial in swept.trials(seeds=range(seeds)):
        fold, seed = trial.config.width, trial.config.seed
        store.append(completed(trial, 0.9 + fold / 100 - (trial.cell["lr"] == 0.2) * values(fold, seed)))
    return Sweeper(FakeLaunch(), store).run(swept, swept.trials(seeds=range(seeds))).summary.verdicts


def test_seeds_that_are_added_call_by_call_pay_for_the_looks_at_those_before(sweep, store):
    """Three seeds, then five: a quarter of the level, as the ledger knows; five at once have all of it."""
    by_lr = {0.1: BEST, 0.2: [0.9490, 0.9504, 0.9495, 0.9502, 0.9488], 0.3: [0.9] * 5}
    swept = dataclasses.replace(sweep, axes={"lr": list(by_lr)})

    def found(name, *calls):
        results = ResultStore(store.folder.with_name(name))
        for seeds in calls:
            trials = swept.trials(seeds=range(seeds))
            launch = Given({t.key: completed(t, by_lr[t.cell["lr"]][t.config.seed]) for t in trials})
            summary = Sweeper(launch, results).run(swept, trials).summary
        return summary.cells, summary.verdicts[1]

    once, again, known = found("once", 5), found("again", 3, 5), found("known", 3, 3, 4, 5)
    assert [looked(gathered) for gathered, _ in (once, again, known)] == [[], [3], [3, 4]]
    assert again[1].p == pytest.approx(4 * once[1].p)
    assert known[1].p == pytest.approx(min(1, 16 * once[1].p))


class Given(FakeLaunch):
    """Each trial has the result that is given for it."""

    def __init__(self, results):
        super().__init__()
        self.results = results

    def __call__(self, trials, listener):
        for trial in trials:
            listener.started(trial)
            listener.ended(trial, self.results[trial.key])


def test_folds_times_seeds_are_no_independent_trials(sweep, store):
    """Behind by 3, 2 and -1 points on three folds, whatever the seed: nine trials agree, three folds do not."""
    behind = {1: 0.03, 2: 0.02, 3: -0.01}
    _, found = _over(sweep, store, lambda fold, seed: behind[fold] + seed / 10_000, [1, 2, 3])
    assert (found.kind, found.seeds) == ("undecided", 9)
    assert found.p > 0.2
    assert found.chance < 0.01, "more seeds are no more folds"
    # Fold means of 3.01, 2.01 and -0.99 points: an error of 1.2019 points, √(1 + 3 / 2) times that, and t = 4.303.
    assert found.high - found.gap == pytest.approx(0.0818, rel=0.1)


def test_of_two_folds_the_unit_is_the_seed(sweep, store):
    _, found = _over(sweep, store, lambda fold, seed: 0.02 + seed / 1000, [1, 2], seeds=5)
    assert found.kind == "worse"
    _, found = _over(sweep, store, lambda fold, seed: (-0.01, 0.02, 0.005, 0.01, 0.0)[seed], [3, 4], seeds=5)
    assert found.kind == "undecided"


def test_where_no_difference_is_known_to_matter_no_cell_is_as_good(sweep, store):
    losses = {0.1: [0.10, 0.11, 0.12], 0.2: [0.1001, 0.1099, 0.1201], 0.3: [0.51, 0.50, 0.53]}
    with pytest.raises(LedgerError, match="no metric is called 'val_loss2'"):
        _judge(sweep, store, losses, mode="min", monitor="val_loss2")
    found = _judge(sweep, store, losses, mode="min")
    assert _kinds(found) == ["best", "undecided", "worse"]
    assert found[2].gap == pytest.approx(0.4, abs=0.01), "less is better, and the gap is above 0"


def test_a_cell_with_the_same_curves_is_as_good_whatever_matters_also_with_one_seed(sweep, store):
    _, same = _judge(sweep, store, {0.1: BEST, 0.2: BEST}, smallest_effect=1e-9)
    assert (same.kind, same.same, same.gap) == ("as good", True, 0)
    _, same, other = _judge(sweep, store, {0.1: [0.9], 0.2: [0.9], 0.3: [0.8]})
    assert (same.kind, other.kind) == ("as good", "undecided")


def test_with_one_seed_nothing_is_decided(sweep, store):
    _, other = _judge(sweep, store, {0.1: [0.95], 0.2: [0.65]})
    assert other.kind == "undecided"
    assert other.gap == pytest.approx(0.3)
    assert all(math.isnan(value) for value in (other.p, other.low, other.high))
    assert other.chance == 0


def test_cells_that_have_not_completed_are_not_judged(sweep, store):
    assert _kinds(_judge(sweep, store, {0.4: [None]})) == ["unranked"]
    found = _judge(sweep, store, {0.1: [0.9, None], 0.2: [0.9, 0.91], 0.3: [0.5, 0.51]})
    assert _kinds(found)[0] == "unranked"


@pytest.mark.parametrize("matters", [-1, 0, math.inf, math.nan])
def test_a_difference_that_cannot_matter_is_refused(sweep, matters):
    with pytest.raises(ValueError, match="smallest_effect must be a difference above 0"):
        dataclasses.replace(sweep, smallest_effect=matters)
