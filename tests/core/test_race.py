"""A race adds seeds where they decide something, and goes on after a kill as if it had not been killed."""

import dataclasses
import random

import numpy as np
import pytest
from conftest import FakeLaunch, completed
from races import false_claims
from races import race as simulated

from nnhp_torch.core.ledger.result import TrialResult
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.loop.race import Race
from nnhp_torch.core.spec.interim import looks
from nnhp_torch.core.stats.against_best import DRAWS
from nnhp_torch.core.stats.pairs import chance_of_deciding
from nnhp_torch.core.sweeper import Sweeper

NOISE = [0.0000, 0.0012, -0.0006, 0.0006, 0.0003, -0.0011, 0.0009, -0.0002, 0.0005, -0.0004] * 2
OTHER = [0.0003, -0.0008, 0.0007, -0.0001, 0.0010, -0.0005, 0.0002, -0.0009, 0.0006, 0.0000] * 2
FAR, NEAR, HARDLY = 0.1, 0.2, 0.3  # these rates are behind 0.4 by
BEHIND = {FAR: 0.0500, NEAR: 0.0020, HARDLY: 0.0003, 0.4: 0.0}


def accuracy(trial):
    lr, seed = trial.cell["lr"], trial.config.seed
    return 0.95 - BEHIND[lr] + (NOISE if lr == 0.4 else OTHER if lr == NEAR else NOISE[lr == FAR :])[seed % 19]


class Training(FakeLaunch):
    """Each trial has the accuracy of its cell and seed; after so many, the sweep is killed."""

    def __init__(self, until=None, ends=None):
        super().__init__()
        self.until, self.ends = until, ends or (lambda trial: completed(trial, accuracy(trial)))

    def __call__(self, trials, listener):
        for trial in trials:
            if listener.stopping():
                return
            if len(self.ran) == self.until:
                raise KeyboardInterrupt
            listener.started(trial)
            self.ran.append(trial.name)
            listener.ended(trial, self.ends(trial))


@pytest.fixture
def rates(sweep):
    return dataclasses.replace(sweep, axes={"lr": list(BEHIND)}, max_seeds=20)


def race(sweep, store, launch=None):
    chooser = Race(sweep, sweep.trials(seeds=range(sweep.max_seeds)))
    return Sweeper(launch or Training(), store).run(sweep, [], chooser=chooser)


def test_a_race_is_looked_at_after_fixed_numbers_of_seeds():
    assert looks(20) == [3, 4, 6, 9, 14, 20]
    assert looks(4) == [3, 4]
    for most in range(4, 200):
        assert looks(most)[0] == 3
        assert looks(most)[-1] == most


def test_seeds_go_to_those_cells_alone_that_they_may_decide(rates, store):
    outcome = race(rates, store)
    seeds = {cell.values["lr"]: cell.trials for cell in outcome.summary.cells}
    found = {verdict.cell.values["lr"]: verdict for verdict in outcome.summary.verdicts}
    assert seeds[FAR] == 3
    assert 3 < seeds[NEAR] < 20
    assert (found[FAR].kind, found[NEAR].kind, found[HARDLY].kind) == ("worse", "worse", "as good")
    assert outcome.summary.leader.values["lr"] == 0.4
    assert len(outcome.ordered) == sum(seeds.values()) < 80
    assert (outcome.left, outcome.successful) == (0, True)


def test_a_cell_keeps_the_verdict_of_the_look_at_which_it_left(rates, store):
    """Over the seeds that all had then, and corrected for all looks."""
    far = next(v for v in race(rates, store).summary.verdicts if v.cell.values["lr"] == FAR)
    assert far.seeds == 3
    first = dataclasses.replace(rates, max_seeds=None)
    alone = Sweeper(Training(), ResultStore(store.folder.with_name("fixed"))).run(first, first.trials(range(3)))
    same = next(v for v in alone.summary.verdicts if v.cell.values["lr"] == FAR)
    assert far.gap == same.gap
    assert far.p == pytest.approx(6 * same.p)


@pytest.mark.parametrize("until", [0, 1, 5, 12, 13, 15, 20])
def test_a_race_that_is_killed_goes_on_to_the_same_trials_in_the_same_order(rates, store, until):
    whole = Training()
    expected = race(rates, store, whole)
    again = ResultStore(store.folder.with_name("killed"))
    killed, rest = Training(until), Training()
    with pytest.raises(KeyboardInterrupt):
        race(rates, again, killed)
    outcome = race(rates, again, rest)
    assert killed.ran + rest.ran == whole.ran
    assert [result.key for result in outcome.ordered] == [result.key for result in expected.ordered]
    assert outcome.summary.verdicts == expected.summary.verdicts
    nothing = Training()
    assert race(rates, again, nothing).left == 0
    assert not nothing.ran


def test_results_that_come_in_any_order_choose_the_same_trials(rates, store):
    """A look waits for the trials that are running: it may be asked for more before they end."""

    def launch(trials, listener):
        running, order = [], random.Random(0)
        for trial in trials:
            if trial is not None:
                listener.started(trial)
                running.append(trial)
            while running and (trial is None or len(running) == 3):
                ended = running.pop(order.randrange(len(running)))
                listener.ended(ended, completed(ended, accuracy(ended)))
                if trial is None:
                    break
        assert not running

    expected = race(rates, store)
    outcome = race(rates, ResultStore(store.folder.with_name("several")), launch)
    assert [result.key for result in outcome.ordered] == [result.key for result in expected.ordered]


def test_a_race_that_is_stopped_is_shown_as_of_its_last_look(rates, store):
    launch = Training()
    chooser = Race(rates, rates.trials(seeds=range(20)))
    outcome = Sweeper(launch, store).run(rates, [], lambda: len(launch.ran) == 14, chooser=chooser)
    assert outcome.interrupted
    assert {cell.trials for cell in outcome.summary.cells} == {3}
    assert [verdict.kind for verdict in outcome.summary.verdicts] == ["worse", "undecided", "undecided", "best"]
    assert len(outcome.ordered) == 14, "nothing is lost"


def test_seeds_that_the_ledger_has_are_used_as_far_as_the_race_chooses_them(rates, store):
    fixed = dataclasses.replace(rates, max_seeds=None)
    Sweeper(Training(), store).run(fixed, fixed.trials(seeds=range(5)))
    launch = Training()
    outcome = race(rates, store, launch)
    expected = race(rates, ResultStore(store.folder.with_name("new")))
    assert [result.key for result in outcome.ordered] == [result.key for result in expected.ordered]
    assert len(launch.ran) < len(expected.ordered)


def test_a_cell_that_diverges_or_fails_gets_no_more_seeds_and_the_others_go_on(rates, store):
    for status in ("diverged", "failed"):

        def ends(trial, status=status):
            lost = trial.cell["lr"] == NEAR and trial.config.seed == 1
            return TrialResult.of(trial, status, "because") if lost else completed(trial, accuracy(trial))

        outcome = race(rates, ResultStore(store.folder.with_name(status)), Training(ends=ends))
        seeds = {cell.values["lr"]: cell.trials for cell in outcome.summary.cells}
        assert seeds[NEAR] == 3
        assert seeds[0.4] > 3
        assert not outcome.successful


def test_replicates_are_run_for_each_seed_of_a_race(rates, store):
    """A round is a seed with all of its replicates."""
    folds = dataclasses.replace(rates, replicates={"width": [4, 8]})
    outcome = race(folds, store)
    counts = {cell.values["lr"]: (cell.trials, cell.repeated) for cell in outcome.summary.cells}
    assert counts[FAR] == (6, "3 seeds × 2 values of width")
    assert all(trials % 2 == 0 for trials, _ in counts.values())


def test_the_chance_of_a_decision_falls_with_what_is_behind():
    def chance(gap, matters=None):
        return chance_of_deciding(gap, 0.001, 0.004, units=9, most=20, matters=matters)

    assert chance(0.01) > 0.99
    assert chance(0.0) < 0.05 < chance(0.002) < chance(0.003)
    assert chance(0.0, matters=0.01) > 0.99, "it will be as good"
    assert chance_of_deciding(0.01, 0.001, 0.004, units=20, most=20) == 0, "there is no further look"


@pytest.mark.parametrize(("name", "number"), [("normal", 4), ("normal", 9), ("one of 50 times the spread", 9)])
def test_equal_cells_are_seldom_said_to_differ_though_they_are_looked_at_again_and_again(name, number):
    """At most 5% of races and three errors of the simulation."""
    assert false_claims(name, number, sweeps=60)[0] <= 0.05 + 3 * (0.05 * 0.95 / 60) ** 0.5


def test_the_simulated_race_is_the_race(rates, store):
    """The same cells leave it after the same seeds, with the same verdicts."""
    outcome = race(rates, store)
    values = np.array([[accuracy(t) for t in rates.trials(range(20)) if t.cell["lr"] == lr] for lr in BEHIND])
    kinds, seeds = simulated(values, draws=DRAWS, seed=0)
    found = outcome.summary.verdicts
    assert kinds == [verdict.kind for verdict in found]
    assert seeds == [verdict.seeds for verdict in found]
